"""The plain feature pyramid network, as torchvision builds it."""

import keras

from yolo_tf.layers.blocks import scaled_channels, upsample

CHANNELS = 256  # of every level at width 1


def fpn(features, *, depth, width, activation="silu"):
    """Adds coarse features to finer ones, from the coarsest to the finest; linear throughout.

    A level sees its own feature and all coarser ones; nothing flows from fine to coarse.

    Args:
        features: three tensors of strides 8, 16, 32, with any number of channels.
        depth, activation: those of every neck; this one has neither blocks to repeat nor activations.
        width: factor on CHANNELS.

    Returns:
        Three tensors of strides 8, 16, 32 with CHANNELS * width channels (a multiple of 8).

    Source: FPN, arXiv:1612.03144, section 3; with biases, and initial weights, as torchvision has it.
    """
    filters = scaled_channels(CHANNELS, width)
    levels = range(3, 3 + len(features))
    merged = [_conv(x, filters, 1, name=f"neck_p{level}_lateral") for level, x in zip(levels, features, strict=True)]
    for index in reversed(range(len(features) - 1)):
        coarser = upsample(merged[index + 1], name=f"neck_p{index + 4}_upsample")
        merged[index] = keras.layers.Add(name=f"neck_p{index + 3}_add")([merged[index], coarser])
    return tuple(_conv(x, filters, 3, name=f"neck_p{level}_output") for level, x in zip(levels, merged, strict=True))


def _conv(x, filters, kernel, *, name):
    start = keras.initializers.VarianceScaling(1, mode="fan_in", distribution="uniform")  # U(+-sqrt(3 / fan_in))
    return keras.layers.Conv2D(filters, kernel, padding="same", kernel_initializer=start, name=f"{name}_conv")(x)
