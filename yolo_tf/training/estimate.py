"""What memory a run will take, said before its first epoch; the batch that fits."""

from __future__ import annotations

import dataclasses
import functools
import math

import keras
import tensorflow as tf

from yolo_tf.engine.optimizers import build_optimizer
from yolo_tf.engine.trainer import DetectorTrainer
from yolo_tf.errors import InputError
from yolo_tf.heads import load_head, loss_options
from yolo_tf.models.reports.start import activation_megabytes
from yolo_tf.structures import Targets
from yolo_tf.surgery.fake_quantization import fake_quantized_view
from yolo_tf.system.processor import available_memory
from yolo_tf.terminal import say

# Measured on a CPU as the growth of the process over training steps (YOLOv5n and s, 320 and 640 px, batches of 4 to 16):
# about 350 MB whatever the batch (graphs, oneDNN's own copies), plus 0.9 to 1 times the outputs of all layers.
STEP_MEGABYTES = 350.0
AUGMENTATION_BYTES = 61.0  # of one augmentation in flight, per pixel of its batch: 25 MB for 640 x 640
BATCHES_IN_FLIGHT = 3  # augmentations at work and batches waiting
SAFE_SHARE = 0.6  # of the available memory that an automatic batch may take
MOST_PROBED = 9 / 8  # a batch is only chosen if one this many times as large ran too


@dataclasses.dataclass(frozen=True, kw_only=True)
class MemoryEstimate:
    """Megabytes that training adds to the process as it is; on a GPU `state` and `activations` lie on the device."""

    state: float  # weights, gradients, what the optimizer keeps
    activations: float  # outputs of all layers, kept for the backward pass
    input: float  # batches in preparation
    boxes: float  # what the places of the boxes are held against
    program: float  # graphs and buffers of the kernels

    @property
    def total(self):
        """All of it."""
        return self.state + self.activations + self.input + self.boxes + self.program


def estimate_memory(network, *, image_size, train, batch_size, box_bytes=0.0):
    """Returns the MemoryEstimate of what training will add to this process.

    Args:
        network: built keras.Model.
        image_size: (height, width) px.
        train: TrainConfig; optimizer, ema_decay and nominal_batch_size count, not batch_size.
        batch_size: images in one step.
        box_bytes: what the places for the boxes of one of them take.
    """
    weights = sum(math.prod(variable.shape) for variable in network.trainable_variables) * 4e-6
    moments = {"sgd": 1, "adamw": 2}[train.optimizer]
    copies = 2 + moments + bool(train.ema_decay) + (round(train.nominal_batch_size / batch_size) > 1)
    half = any(layer.compute_dtype != "float32" for layer in network.layers)
    return MemoryEstimate(
        state=copies * weights,
        activations=activation_megabytes(network, image_size)["total"] * batch_size / (2 if half else 1),
        input=math.prod(image_size) * batch_size * AUGMENTATION_BYTES * BATCHES_IN_FLIGHT / 1e6,
        boxes=box_bytes * batch_size / 1e6,
        program=STEP_MEGABYTES,
    )


def bytes_of_boxes(spec, max_boxes):
    """Returns the bytes that so many places for the boxes of an image take in a step of the detector of a DetectorSpec."""
    return load_head(spec.head).place_bytes(spec.layout, len(spec.class_names), spec.image_size) * max_boxes


def format_memory(estimate, available, batch_size):
    """Returns a MemoryEstimate as text, with a warning when it is more than `available` (MB, or None: not known)."""
    line = (
        f"memory: about {estimate.total / 1e3:.1f} GB more for training (weights and optimizer {estimate.state / 1e3:.2f},"
        f" activations of {batch_size} images {estimate.activations / 1e3:.2f}, input {estimate.input / 1e3:.2f},"
        f" boxes {estimate.boxes / 1e3:.2f}, program {estimate.program / 1e3:.2f})"
    )
    if available is None:
        return line
    line += f"; {available / 1e3:.1f} GB are available"
    if estimate.total > available:
        line += "\nwarning: that may not fit; lower train.batch_size (or use train.batch_size=auto) or data.image_size"
    return line


