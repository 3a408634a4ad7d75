"""What happens around the steps and epochs of `fit`: evaluation on averaged weights, files, checkpoints, stopping."""

import contextlib
import dataclasses
import functools
import math
import time
from collections.abc import Callable

import keras
import tensorflow as tf

from yolo_tf.config import RunConfig
from yolo_tf.data.pipeline import first_plain_epoch
from yolo_tf.engine.devices import worker_of
from yolo_tf.engine.optimizers import DetectorOptimizer
from yolo_tf.errors import InputError
from yolo_tf.evaluation.evaluate import evaluate_shared
from yolo_tf.files.keras import save_network
from yolo_tf.files.run_directory import RunDirectory, write_history
from yolo_tf.inference.detector import network_candidates
from yolo_tf.pictures.plots import plot_history
from yolo_tf.system.interruption import stop_if_noted
from yolo_tf.terminal import say, say_below_bar
from yolo_tf.training.checkpoint import save_checkpoint
from yolo_tf.training.progress import RunCallback
from yolo_tf.training.report import SayProgress, picture_one_batch

SHOWN_METRICS = ("AP", "AP50", "precision", "recall")


def run_callbacks(run, setup, progress, *, strategy, clock=None):
    """Returns the callbacks of a run, in the order in which `fit` calls them; a WhereTimeGoes as `clock` measures the others."""
    options, optimizer = setup.config.run, setup.optimizer
    timed = clock.timed if clock else lambda stage, function: function
    evaluate = timed("evaluation", _evaluator(setup, progress, strategy))
    networks = timed("network files", lambda: write_networks(run, setup, progress))
    return [
        Freeze(setup.frozen, epochs=setup.config.transfer.freeze_epochs),
        PlainLoss(first_plain_epoch(setup.config.augment, setup.config.train.epochs)),
        StopOnNonFiniteLoss(progress, draw_batch=functools.partial(picture_one_batch, run, setup)),
        EvaluateAveraged(progress, optimizer, evaluate=evaluate, options=options, choose=setup.chooses_epoch),
        RecordRun(progress, optimizer, run=run, tensorboard=options.tensorboard),
        SayProgress(progress),
        KeepCheckpoints(progress, run, write_networks=networks, every_steps=options.checkpoint_every_steps),
        *([clock] if clock else []),
    ]


def fitness(metrics):
    """Returns the figure that decides which network is best: 0.1 AP50 + 0.9 AP, 0..1 (YOLOv5's); None without a box to find."""
    return None if metrics["AP"] is None else 0.1 * metrics["AP50"] + 0.9 * metrics["AP"]


class Freeze(keras.callbacks.Callback):
    """Keeps layers from learning, their batch norms in inference mode, for the first epochs or for the whole run.

    The optimizer has state for every variable from the start, so a layer that joins later starts with empty momenta.

    Args:
        layers: keras layers.
        epochs: epochs after which they learn; 0 = never.
    """

    def __init__(self, layers, *, epochs):
        super().__init__()
        self.layers = layers
        self.epochs = epochs

    def on_epoch_begin(self, epoch, logs=None):
        """Freezes or frees the layers; builds the training step anew when that changes anything."""
        free = bool(self.epochs) and epoch >= self.epochs
        changed = [layer for layer in self.layers if layer.trainable != free]
        for layer in changed:
            layer.trainable = free
        if changed:
            self.model.make_train_function(force=True)  # it was traced for the variables that learned until now
            count = sum(layer.count_params() for layer in changed)
            say(f"{'now learning' if free else 'frozen'}: {len(changed)} layers with {count:,} weights")


class PlainLoss(keras.callbacks.Callback):
    """Gives the last epochs, which have no mosaic and no mixup, the loss that the head has for them.

    Args:
        first_epoch: the first of them, counted from 0.
    """

    def __init__(self, first_epoch):
        super().__init__()
        self.first_epoch = first_epoch

    def on_epoch_begin(self, epoch, logs=None):
        """Changes the loss of the DetectorTrainer where the epoch asks for it."""
        if self.model.use_plain_loss(epoch >= self.first_epoch):
            say("loss of the epochs without mosaic from here on")


