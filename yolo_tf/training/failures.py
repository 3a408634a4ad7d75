"""What can end a training besides its data: too little memory, a full disk, a signal; each said in one line."""

import contextlib

import tensorflow as tf

from yolo_tf.errors import InputError
from yolo_tf.system.interruption import Interrupted, note_signals
from yolo_tf.terminal import say_below_bar
from yolo_tf.training.checkpoint import save_checkpoint


@contextlib.contextmanager
def stopped_whole(run, trainer, progress, *, alone):
    """Lets Ctrl-C and SIGTERM stop the block between two steps only, and writes the checkpoint of the last step then.

    They are noted in the RunProgress. A worker that is not `alone` cannot stop alone, and is ended at once as any program is.

    Raises:
        Interrupted: a signal came.
    """
    try:
        with note_signals(progress.noted) if alone else contextlib.nullcontext():
            yield
    except Interrupted:
        save_checkpoint(run.checkpoints, trainer, progress.state_now())
        say_below_bar(f"Every finished step is kept. Go on with: yolo-tf train --resume --run {run.root}")
        raise


@contextlib.contextmanager
def explained(run, *, batch_size, image_size):
    """Turns running out of memory or disk inside the block into one line. The last checkpoint is whole in either case.

    A step has `batch_size` images of `image_size`, (height, width) of the network input, px.

    Raises:
        InputError: instead of TensorFlow's ResourceExhaustedError and of OSError.
    """
    try:
        yield
    except tf.errors.ResourceExhaustedError as error:
        if "No space left" in error.message:  # TensorFlow's word for a full disk is the same
            raise InputError(_full_disk(run, "No space left on device")) from error
        height, width = image_size
        smaller = f"train.batch_size={batch_size // 2}" if batch_size > 1 else "a smaller data.image_size or model"
        raise InputError(
            f"config.train.batch_size: a step with {batch_size} images of {width} x {height} px does not fit in memory."
            f" Expected a batch that does. Start a new run with {smaller}: gradients are summed up to"
            " train.nominal_batch_size all the same. The last checkpoint is kept."
        ) from error
    except OSError as error:
        raise InputError(_full_disk(run, error.strerror or error)) from error


def _full_disk(run, reason):
    return (
        f"{run.root}: cannot be written ({reason}). Expected room for network files and checkpoints. The last checkpoint is"
        f" whole: make room, then go on with yolo-tf train --resume --run {run.root}"
    )
