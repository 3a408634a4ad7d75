"""What happens around the steps and epochs of `fit`: evaluation on averaged weights, files, checkpoints, stopping."""

import contextlib
import math
import time

import keras
import tensorflow as tf

from yolo_tf.errors import InputError
from yolo_tf.files.run_directory import write_history
from yolo_tf.system.interruption import stop_if_noted
from yolo_tf.training.checkpoint import RunState, save_checkpoint

SHOWN_METRICS = ("AP", "AP50", "precision", "recall")


def fitness(metrics):
    """Returns the figure that decides which network is best: 0.1 AP50 + 0.9 AP, 0..1 (YOLOv5's)."""
    return 0.1 * (metrics["AP50"] or 0.0) + 0.9 * (metrics["AP"] or 0.0)


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
            print(f"{'now learning' if free else 'frozen'}: {len(changed)} layers with {count:,} weights")


class EvaluateAveraged(keras.callbacks.Callback):
    """Evaluates the averaged weights after an epoch and knows the best epoch.

    Args:
        optimizer: DetectorOptimizer, whose averages are swapped in for the evaluation.
        evaluate: () -> dict of COCO numbers of the network as it is.
        epochs: of the whole run.
        options: RunConfig; uses `evaluate_every` and `patience`.
        best: {"fitness", "epoch"} so far, of a RunState.
    """

    def __init__(self, optimizer, *, evaluate, epochs, options, best):
        super().__init__()
        self.optimizer = optimizer
        self.evaluate = evaluate
        self.epochs = epochs
        self.options = options
        self.best = best

    def on_epoch_end(self, epoch, logs=None):
        """Adds AP, AP50, precision and recall to the epoch's logs, so that bar, CSV and plots show them."""
        number = epoch + 1
        if not self._due(number):
            return
        with swapped_averages(self.optimizer):
            metrics = self.evaluate()
        logs.update({name: metrics[name] or 0.0 for name in SHOWN_METRICS})
        if fitness(metrics) > self.best["fitness"]:
            self.best = {"fitness": fitness(metrics), "epoch": number}
        if self.finished(number) and number < self.epochs:
            print(f"\nNo better fitness since epoch {self.best['epoch']}: stopping (run.patience = {self.options.patience}).")
            self.model.stop_training = True

    def finished(self, epoch):
        """Returns whether the run ends after so many epochs: all of them, or no better one within the patience."""
        impatient = bool(self.options.patience) and epoch - self.best["epoch"] >= self.options.patience
        return epoch >= self.epochs or (epoch > 0 and self._due(epoch) and impatient)

    def _due(self, epoch):
        return epoch % self.options.evaluate_every == 0 or epoch == self.epochs


@contextlib.contextmanager
def swapped_averages(optimizer):
    """Gives the network its averaged weights while the block runs."""
    optimizer.swap_averages()
    try:
        yield
    finally:
        optimizer.swap_averages()


class RecordRun(keras.callbacks.Callback):
    """Writes history.csv, the curves and TensorBoard events after every epoch.

    Args:
        run: RunDirectory.
        optimizer: keras optimizer whose learning rate is recorded.
        rows: history rows so far; new ones are appended.
        plot: rows -> None, draws the curves.
        tensorboard: write event files.
        seconds: already spent on the first epoch, of a RunState.
    """

    def __init__(self, run, optimizer, *, rows, plot, tensorboard, seconds):
        super().__init__()
        self.run = run
        self.optimizer = optimizer
        self.rows = rows
        self.plot = plot
        self.events = tf.summary.create_file_writer(str(run.root / "events")) if tensorboard else None
        self.seconds_before = seconds

    def on_epoch_begin(self, epoch, logs=None):
        """Starts the epoch's clock."""
        self.started = time.perf_counter() - self.seconds_before
        self.seconds_before = 0.0

    def seconds(self):
        """Returns the seconds spent on the epoch so far."""
        return time.perf_counter() - self.started

    def on_epoch_end(self, epoch, logs=None):
        """Appends the epoch's row and writes everything."""
        row = {"epoch": epoch + 1, "seconds": self.seconds(), "learning_rate": float(self.optimizer.learning_rate)}
        row.update({name: float(value) for name, value in logs.items()})
        self.rows.append(row)
        write_history(self.run.history, self.rows)
        self.plot(self.rows)
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