@dataclasses.dataclass(eq=False)
class EvaluateAveraged(RunCallback):
    """Evaluates the averaged weights after an epoch and notes the best epoch; with nothing to find it is the last one."""

    optimizer: DetectorOptimizer  # its averages are swapped in for the evaluation
    evaluate: Callable  # () -> dict of COCO numbers of the network as it is
    options: RunConfig  # uses `evaluate_every` and `patience`
    choose: bool = True  # whether the fitness chooses the best epoch; else the last one counts as the best

    def on_epoch_end(self, epoch, logs=None):
        """Adds AP, AP50, precision and recall to the epoch's logs, so that bar, CSV and plots show them."""
        number, progress = epoch + 1, self.progress
        if not _is_evaluated(number, progress, self.options):
            return
        with swapped_averages(self.optimizer):
            metrics = self.evaluate()
        logs.update({name: metrics[name] for name in SHOWN_METRICS if metrics[name] is not None})
        found, best = fitness(metrics), progress.state.best["fitness"]
        newest = found is None or not self.choose or found == best == 0  # as long as nothing is found, it has learned most
        if newest or found > best:
            progress.move(best={"fitness": best if found is None else found, "epoch": number})
        if ends_after(number, progress, self.options) and number < progress.epochs:
            best, patience = progress.state.best["epoch"], self.options.patience
            say_below_bar(f"No better fitness since epoch {best}: stopping (run.patience = {patience}).")
            self.model.stop_training = True


def ends_after(epoch, progress, options):
    """Returns whether a run ends after so many epochs: all of them, or no better one within the patience of a RunConfig."""
    impatient = bool(options.patience) and epoch - progress.state.best["epoch"] >= options.patience
    return epoch >= progress.epochs or (epoch > 0 and _is_evaluated(epoch, progress, options) and impatient)


def _is_evaluated(epoch, progress, options):
    return epoch % options.evaluate_every == 0 or epoch == progress.epochs


def _evaluator(setup, progress, strategy):
    """Returns the function () -> COCO numbers of the network as it is, shared out over the workers; a signal stops it.

    Where there is nothing to find no image is looked at: every number would be None.
    """
    if not setup.val_set.num_truths:
        return lambda: dict.fromkeys(SHOWN_METRICS)
    candidates = network_candidates(setup.trainer.forward, setup.spec)
    data, letterbox = setup.config.data, setup.spec.letterbox
    sizes = {"image_size": data.image_size, "batch_size": setup.config.train.batch_size, "letterbox": letterbox}

    def interruptible(images):
        stop_if_noted(progress.noted)
        return candidates(images)

    return lambda: evaluate_shared(interruptible, setup.val_set, worker=worker_of(strategy), strategy=strategy, **sizes).metrics


@contextlib.contextmanager
def swapped_averages(optimizer):
    """Gives the network its averaged weights while the block runs."""
    optimizer.swap_averages()
    try:
        yield
    finally:
        optimizer.swap_averages()


@dataclasses.dataclass(eq=False)
class RecordRun(RunCallback):
    """Adds a row to the progress after every epoch; writes history.csv, the curves and TensorBoard events."""

    optimizer: keras.optimizers.Optimizer  # its learning rate is recorded
    run: RunDirectory
    tensorboard: bool  # write event files

    def __post_init__(self):
        super().__post_init__()
        self.events = tf.summary.create_file_writer(str(self.run.root / "events")) if self.tensorboard else None

    def on_epoch_begin(self, epoch, logs=None):
        """Starts the epoch's clock."""
        self.progress.began = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        """Appends the epoch's row and writes everything."""
        seconds, rows = self.progress.seconds(), self.progress.rows
        row = {"epoch": epoch + 1, "seconds": seconds, "learning_rate": float(self.optimizer.learning_rate)}
        row.update({name: float(value) for name, value in logs.items()})
        rows.append(row)
        write_history(self.run.history, rows)
        plot_history(rows, self.run.plots / "history.png")
        if self.events:
            self._write_events(row)

    def _write_events(self, row):
        # The scalar plugin's marker by hand: tf.summary.scalar would need the tensorboard package.
        marker = tf.compat.v1.SummaryMetadata(plugin_data={"plugin_name": "scalars"})
        with self.events.as_default(step=row["epoch"]):
            for name, value in row.items():
                if name != "epoch":
                    tf.summary.write(name, tf.constant(value, tf.float32), metadata=marker)
        self.events.flush()


