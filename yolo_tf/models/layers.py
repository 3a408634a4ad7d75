"""The blocks that backbones and necks are made of: functions of tensors, built-in Keras layers only.

Every layer gets a name from the `name` of its block and stays under it in every version of this
package: weights move from network to network by these names.
"""

import math

import keras


def scaled_channels(channels, width):
    """Returns `channels * width` rounded up to a multiple of 8."""
    return math.ceil(channels * width / 8) * 8


def scaled_repeats(repeats, depth):
    """Returns `repeats * depth` rounded to the nearest whole number, at least 1."""
    return max(round(repeats * depth), 1)


def conv_block(x, filters, kernel=1, stride=1, *, name):
    """Applies convolution, batch norm and SiLU.

    A strided convolution pads both sides alike, as PyTorch does. Keras' "same" would pad the bottom and
    right only, which shifts every feature by half a pixel against weights that were trained elsewhere.

    Args:
        x: [B, Y, X, c].
        filters: output channels.
        kernel: side of the kernel; odd, or even with an even stride.
        stride: 1 or more.
        name: prefix of the layer names `<name>_conv`, `<name>_batch_norm`, `<name>_silu`.

    Returns:
        [B, Y / stride, X / stride, filters].

    Source: YOLOv5 v6 (zenodo 10.5281/zenodo.3908559); SiLU: arXiv:1702.03118.
    """
    if stride > 1:
        x = keras.layers.ZeroPadding2D((kernel - 1) // 2, name=f"{name}_pad")(x)
    x = keras.layers.Conv2D(
        filters,
        kernel,
        stride,
        padding="same" if stride == 1 else "valid",
        use_bias=False,
        kernel_initializer=_fan_in_uniform(),
        name=f"{name}_conv",
    )(x)
    x = batch_norm(name=f"{name}_batch_norm")(x)
    return keras.layers.Activation("silu", name=f"{name}_silu")(x)


def batch_norm(*, name):
    """Returns a batch norm layer with the constants of YOLOv5."""
    return keras.layers.BatchNormalization(momentum=0.97, epsilon=1e-3, name=name)  # PyTorch counts momentum as 0.03


def pointwise_conv(filters, *, fan_in, use_bias=True, name):
    """Returns a bare 1 x 1 convolution layer for inputs of `fan_in` channels."""
    bound = 1 / math.sqrt(fan_in)  # PyTorch draws the bias from the range of the kernel
    return keras.layers.Conv2D(
        filters,
        1,
        use_bias=use_bias,
        kernel_initializer=_fan_in_uniform(),
        bias_initializer=keras.initializers.RandomUniform(-bound, bound),
        name=name,
    )


def csp_block(x, filters, *, repeats, shortcut, name):
    """Splits the channels in two paths, sends one through bottlenecks, and merges them (C3).

    Args:
        x: [B, Y, X, c].
        filters: output channels; each path has half of them.
        repeats: number of bottlenecks.
        shortcut: whether each bottleneck adds its input to its output.
        name: prefix of the layer names; the last layer is `<name>_merge_silu`.

    Returns:
        [B, Y, X, filters].

    Source: CSPNet, arXiv:1911.11929, section 3.2, as in YOLOv5 v6.
    """
    main = conv_block(x, filters // 2, name=f"{name}_main")
    bypass = conv_block(x, filters // 2, name=f"{name}_bypass")
    for index in range(repeats):
        prefix = f"{name}_bottleneck{index}"
        branch = conv_block(main, filters // 2, name=f"{prefix}_1x1")
        branch = conv_block(branch, filters // 2, 3, name=f"{prefix}_3x3")
        main = keras.layers.Add(name=f"{prefix}_add")([main, branch]) if shortcut else branch
    merged = keras.layers.Concatenate(name=f"{name}_concat")([main, bypass])
    return conv_block(merged, filters, name=f"{name}_merge")


def spatial_pyramid_pool(x, filters, *, name):
    """Joins a map with its maxima over 5 x 5, 9 x 9 and 13 x 13 neighbourhoods (SPPF).

    Three 5 x 5 poolings in a row see the same neighbourhoods as 5, 9 and 13 side by side, at less cost.

    Args:
        x: [B, Y, X, c]; pooled at c / 2 channels.
        filters: output channels.
        name: prefix of the layer names.

    Returns:
        [B, Y, X, filters].

    Source: SPP, arXiv:1406.4729; the chained form is YOLOv5 v6's.
    """
    x = conv_block(x, x.shape[-1] // 2, name=f"{name}_reduce")
    maps = [x]
    for index in range(3):
        maps.append(keras.layers.MaxPooling2D(5, 1, padding="same", name=f"{name}_pool{index}")(maps[-1]))
    return conv_block(keras.layers.Concatenate(name=f"{name}_concat")(maps), filters, name=f"{name}_merge")


def _fan_in_uniform():
    """U(+-1 / sqrt(fan_in)), PyTorch's default; a new object each time, since each holds its own seed."""
    return keras.initializers.VarianceScaling(1 / 3, mode="fan_in", distribution="uniform")