class StepCallback(keras.callbacks.Callback):
    """Knows the steps of its epoch that are done, those of the process that began the epoch included.

    Args:
        state: RunState that `fit` begins with.
    """

    def __init__(self, state):
        super().__init__()
        self.state = state

    def on_epoch_begin(self, epoch, logs=None):
        """Starts counting."""
        self.epoch = epoch
        self.first_step = self.state.step if epoch == self.state.epoch else 0


class KeepCheckpoints(StepCallback):
    """Writes checkpoints after epochs and steps, the network files after epochs; stops where a signal asked for it.

    The network files come after the checkpoint of their epoch and are written again from it when a run goes on, so
    a process that is killed in between leaves no best.keras of an epoch that the checkpoints do not know.

    Args:
        run: RunDirectory.
        evaluation: EvaluateAveraged of the same run; its best epoch is part of a checkpoint.
        recording: RecordRun of the same run; its clock is part of a checkpoint.
        write_network: path -> None, writes the network as it is.
        state: RunState that `fit` begins with.
        every_steps: steps between checkpoints; 0 = after epochs only.
        noted: list of signals, see `note_signals`.
    """

    def __init__(self, run, evaluation, recording, *, write_network, state, every_steps, noted):
        super().__init__(state)
        self.run = run
        self.evaluation = evaluation
        self.recording = recording
        self.write_network = write_network
        self.every_steps = every_steps
        self.noted = noted
        self.position = (state.epoch, state.step)

    def on_train_begin(self, logs=None):
        """Keeps the restored loss means: `fit` resets them when it begins an epoch."""
        self.loss_means = [variable.numpy() for variable in self.model.metrics_variables]

    def on_epoch_begin(self, epoch, logs=None):
        """Gives an epoch that another process began its loss means back."""
        super().on_epoch_begin(epoch)
        if self.first_step:
            for variable, value in zip(self.model.metrics_variables, self.loss_means, strict=True):
                variable.assign(value)

    def on_train_batch_end(self, batch, logs=None):
        """Writes the checkpoint of this step when it is due."""
        step = self.first_step + batch + 1
        self.position = (self.epoch, step)
        if self.every_steps and step % self.every_steps == 0:
            self.save()
        stop_if_noted(self.noted)

    def on_epoch_end(self, epoch, logs=None):
        """Writes the checkpoint of this epoch, then its networks."""
        self.position = (epoch + 1, 0)
        self.save()
        self.write_networks(epoch + 1)
        stop_if_noted(self.noted)

    def save(self):
        """Writes a checkpoint of where the run is now, unless there is one."""
        epoch, step = self.position
        seconds = self.recording.seconds() if step else 0.0
        state = RunState(epoch=epoch, step=step, seconds=seconds, best=self.evaluation.best, data=self.state.data)
        save_checkpoint(self.run.checkpoints, self.model, state)

    def write_networks(self, epoch):
        """Writes last.keras, and best.keras if `epoch` (counted from 1) is the best, with the averaged weights."""
        with swapped_averages(self.evaluation.optimizer):
            if self.evaluation.best["epoch"] == epoch:
                self.write_network(self.run.best)
            self.write_network(self.run.last)


class StopOnNonFiniteLoss(StepCallback):
    """Stops a run whose loss is no number any more; the last checkpoint stays as it is.

    This costs no wait of its own: the progress bar fetches the same numbers after every step.

    Args:
        state: RunState that `fit` begins with.
        draw_batch: (epoch, step), both from 0 -> path of a picture of that batch.
    """

    def __init__(self, state, *, draw_batch):
        super().__init__(state)
        self.draw_batch = draw_batch

    def on_train_batch_end(self, batch, logs=None):
        """Raises InputError naming epoch, step, the parts of the loss and the picture of the batch."""
        if math.isfinite(logs["loss"]):
            return
        step = self.first_step + batch
        wrong = {name: float(value) for name, value in sorted(logs.items()) if not math.isfinite(value)}
        parts = ", ".join(f"{name} {value}" for name, value in wrong.items())
        raise InputError(
            f"epoch {self.epoch + 1}, step {step + 1}: the loss is not finite ({parts}). Expected a number."
            f" Look at the images of this batch in {self.draw_batch(self.epoch, step)}; if they are right, start a new run with"
            " a lower train.learning_rate or hardware.precision=float32. The last checkpoint is kept."
        )
