"""The blocks that backbones and necks are made of: functions of tensors, built-in Keras layers only.

Every layer gets a name from the `name` of its block and stays under it in every version of this
package: weights move from network to network by these names.
"""

import functools
import math

import keras

from yolo_tf.errors import look_up

# SiLU: arXiv:1702.03118; Mish: arXiv:1908.08681; leaky ReLU with the slope of Darknet: arXiv:1506.02640, section 2.2;
# ReLU6: arXiv:1704.04861; hard SiLU (hard swish), x relu6(x + 3) / 6: arXiv:1905.02244, section 5.2.
ACTIVATIONS = {
    "silu": functools.partial(keras.layers.Activation, "silu"),
    "mish": functools.partial(keras.layers.Activation, "mish"),
    "leaky_relu": functools.partial(keras.layers.LeakyReLU, 0.1),
    "relu": functools.partial(keras.layers.Activation, "relu"),
    "relu6": functools.partial(keras.layers.Activation, "relu6"),
    "hard_silu": functools.partial(keras.layers.Activation, "hard_silu"),
}


def scaled_channels(channels, width):
    """Returns `channels * width` rounded up to a multiple of 8."""
    return math.ceil(channels * width / 8) * 8


def scaled_repeats(repeats, depth):
    """Returns `repeats * depth` rounded to the nearest whole number, at least 1."""
    return max(round(repeats * depth), 1)


