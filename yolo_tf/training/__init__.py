"""config -> run directory: the only place that wires a run's data, network, evaluation, files and signals."""

from collections.abc import Sequence
from pathlib import Path

import keras

from yolo_tf.config import Config
from yolo_tf.config.kinds import converted
from yolo_tf.config.reader import write_config
from yolo_tf.engine.devices import chief_only, choose_strategy, distribute_batches, worker_of
from yolo_tf.files.run_directory import RunDirectory, new_run_directory
from yolo_tf.system.atomic import remove_leftovers
from yolo_tf.terminal import say
from yolo_tf.training.callbacks import ends_after, run_callbacks, write_networks
from yolo_tf.training.failures import explained, stopped_whole
from yolo_tf.training.length import warn_if_short
from yolo_tf.training.prepare import prepare
from yolo_tf.training.profiling import WhereTimeGoes
from yolo_tf.training.report import TrainingResult, summarize, write_start
from yolo_tf.training.resume import first_progress, fit_from, resumed_config


def train(
    config: Config,
    root: Path | str,
    *,
    resume: bool = False,
    profile: bool = False,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> TrainingResult | None:
    """Trains a detector and leaves everything about the run in a directory.

    With TF_CONFIG this is one of many workers: all go through the same steps, the chief alone writes to `root` and speaks.

    Args:
        config: Config.
        root: the run directory; must hold no run unless `resume`.
        resume: go on from the newest checkpoint of the run in `root`; the rest of the run is what it would have
            been without the interruption.
        profile: measure where the time goes; written to the run's directory `profile` with a trace of a few steps.
        callbacks: keras callbacks of your own, called before those of the run; their model is the DetectorTrainer.

    Returns:
        TrainingResult, with the metrics of the best network on the validation split. None on a worker that is not the
        chief.

    Raises:
        InputError: anything about the config, the data set, the run directory or the weights that cannot work; a loss
            that is no number, too little memory or a full disk.
        Interrupted: Ctrl-C or SIGTERM came; the checkpoint of the last step is written.
    """
    converted(config, Config, "config")
    strategy = choose_strategy(config.hardware.devices, worker_timeout=config.hardware.worker_timeout)
    with chief_only(root, strategy) as own_root:
        run = RunDirectory(own_root.resolve()) if resume else new_run_directory(own_root)
        before = RunDirectory(Path(root).resolve()) if resume else None
        return _train(config, run, before, strategy=strategy, profile=profile, callbacks=callbacks)


def _train(config, run, before, *, strategy, profile, callbacks):
    """Does what `train` promises: writes to `run`; goes on with the run in `before` unless that is None."""
    clock, worker = WhereTimeGoes(run.root / "profile") if profile else None, worker_of(strategy)
    if before:
        config = resumed_config(before, config)
        remove_leftovers(run.root)
    setup = prepare(config, strategy)
    config, train, progress = setup.config, setup.config.train, first_progress(before, setup)
    epoch, step = progress.state.epoch, progress.state.step
    batches = setup.make_batches(epoch, step)

    run.plots.mkdir(parents=True, exist_ok=True)
    write_config(config, run.config)
    if not epoch and not step:
        warn_if_short(config, steps=setup.steps)
        write_start(run, setup, batches)
    elif not step:
        (clock.timed("network files", write_networks) if clock else write_networks)(run, setup, progress)
    say(f"run directory: {run.root}  (Ctrl-C stops it; it goes on with: yolo-tf train --resume --run {run.root})")

    def stream(batches):
        return distribute_batches(clock.stamp(batches) if clock else batches, train.batch_size, strategy)

    with (
        explained(run, batch_size=train.batch_size, image_size=config.data.image_size),
        stopped_whole(run, setup.trainer, progress, alone=worker == (0, 1)),
    ):
        fit_from(
            progress,
            setup.trainer,
            stream(batches),
            lambda: stream(setup.make_batches(epoch + 1, 0)),
            epochs=epoch if ends_after(epoch, progress, config.run) else train.epochs,
            callbacks=[*callbacks, *run_callbacks(run, setup, progress, strategy=strategy, clock=clock)],
        )
    return summarize(run, setup.val_set, config, progress) if worker[0] == 0 else None
