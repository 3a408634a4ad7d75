"""What a run will take, said early: memory before its first epoch, time after its first steps; the batch that fits."""

from __future__ import annotations

import dataclasses
import math
import statistics
import time

import keras
import tensorflow as tf

from yolo_tf.engine.optimizers import build_optimizer
from yolo_tf.engine.trainer import DetectorTrainer
from yolo_tf.models.reports.start import activation_megabytes
from yolo_tf.structures import Targets

# Measured on a CPU as the growth of the process over training steps (YOLOv5n and s, 320 and 640 px, batches of 4 to 16):
# about 350 MB whatever the batch (graphs, oneDNN's own copies), plus 0.9 to 1 times the outputs of all layers.
STEP_MEGABYTES = 350.0
AUGMENTATION_BYTES = 61.0  # of one augmentation in flight, per pixel of its batch: 25 MB for 640 x 640
BATCHES_IN_FLIGHT = 3  # augmentations at work and batches waiting
SAFE_SHARE = 0.6  # of the available memory that an automatic batch may take
MOST_PROBED = 9 / 8  # a batch is only chosen if one this many times as large ran too
SHOWN_AFTER = 5  # steps that are measured before a time is promised


@dataclasses.dataclass(frozen=True, kw_only=True)
class MemoryEstimate:
    """Megabytes that training adds to the process as it is; on a GPU `state` and `activations` lie on the device."""

    state: float  # weights, gradients, what the optimizer keeps
    activations: float  # outputs of all layers, kept for the backward pass
    input: float  # batches in preparation
    program: float  # graphs and buffers of the kernels

    @property
    def total(self):
        """All of it."""
        return self.state + self.activations + self.input + self.program


def estimate_memory(network, *, image_size, train, batch_size):
    """Estimates what training will add to the memory of this process.

    Args:
        network: built keras.Model.
        image_size: (height, width) px.
        train: TrainConfig; optimizer, ema_decay and nominal_batch_size count, not batch_size.
        batch_size: images in one step.

    Returns:
        MemoryEstimate.
    """
    weights = sum(math.prod(variable.shape) for variable in network.trainable_variables) * 4e-6
    moments = {"sgd": 1, "adamw": 2}[train.optimizer]
    copies = 2 + moments + bool(train.ema_decay) + (round(train.nominal_batch_size / batch_size) > 1)
    half = any(layer.compute_dtype != "float32" for layer in network.layers)
    return MemoryEstimate(
        state=copies * weights,
        activations=activation_megabytes(network, image_size)["total"] * batch_size / (2 if half else 1),
        input=math.prod(image_size) * batch_size * AUGMENTATION_BYTES * BATCHES_IN_FLIGHT / 1e6,
        program=STEP_MEGABYTES,
    )


def format_memory(estimate, available, batch_size):
    """Returns a MemoryEstimate as text, with a warning when it is more than `available` (MB, or None: not known)."""
    line = (
        f"memory: about {estimate.total / 1e3:.1f} GB more for training (weights and optimizer {estimate.state / 1e3:.2f},"
        f" activations of {batch_size} images {estimate.activations / 1e3:.2f}, input {estimate.input / 1e3:.2f},"
        f" program {estimate.program / 1e3:.2f})"
    )
    if available is None:
        return line
    line += f"; {available / 1e3:.1f} GB are available"
    if estimate.total > available:
        line += "\nwarning: that may not fit; lower train.batch_size (or use train.batch_size=auto) or data.image_size"
    return line


def fitting_batch_size(network, *, image_size, train, most, available):
    """Returns the largest power of two up to `most` whose estimated memory is a safe share of `available`; 0 = none.

    Args:
        network: built keras.Model.
        image_size: (height, width) px.
        train: TrainConfig, see `estimate_memory`.
        most: largest batch to think of, 1 or more.
        available: MB.
    """

    def fits(batch_size):
        need = estimate_memory(network, image_size=image_size, train=train, batch_size=batch_size)
        return need.total <= SAFE_SHARE * available

    return largest_batch(fits, most=most)


def largest_batch(fits, *, most):
    """Returns the largest power of two up to `most` for which `fits` holds, trying upwards; 0 = not even for 1."""
    batch_size = 1
    while batch_size <= most and fits(batch_size):
        batch_size *= 2
    return batch_size // 2


def step_probe(network, layout, *, image_size, train, loss, compiled, view=None):
    """Returns a function batch_size -> whether a training step on so many images, and an eighth more, fits the device.

    The steps train a copy of the network.

    Args:
        network: built keras.Model.
        layout: of the head's raw predictions.
        image_size: (height, width) px.
        train: TrainConfig; batch_size does not count.
        loss: LossConfig.
        compiled: run the step under XLA, as the run will.
        view: network -> the model it is trained through; None = itself.
    """
    copy = keras.models.clone_model(network)
    trainer = DetectorTrainer(copy, layout, loss=loss, fused_batch_norm=not compiled)
    if view:
        trainer.train_through(view(copy))
    options = dataclasses.replace(train, batch_size=1)  # so that gradients are summed, which needs memory too
    trainer.compile(optimizer=build_optimizer(options, copy, steps_per_epoch=1), jit_compile=compiled)

    def runs(batch_size):
        count = math.ceil(batch_size * MOST_PROBED)
        targets = Targets(tf.zeros([count, 1, 4]), tf.fill([count, 1], -1))
        trainer.make_train_function(force=True)  # traced for this batch alone, as the run's step will be
        try:
            trainer.train_on_batch(tf.zeros([count, *image_size, 3]), targets)  # returns numbers, so it waits for the device
        except (tf.errors.ResourceExhaustedError, tf.errors.InternalError) as error:
            if isinstance(error, tf.errors.InternalError) and "memory" not in str(error):
                raise  # XLA reports a full device as an internal error; this was another one
            return False
        return True

    return runs


class PromiseTime(keras.callbacks.Callback):
    """Prints once, after the first steps, how long the rest of the run will take without its evaluations.

    Args:
        epochs: of the whole run.
        steps: batches of one epoch.
    """

    def __init__(self, *, epochs, steps):
        super().__init__()
        self.epochs = epochs
        self.steps = steps
        self.seconds = []
        self.ended = None

    def on_epoch_begin(self, epoch, logs=None):
        """Notes the epoch; the first step of each is not measured: it traces the graph or follows an evaluation."""
        self.epoch = epoch
        self.ended = None

    def on_train_batch_end(self, batch, logs=None):
        """Measures from the end of one step to the end of the next, until enough are known."""
        if len(self.seconds) >= SHOWN_AFTER:
            return
        now = time.perf_counter()
        if self.ended is not None:
            self.seconds.append(now - self.ended)
        self.ended = now
        if len(self.seconds) == SHOWN_AFTER:
            step = statistics.median(self.seconds)
            left = (self.epochs - self.epoch) * self.steps - batch - 1
            print(f"\n{format_duration(left * step)} to go for {left} steps of {step:.2f} s, and the evaluations")


def format_duration(seconds):
    """Returns "hh:mm:ss", rounded."""
    minutes, seconds = divmod(round(seconds), 60)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{seconds:02d}"