def choose_batch_size(config, network, num_images, *, spec, compiled, replicas=1):
    """Returns `config` with the largest power of two that fits as `train.batch_size`, where that is "auto"; says it.

    At most the training images, and at most the nominal batch: more would change what an update is. On a GPU steps of
    growing batches are run, `compiled` as those of the run, and on one of the `replicas` that share a batch; on a CPU,
    where an overdrawn memory ends the program, the estimate decides.

    Raises:
        InputError: not even one image fits, or the system does not say how much memory there is.
    """
    if config.train.batch_size != "auto":
        return config
    size, most = config.data.image_size, min(config.train.nominal_batch_size, num_images)
    if tf.config.list_physical_devices("GPU"):
        view = None
        if config.compress.quantize_aware:
            view = functools.partial(fake_quantized_view, channel_parts=spec.channel_parts)
        loss = loss_options(load_head(spec.head), config)
        options = dict(image_size=size, train=config.train, loss=loss, compiled=compiled, view=view)
        options |= {"keep_zeros": config.compress.keep_zeros, "max_boxes": config.data.max_boxes}
        batch_size = replicas * largest_batch(step_probe(network, spec.layout, **options), most=most // replicas)
        how = "by running steps"
    else:
        available = available_memory()
        if available is None:
            raise InputError("config.train.batch_size: auto needs a system that tells its free memory. Give a number instead.")

        box_bytes = bytes_of_boxes(spec, config.data.max_boxes)

        def fits(batch_size):
            need = estimate_memory(network, image_size=size, train=config.train, batch_size=batch_size, box_bytes=box_bytes)
            return need.total <= SAFE_SHARE * available

        batch_size = largest_batch(fits, most=most)
        how = f"by estimate for {available / 1e3:.1f} GB of free memory"
    if not batch_size:
        raise InputError(
            f"config.train.batch_size: not even one image of {size[1]} x {size[0]} px fits in memory ({how})."
            " Expected room for one. Lower data.image_size, or take a smaller model."
        )
    say(f"batch size: {batch_size} ({how}; at most {most}: train.nominal_batch_size or the training images)")
    return dataclasses.replace(config, train=dataclasses.replace(config.train, batch_size=batch_size))


def largest_batch(fits, *, most):
    """Returns the largest power of two up to `most` for which `fits` holds, trying upwards; 0 = not even for 1."""
    batch_size = 1
    while batch_size <= most and fits(batch_size):
        batch_size *= 2
    return batch_size // 2


def step_probe(network, layout, *, image_size, train, loss, compiled, view=None, keep_zeros=False, max_boxes=1):
    """Returns a function batch_size -> whether a training step on so many images, and an eighth more, fits the device.

    The steps train a copy of the network.

    Args:
        network: built keras.Model.
        layout: of the head's raw predictions.
        image_size: (height, width) px.
        train: TrainConfig; batch_size does not count.
        loss: options of the head's loss.
        compiled: run the step under XLA, as the run will.
        view: network -> the model it is trained through; None = itself.
        keep_zeros: mask gradients, as the run will.
        max_boxes: places for boxes in one image.
    """
    copy = keras.models.clone_model(network)
    trainer = DetectorTrainer(copy, layout, loss=loss, fused_batch_norm=not compiled)
    if view:
        trainer.train_through(view(copy))
    options = dataclasses.replace(train, batch_size=1)  # so that gradients are summed, which needs memory too
    optimizer = build_optimizer(options, copy, steps_per_epoch=1, keep_zeros=keep_zeros)
    trainer.compile(optimizer=optimizer, jit_compile=compiled)

    def runs(batch_size):
        count = math.ceil(batch_size * MOST_PROBED)
        targets = Targets(tf.zeros([count, max_boxes, 4]), tf.fill([count, max_boxes], -1))
        trainer.make_train_function(force=True)  # traced for this batch alone, as the run's step will be
        try:
            trainer.train_on_batch(tf.zeros([count, *image_size, 3]), targets)  # returns numbers, so it waits for the device
        except (tf.errors.ResourceExhaustedError, tf.errors.InternalError) as error:
            if isinstance(error, tf.errors.InternalError) and "memory" not in str(error):
                raise  # XLA reports a full device as an internal error; this was another one
            return False
        return True

    return runs
