"""What happens around the epochs of `fit`: evaluation on averaged weights, files, stopping."""

import math
import time

import keras
import tensorflow as tf

from yolo_tf.errors import InputError
from yolo_tf.run_directory import save_checkpoint, write_history

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
    """Evaluates the averaged weights after an epoch, saves the network and keeps the best.

    Args:
        optimizer: DetectorOptimizer, whose averages are swapped in for the evaluation.
        evaluate: () -> dict of COCO numbers of the network as it is.
        save_last, save_best: () -> None, write the network as it is.
        train: TrainConfig; uses `epochs`, `evaluate_every`, `patience`.
        best: {"fitness", "epoch"} of a run that is continued.
    """

    def __init__(self, optimizer, *, evaluate, save_last, save_best, train, best=None):
        super().__init__()
        self.optimizer = optimizer
        self.evaluate = evaluate
        self.save_last = save_last
        self.save_best = save_best
        self.train = train
        self.best = best or {"fitness": -1.0, "epoch": 0}

    def on_epoch_end(self, epoch, logs=None):
        """Adds AP, AP50, precision and recall to the epoch's logs, so that bar, CSV and plots show them."""
        number = epoch + 1
        due = number % self.train.evaluate_every == 0 or number == self.train.epochs
        self.optimizer.swap_averages()
        try:
            if due:
                metrics = self.evaluate()
                logs.update({name: metrics[name] or 0.0 for name in SHOWN_METRICS})
                score = fitness(metrics)
                if score > self.best["fitness"]:
                    self.best = {"fitness": score, "epoch": number}
                    self.save_best()
            self.save_last()
        finally:
            self.optimizer.swap_averages()
        if due and self.train.patience and number - self.best["epoch"] >= self.train.patience:
            print(f"\nNo better fitness since epoch {self.best['epoch']}: stopping (train.patience = {self.train.patience}).")
            self.model.stop_training = True


class RecordRun(keras.callbacks.Callback):
    """Writes history.csv, the curves, TensorBoard events and the checkpoint after every epoch.

    Args:
        run: RunDirectory.
        evaluation: EvaluateAveraged of the same run; its best score is part of the checkpoint.
        rows: history rows of a run that is continued.
        plot: rows -> None, draws the curves.
        tensorboard: write event files.
    """

    def __init__(self, run, evaluation, *, rows, plot, tensorboard):
        super().__init__()
        self.run = run
        self.evaluation = evaluation
        self.rows = rows
        self.plot = plot
        self.events = tf.summary.create_file_writer(str(run.root / "events")) if tensorboard else None

    def on_epoch_begin(self, epoch, logs=None):
        """Starts the epoch's clock."""
        self.started = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        """Writes everything; the checkpoint last, so that a run continued from it misses nothing."""
        rate = float(self.evaluation.optimizer.learning_rate)
        row = {"epoch": epoch + 1, "seconds": time.perf_counter() - self.started, "learning_rate": rate}
        row.update({name: float(value) for name, value in logs.items()})
        self.rows.append(row)
        write_history(self.run.history, self.rows)
        self.plot(self.rows)
        if self.events:
            self._write_events(row)
        save_checkpoint(self.run, self.model, {"epoch": epoch + 1, "best": self.evaluation.best})

    def _write_events(self, row):
        # The scalar plugin's marker by hand: tf.summary.scalar would need the tensorboard package.
        marker = tf.compat.v1.SummaryMetadata(plugin_data={"plugin_name": "scalars"})
        with self.events.as_default(step=row["epoch"]):
            for name, value in row.items():
                if name != "epoch":
                    tf.summary.write(name, tf.constant(value, tf.float32), metadata=marker)
        self.events.flush()


class StopOnNonFiniteLoss(keras.callbacks.Callback):
    """Stops a run whose loss is no number any more; the last checkpoint stays as it is."""

    def on_epoch_begin(self, epoch, logs=None):
        """Remembers the epoch for the message."""
        self.epoch = epoch + 1

    def on_train_batch_end(self, batch, logs=None):
        """Raises InputError naming epoch, step and the parts of the loss."""
        if math.isfinite(logs["loss"]):
            return
        parts = ", ".join(f"{name} {value:.4g}" for name, value in sorted(logs.items()))
        raise InputError(
            f"epoch {self.epoch}, step {batch + 1}: the loss is not finite ({parts}). Expected a number."
            " Lower train.learning_rate, or use train.precision=float32; the last finished epoch is kept for --resume."
        )