@dataclasses.dataclass(eq=False)
class KeepCheckpoints(RunCallback):
    """Moves the progress on; writes checkpoints after epochs and steps; stops where a signal asked for it.

    The network files come after the checkpoint of their epoch and are written again from it when a run goes on, so
    a process that is killed in between leaves no best.keras of an epoch that the checkpoints do not know.
    """

    run: RunDirectory
    write_networks: Callable  # () -> None, writes the network files of the epoch that is finished
    every_steps: int  # steps between checkpoints; 0 = after epochs only

    def on_train_begin(self, logs=None):
        """Keeps the restored loss means: `fit` resets them when it begins an epoch."""
        self.loss_means = [variable.numpy() for variable in self.model.metrics_variables]

    def on_epoch_begin(self, epoch, logs=None):
        """Gives an epoch that another process began its loss means back."""
        if self.progress.state.step:
            for variable, value in zip(self.model.metrics_variables, self.loss_means, strict=True):
                variable.assign(value)

    def on_train_batch_end(self, batch, logs=None):
        """Counts the step and writes its checkpoint when it is due."""
        step = self.progress.state.step + 1
        self.progress.move(step=step)
        if self.every_steps and step % self.every_steps == 0:
            self._save()
        stop_if_noted(self.progress.noted)

    def on_epoch_end(self, epoch, logs=None):
        """Counts the epoch, writes its checkpoint, then its networks."""
        self.progress.move(epoch=epoch + 1, step=0, seconds=0.0)
        self._save()
        self.write_networks()
        stop_if_noted(self.progress.noted)

    def _save(self):
        save_checkpoint(self.run.checkpoints, self.model, self.progress.state_now())


def write_networks(run, setup, progress):
    """Writes last.keras, and best.keras if the last finished epoch is the best, with the averaged weights."""
    with swapped_averages(setup.optimizer):
        if progress.state.best["epoch"] == progress.state.epoch:
            save_network(setup.trainer.network, setup.spec, run.best)
        save_network(setup.trainer.network, setup.spec, run.last)


@dataclasses.dataclass(eq=False)
class StopOnNonFiniteLoss(RunCallback):
    """Stops a run whose loss is no number any more; the last checkpoint stays as it is.

    This costs no wait of its own: Keras fetches the numbers after every step for whoever is called then.
    The progress does not count the step yet.
    """

    draw_batch: Callable  # (epoch, step), both from 0 -> path of a picture of that batch

    def on_train_batch_end(self, batch, logs=None):
        """Raises InputError naming epoch, step, the parts of the loss and the picture of the batch."""
        if math.isfinite(logs["loss"]):
            return
        epoch, step = self.progress.state.epoch, self.progress.state.step
        wrong = {name: float(value) for name, value in sorted(logs.items()) if not math.isfinite(value)}
        parts = ", ".join(f"{name} {value}" for name, value in wrong.items())
        raise InputError(
            f"epoch {epoch + 1}, step {step + 1}: the loss is not finite ({parts}). Expected a number."
            f" Look at the images of this batch in {self.draw_batch(epoch, step)}; if they are right, start a new run with"
            " a lower train.learning_rate or hardware.precision=float32. The last checkpoint is kept."
        )
