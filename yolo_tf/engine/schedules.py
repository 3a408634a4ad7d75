"""Learning rate as a function of the step alone, so that a resumed run goes on where it was."""

import dataclasses
import math

import keras
import tensorflow as tf


@dataclasses.dataclass(frozen=True, eq=False)
class EpochDecay(keras.optimizers.schedules.LearningRateSchedule):
    """Learning rate of one run; warm-up is the optimizer's (it treats biases apart).

    `linear` and `cosine` change once an epoch, as YOLOv5's do; `one_cycle` changes every step: a cosine rise from
    1/25 of the learning rate over the first 30 % of the run, then a cosine fall.

    Source: facts as documented for YOLOv5 v6/v7; one cycle: Smith & Topin, arXiv:1708.07120.
    """

    kind: str  # linear | cosine | one_cycle
    learning_rate: float  # the highest rate, > 0
    final_fraction: float  # last rate as a fraction of `learning_rate`, 0..1
    epochs: int  # length of the run
    steps_per_epoch: int  # batches in one epoch

    get_config = dataclasses.asdict  # Keras' contract: the constructor's arguments

    def __call__(self, step):
        """Returns the float32 learning rate of `step`, counted in batches from 0."""
        step = tf.cast(step, tf.float32)
        if self.kind == "one_cycle":
            return self.learning_rate * self._one_cycle(step / (self.epochs * self.steps_per_epoch))
        progress = tf.minimum(tf.floor(step / self.steps_per_epoch) / self.epochs, 1.0)
        fall = progress if self.kind == "linear" else (1 - tf.cos(math.pi * progress)) / 2
        return self.learning_rate * (1 - fall * (1 - self.final_fraction))

    def _one_cycle(self, progress, *, rise=0.3, start=1 / 25):
        up = (1 - tf.cos(math.pi * tf.clip_by_value(progress / rise, 0.0, 1.0))) / 2
        down = (1 - tf.cos(math.pi * tf.clip_by_value((progress - rise) / (1 - rise), 0.0, 1.0))) / 2
        return tf.where(progress < rise, start + (1 - start) * up, 1 - (1 - self.final_fraction) * down)


def warmup_steps(warmup_epochs, steps_per_epoch, *, least=100):
    """Returns the number of warm-up batches: `warmup_epochs`, but at least `least` unless it is 0."""
    return max(round(warmup_epochs * steps_per_epoch), least) if warmup_epochs > 0 else 0
