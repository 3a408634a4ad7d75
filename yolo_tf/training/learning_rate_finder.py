"""Learning rate range test: the loss while the rate rises from almost nothing, and the rate to take from it."""

import dataclasses
import math
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from yolo_tf.config import Config
from yolo_tf.config.kinds import converted
from yolo_tf.errors import InputError
from yolo_tf.files.run_directory import write_history
from yolo_tf.pictures.plots import plot_learning_rates
from yolo_tf.terminal import say
from yolo_tf.training.prepare import prepare

LOWEST_RATE, HIGHEST_RATE = 1e-6, 1.0
SMOOTHING = 0.9  # share of the past in the smoothed loss
DIVERGED = 4.0  # times the best smoothed loss: the test stops
LEAST_UPDATES = 10  # a curve of fewer points says nothing


@dataclasses.dataclass(frozen=True, eq=False)
class RisingRate(keras.optimizers.schedules.LearningRateSchedule):
    """Learning rate that rises from LOWEST_RATE to HIGHEST_RATE by one factor from update to update."""

    updates: int  # of the whole rise
    batches_per_update: int  # gradients of so many batches are summed into one update

    get_config = dataclasses.asdict  # Keras' contract: the constructor's arguments

    def __call__(self, step):
        """Returns the float32 learning rate of `step`, counted in batches from 0."""
        update = tf.cast(step // self.batches_per_update, tf.float32)
        return LOWEST_RATE * (HIGHEST_RATE / LOWEST_RATE) ** (update / (self.updates - 1))


@dataclasses.dataclass(frozen=True, kw_only=True)
class RateSuggestion:
    """What a range test found."""

    suggestion: float  # the learning rate to take: the smaller of `steepest` and a tenth of `minimum`
    steepest: float  # learning rate where the loss falls fastest
    minimum: float  # learning rate where the loss is lowest
    updates: int  # made before the loss left

    to_json = dataclasses.asdict


def find_learning_rate(config: Config, out: Path | str, *, steps: int = 100) -> RateSuggestion:
    """Trains while the learning rate rises, until the loss leaves; writes lr.csv and lr.png, says and returns a RateSuggestion.

    Network, data, augmentation, optimizer and the sum of gradients up to the nominal batch are those of a run with this
    config; warm-up and the schedule are left out. No weights are kept.

    Args:
        config: Config.
        out: directory for lr.csv and lr.png.
        steps: updates of the weights from the lowest to the highest rate, LEAST_UPDATES or more.

    Raises:
        InputError: too few updates, a config that cannot be trained, or a loss that never falls.

    Source: Smith, arXiv:1506.01186, section 3.3 (the range test; here exponential, as is usual since).
    """
    out = Path(out)
    converted(config, Config, "config")
    if converted(steps, int, "steps") < LEAST_UPDATES:
        raise InputError(f"steps: got {steps}. Expected {LEAST_UPDATES} or more updates. 100 is usual.")
    options = dataclasses.replace(config.train, warmup_epochs=0.0, ema_decay=0.0)
    setup = prepare(dataclasses.replace(config, train=options), tf.distribute.get_strategy())
    trainer, optimizer = setup.trainer, setup.optimizer
    optimizer.learning_rate = RisingRate(steps, optimizer.accumulation)
    rows = _raise_rate(trainer, optimizer, setup.make_batches(0, 0), steps)
    found = suggest_rate([row["learning_rate"] for row in rows], [row["smoothed"] for row in rows])
    write_history(out / "lr.csv", rows)
    rates = {"suggestion": found.suggestion, "steepest": found.steepest, "minimum": found.minimum}
    plot_learning_rates(rows, rates, out / "lr.png")
    say(
        f"learning rate: {found.suggestion:.2g} (the loss falls fastest at {found.steepest:.2g} and is lowest at"
        f" {found.minimum:.2g}; the curve: {out / 'lr.png'}). Try train.learning_rate={found.suggestion:.2g}"
    )
    return found


def _raise_rate(trainer, optimizer, batches, updates):
    """Trains update by update; returns rows of update, learning_rate, loss (mean of the update's batches), smoothed."""
    rows, average, best, feed = [], 0.0, math.inf, iter(batches)
    for update in range(updates):
        rate = float(optimizer.learning_rate)
        trainer.reset_metrics()  # what train_on_batch returns is the mean since then
        for _ in range(optimizer.accumulation):
            loss = float(trainer.train_on_batch(*next(feed), return_dict=True)["loss"])
        average = SMOOTHING * average + (1 - SMOOTHING) * loss
        smoothed = average / (1 - SMOOTHING ** (update + 1))  # the first values count for all that is missing before them
        if not math.isfinite(smoothed) or smoothed > DIVERGED * best:
            break
        best = min(best, smoothed)
        rows.append({"update": update + 1, "learning_rate": rate, "loss": loss, "smoothed": smoothed})
        if update % 10 == 0:
            say(f"update {update + 1}/{updates}: learning rate {rate:.2g}, loss {smoothed:.4g}")
    return rows


def suggest_rate(rates, losses):
    """Returns the RateSuggestion that the curve of a range test gives.

    The loss falls fastest, over the logarithm of the rate, where training gets most out of a step; the lowest point is
    on the edge of divergence already, a tenth of it is the usual safe side. The smaller of the two is suggested.

    Args:
        rates: learning rates, rising by one factor.
        losses: smoothed losses, as many.

    Raises:
        InputError: the loss never falls.
    """
    losses = np.asarray(losses, np.float64)
    lowest = int(losses.argmin()) if len(losses) else 0
    if lowest < 2:
        raise InputError(
            f"learning rate test: the loss never fell over {len(losses)} updates. Expected it to fall before it rises."
            " Check the data and model.weights, or raise `steps`."
        )
    steepest, minimum = float(rates[int(np.gradient(losses[: lowest + 1]).argmin())]), float(rates[lowest])
    return RateSuggestion(suggestion=min(steepest, minimum / 10), steepest=steepest, minimum=minimum, updates=len(losses))
