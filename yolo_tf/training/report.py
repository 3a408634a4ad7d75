"""What a person sees of a run: pictures of its batches before the first epoch, a line an epoch, its result after the last."""

from __future__ import annotations

import dataclasses
import statistics
import time
from pathlib import Path

from yolo_tf.data.pipeline import first_batches
from yolo_tf.evaluation.evaluate import evaluate, format_table
from yolo_tf.files.run_directory import write_environment
from yolo_tf.inference.detector import open_detector
from yolo_tf.pictures.drawing import draw_boxes, draw_grid, write_picture
from yolo_tf.pictures.fonts import describe_undrawable
from yolo_tf.pictures.plots import plot_evaluation, plot_labels
from yolo_tf.system.atomic import write_json
from yolo_tf.terminal import is_terminal, say, say_below_bar
from yolo_tf.training.progress import RunCallback

SHOWN_AFTER = 5  # steps that are measured before a time is promised


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainingResult:
    """What came of a run."""

    metrics: dict  # of its best network on the validation split, see `evaluate`
    run: Path  # its directory
    best_epoch: int  # counted from 1
    epochs: int  # that it took
    seconds_per_epoch: float | None  # median, evaluation included; None without an epoch

    def to_json(self):
        """Returns the metrics and the rest as one mapping of JSON values, which is what metrics.json holds."""
        own = {"best_epoch": self.best_epoch, "epochs": self.epochs, "seconds_per_epoch": self.seconds_per_epoch}
        return {**self.metrics, "run": str(self.run), **own}


def write_start(run, setup, batches):
    """Writes what a run begins with: versions, the report on its network, pictures of its labels and first batches."""
    write_environment(run.root / "environment.json")
    write_json(run.root / "swap_report.json", setup.report.to_json())
    if line := describe_undrawable(setup.train_set.class_names):
        say(line)
    plot_labels(setup.train_set, run.plots / "labels.png")
    pictures = [run.plots / f"train_batch_{number}.png" for number in range(2)]
    picture_batches(batches, setup.train_set.class_names, pictures, augment=setup.augment)


def picture_batches(batches, class_names, paths, *, images=9, augment=None):
    """Draws the first training batches with their boxes as PNG, one for each path: what the network will really see.

    Args:
        batches: tf.data.Dataset of (images, Targets), or of what `augment` makes them from.
        class_names: in the order of the ids.
        paths: of the PNG files.
        images: most images of a batch.
        augment: what the training step does to a batch first; None = nothing.
    """
    if augment:
        batches = batches.map(augment)
    for path, (pictures, targets) in zip(paths, first_batches(batches, len(paths)), strict=True):
        drawn = []
        for picture, boxes, class_ids in list(zip(pictures, *targets, strict=True))[:images]:
            real = class_ids >= 0
            drawn.append(draw_boxes(picture, boxes[real], class_ids[real], class_names))
        write_picture(draw_grid(drawn), path)


def picture_one_batch(run, setup, epoch, step):
    """Draws the whole batch of a step anew, which its number is enough for; returns the path of the picture."""
    path, batches = run.plots / "nonfinite_batch.png", setup.make_batches(epoch, step, cache="none")
    images, class_names = setup.config.train.batch_size, setup.train_set.class_names
    picture_batches(batches, class_names, [path], images=images, augment=setup.augment)
    return path


@dataclasses.dataclass(eq=False)
class SayProgress(RunCallback):
    """Says the time of the first step, after some more that of the whole run, and, where no bar moves, a line an epoch.

    The first step builds and compiles the graph, so it is no measure of the others. The progress does not count the step
    or the epoch yet, but has the row of the epoch.
    """

    seconds: list = dataclasses.field(default_factory=list)  # of the first steps

    def on_train_batch_begin(self, batch, logs=None):
        """Starts the clock of an epoch's first step; that of the others includes what callbacks do before them."""
        if batch == 0:
            self.began = time.perf_counter()

    def on_train_batch_end(self, batch, logs=None):
        """Says the seconds of the first step, and once enough others are known, what they promise."""
        if len(self.seconds) > SHOWN_AFTER:
            return
        ended = time.perf_counter()  # Keras fetched the loss, so the device is done
        self.seconds.append(ended - self.began)
        self.began = ended
        if len(self.seconds) == 1:
            say_below_bar(f"compiled in {self.seconds[0]:.1f} s ({'XLA' if self.model.xla else 'graph only'})")
        if len(self.seconds) > SHOWN_AFTER:
            step, left = statistics.median(self.seconds[1:]), self.progress.steps_left() - 1
            say_below_bar(f"{format_duration(left * step)} to go for {left} steps of {step:.2f} s, and the evaluations")

    def on_epoch_end(self, epoch, logs=None):
        """Says the line of the epoch, with the time to the end of the run."""
        if is_terminal():
            return
        rows, epochs = self.progress.rows, self.progress.epochs
        left = None if self.model.stop_training else self._pace() * (epochs - epoch - 1)
        say(epoch_line(rows[-1], epochs=epochs, parts=[mean.name for mean in self.model.part_means], left=left))

    def _pace(self):
        """Returns the seconds of an epoch to come: the mean without the first, or what the first took beside its compilation."""
        first, *others = (row["seconds"] for row in self.progress.rows)
        if others:
            return statistics.mean(others)
        compilation = self.seconds[0] - statistics.median(self.seconds[1:]) if len(self.seconds) > 1 else 0.0
        return first - compilation


def format_duration(seconds):
    """Returns "hh:mm:ss", rounded."""
    minutes, seconds = divmod(round(seconds), 60)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{seconds:02d}"


def epoch_line(row, *, epochs, parts, left=None):
    """Returns a row of the history as a line.

    Args:
        row: epoch, loss and its parts, seconds; AP and AP50 where the epoch was evaluated.
        epochs: of the whole run.
        parts: names of the parts of the loss.
        left: seconds to the end of the run; 0 or None = this is the end.

    Example: "epoch 3/50  loss 0.1812 (box 0.0613, class 0.1199)  AP 0.312  AP50 0.601  14.2 s  00:11:08 left".
    """
    loss = f"loss {row['loss']:.4f} ({', '.join(f'{part} {row[part]:.4f}' for part in parts)})"
    found = [f"{name} {row[name]:.3f}" for name in ("AP", "AP50") if name in row]
    rest = [f"{format_duration(left)} left"] if left else []
    return "  ".join([f"epoch {row['epoch']}/{epochs}", loss, *found, f"{row['seconds']:.1f} s", *rest])


def summarize(run, val_set, config, progress):
    """Evaluates best.keras as any user would, writes metrics.json and the plots, says the table; returns a TrainingResult."""
    detector, rows = open_detector(run.best), progress.rows
    found = evaluate(
        detector.candidates,
        val_set,
        image_size=config.data.image_size,
        batch_size=config.train.batch_size,
        letterbox=detector.spec.letterbox,
    )
    plot_evaluation(found.curves, found.confusion, val_set.class_names, run.plots)
    result = TrainingResult(
        metrics=found.metrics,
        run=run.root,
        best_epoch=progress.state.best["epoch"],
        epochs=rows[-1]["epoch"] if rows else 0,
        seconds_per_epoch=statistics.median_high(row["seconds"] for row in rows) if rows else None,
    )
    write_json(run.metrics, result.to_json())
    best = f"epoch {result.best_epoch}" + (", the last: there was nothing to choose it by" if found.metrics["AP"] is None else "")
    say("", f"best network: {run.best} ({best})", format_table(found))
    if config.compress.quantize_aware:
        say("these figures are of the network in float; those after each epoch were of the network rounded as int8 rounds it")
    return result