def conv_block(x, filters, kernel=1, stride=1, *, activation="silu", depthwise=False, name):
    """Applies convolution, batch norm and activation.

    A strided convolution pads both sides alike, as PyTorch does. Keras' "same" would pad the bottom and
    right only, which shifts every feature by half a pixel against weights that were trained elsewhere.

    Args:
        x: [B, Y, X, c].
        filters: output channels.
        kernel: side of the kernel; odd, or even with an even stride.
        stride: 1 or more.
        activation: a row of ACTIVATIONS.
        depthwise: where the kernel is larger than 1, two such blocks in its place: one that mixes the cells of each channel
            (`<name>_depthwise_...`), and a 1 x 1 one that mixes the channels (`<name>_pointwise_...`).
        name: prefix of the layer names `<name>_conv`, `<name>_batch_norm`, `<name>_activation`.

    Returns:
        [B, Y / stride, X / stride, filters].

    Source: YOLOv5 v6 (zenodo 10.5281/zenodo.3908559); depthwise: MobileNets, arXiv:1704.04861, section 3.1.
    """
    if depthwise and kernel > 1:
        x = _depthwise_block(x, kernel, stride, activation=activation, name=f"{name}_depthwise")
        return conv_block(x, filters, activation=activation, name=f"{name}_pointwise")
    if stride > 1:
        x = keras.layers.ZeroPadding2D((kernel - 1) // 2, name=f"{name}_pad")(x)
    x = keras.layers.Conv2D(
        filters,
        kernel,
        stride,
        padding="same" if stride == 1 else "valid",
        use_bias=False,
        kernel_initializer=fan_uniform(),
        name=f"{name}_conv",
    )(x)
    return _normalized(x, activation=activation, name=name)


def _depthwise_block(x, kernel, stride, *, activation, name):
    """Applies a convolution of each channel on its own, batch norm and activation, padded as in `conv_block`."""
    if stride > 1:
        x = keras.layers.ZeroPadding2D((kernel - 1) // 2, name=f"{name}_pad")(x)
    x = depthwise_conv(kernel, stride, name=f"{name}_conv")(x)
    return _normalized(x, activation=activation, name=name)


def depthwise_conv(kernel, stride, *, name):
    """Returns a convolution layer of each channel on its own, without bias; at a stride above 1 it pads nothing."""
    return keras.layers.DepthwiseConv2D(
        kernel,
        stride,
        padding="same" if stride == 1 else "valid",
        use_bias=False,
        depthwise_initializer=fan_uniform("fan_out"),  # what Keras calls so here are the inputs of one output
        name=name,
    )


def _normalized(x, *, activation, name):
    x = batch_norm(name=f"{name}_batch_norm")(x)
    return activation_layer(activation, name=f"{name}_activation")(x)


def activation_layer(kind, *, name):
    """Returns the layer of a row of ACTIVATIONS.

    Raises:
        InputError: no such activation.
    """
    return look_up(ACTIVATIONS, kind, kind="activation")(name=name)


def batch_norm(*, name):
    """Returns a batch norm layer with the constants of YOLOv5."""
    return keras.layers.BatchNormalization(momentum=0.97, epsilon=1e-3, name=name)  # PyTorch counts momentum as 0.03


def pointwise_conv(filters, *, fan_in, use_bias=True, activation=None, name):
    """Returns a 1 x 1 convolution layer for inputs of `fan_in` channels, with an activation of keras.activations inside."""
    bound = 1 / math.sqrt(fan_in)  # PyTorch draws the bias from the range of the kernel
    return keras.layers.Conv2D(
        filters,
        1,
        use_bias=use_bias,
        activation=activation,
        kernel_initializer=fan_uniform(),
        bias_initializer=keras.initializers.RandomUniform(-bound, bound),
        name=name,
    )


def csp_block(x, filters, *, repeats, shortcut, activation="silu", depthwise=False, name):
    """Splits the channels in two paths, sends one through bottlenecks, and merges them (C3).

    Args:
        x, activation, depthwise: as in `conv_block`.
        filters: output channels; each path has half of them.
        repeats: number of bottlenecks.
        shortcut: whether each bottleneck adds its input to its output.
        name: prefix of the layer names; the last layer is `<name>_merge_activation`.

    Returns:
        [B, Y, X, filters].

    Source: CSPNet, arXiv:1911.11929, section 3.2, as in YOLOv5 v6.
    """
    main = conv_block(x, filters // 2, activation=activation, name=f"{name}_main")
    bypass = conv_block(x, filters // 2, activation=activation, name=f"{name}_bypass")
    block = dict(shortcut=shortcut, activation=activation, depthwise=depthwise)
    for index in range(repeats):
        main = bottleneck(main, filters // 2, **block, name=f"{name}_bottleneck{index}")
    merged = keras.layers.Concatenate(name=f"{name}_concat")([main, bypass])
    return conv_block(merged, filters, activation=activation, name=f"{name}_merge")


def bottleneck(x, hidden, *, shortcut, activation="silu", depthwise=False, name):
    """Applies a 1 x 1 convolution to `hidden` channels and a 3 x 3 one back to the channels of its input.

    Args:
        x, activation, depthwise, name: as in `conv_block`.
        hidden: channels between the two.
        shortcut: whether the input is added to the output.

    Returns:
        [B, Y, X, c].

    Source: ResNet, arXiv:1512.03385, section 4.1, as in YOLOv3, arXiv:1804.02767, section 2.4.
    """
    branch = conv_block(x, hidden, activation=activation, name=f"{name}_1x1")
    branch = conv_block(branch, x.shape[-1], 3, activation=activation, depthwise=depthwise, name=f"{name}_3x3")
    return keras.layers.Add(name=f"{name}_add")([x, branch]) if shortcut else branch


def spatial_pyramid_pool(x, filters, *, activation="silu", name):
    """Joins a map with its maxima over 5 x 5, 9 x 9 and 13 x 13 neighbourhoods (SPPF).

    Three 5 x 5 poolings in a row see the same neighbourhoods as 5, 9 and 13 side by side, at less cost.

    Args:
        x: [B, Y, X, c]; pooled at c / 2 channels.
        filters, activation, name: as in `conv_block`.

    Returns:
        [B, Y, X, filters].

    Source: SPP, arXiv:1406.4729; the chained form is YOLOv5 v6's.
    """
    x = conv_block(x, x.shape[-1] // 2, activation=activation, name=f"{name}_reduce")
    return conv_block(with_pooled_maps(x, name=name), filters, activation=activation, name=f"{name}_merge")


def with_pooled_maps(x, *, name):
    """Joins x with its maxima over 5 x 5, 9 x 9 and 13 x 13 cells: [B, Y, X, c] -> [B, Y, X, 4 * c]."""
    maps = [x]
    for index in range(3):
        maps.append(keras.layers.MaxPooling2D(5, 1, padding="same", name=f"{name}_pool{index}")(maps[-1]))
    return keras.layers.Concatenate(name=f"{name}_concat")(maps)


def upsample(x, *, name):
    """Doubles both sides of a map by repeating every cell: [B, Y, X, c] -> [B, 2 * Y, 2 * X, c]."""
    return keras.layers.UpSampling2D(2, interpolation="nearest", name=name)(x)


def fan_uniform(fan="fan_in"):
    """U(+-1 / sqrt(fan)), PyTorch's default; a new object each time, since each holds its own seed."""
    return keras.initializers.VarianceScaling(1 / 3, mode=fan, distribution="uniform")
