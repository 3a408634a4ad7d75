"""GhostNet: half of the features of each layer are cheap depthwise images of the other half."""

import functools

import keras

from yolo_tf.layers.blocks import pointwise_conv
from yolo_tf.layers.conv_batch_norm import conv_batch_norm, depthwise_batch_norm
from yolo_tf.models.backbones.spec import IMAGENET_PIXELS, BackboneSpec, taps_at

# (kernel, expanded channels, output channels, squeeze and excitation, stride) of each bottleneck at width 1
BLOCKS = (
    (3, 16, 16, False, 1),
    (3, 48, 24, False, 2),
    (3, 72, 24, False, 1),
    (5, 72, 40, True, 2),
    (5, 120, 40, True, 1),
    (3, 240, 80, False, 2),
    (3, 200, 80, False, 1),
    (3, 184, 80, False, 1),
    (3, 184, 80, False, 1),
    (3, 480, 112, True, 1),
    (3, 672, 112, True, 1),
    (5, 672, 160, True, 2),
    (5, 960, 160, False, 1),
    (5, 960, 160, True, 1),
    (5, 960, 160, False, 1),
    (5, 960, 160, True, 1),
)
LAST_BLOCKS = (5, 11, 16)  # of strides 8, 16, 32, counted from 1


def build_ghostnet(pixels, *, width):
    """Builds GhostNet up to its last bottleneck, without the 1 x 1 convolution that leads to its classifier.

    Args:
        pixels: [B, H, W, 3], as IMAGENET_PIXELS makes them.
        width: factor on all channels; 1.0 has 40, 112, 160 at the features.

    Returns:
        Three tensors of strides 8, 16, 32.

    Source: Han et al., GhostNet: More Features from Cheap Operations, arXiv:1911.11907, table 1.
    """
    x = conv_batch_norm(pixels, rounded_channels(16 * width), 3, 2, activation="relu", name="ghostnet_stem")
    features = []
    for index, (kernel, expanded, filters, excited, stride) in enumerate(BLOCKS, start=1):
        expanded, filters = rounded_channels(expanded * width), rounded_channels(filters * width)
        name = f"ghostnet_block{index}"
        x = ghost_bottleneck(x, filters, kernel, stride, expanded=expanded, excited=excited, name=name)
        if index in LAST_BLOCKS:
            features.append(x)
    return tuple(features)


def rounded_channels(channels):
    """Returns the multiple of 4 nearest to `channels`, at least 4 and not below nine tenths of `channels`."""
    rounded = max(4, int(channels + 2) // 4 * 4)
    return rounded + 4 if rounded < 0.9 * channels else rounded


def ghost_module(x, filters, *, activation, name):
    """Computes half of the channels by a 1 x 1 convolution and the others from these by a 3 x 3 depthwise one.

    Args:
        x: [B, Y, X, c].
        filters: output channels, even.
        activation: of both halves, or None.
        name: prefix of the layer names; the last layer is `<name>_concat`.

    Returns:
        [B, Y, X, filters].

    Source: arXiv:1911.11907, section 3.1, ratio 2.
    """
    primary = conv_batch_norm(x, filters // 2, activation=activation, name=f"{name}_primary")
    cheap = depthwise_batch_norm(primary, 3, activation=activation, name=f"{name}_cheap")
    return keras.layers.Concatenate(name=f"{name}_concat")([primary, cheap])


def ghost_bottleneck(x, filters, kernel, stride, *, expanded, excited, name):
    """Adds a wide ghost module, a strided depthwise convolution and a narrow ghost module to their input.

    Args:
        x: [B, Y, X, c].
        filters: output channels.
        kernel: side of the depthwise kernels at stride 2.
        stride: 1 or 2.
        expanded: channels in between.
        excited: whether squeeze and excitation weights them.
        name: prefix of the layer names; the last layer is `<name>_add`.

    Returns:
        [B, Y / stride, X / stride, filters].

    Source: arXiv:1911.11907, section 3.2 and figure 3.
    """
    branch = ghost_module(x, expanded, activation="relu", name=f"{name}_expand")
    if stride > 1:
        branch = depthwise_batch_norm(branch, kernel, stride, name=f"{name}_down")
    if excited:
        branch = squeeze_excite(branch, rounded_channels(expanded / 4), name=f"{name}_excite")
    branch = ghost_module(branch, filters, activation=None, name=f"{name}_project")
    if stride > 1 or x.shape[-1] != filters:
        x = depthwise_batch_norm(x, kernel, stride, name=f"{name}_shortcut_down")
        x = conv_batch_norm(x, filters, name=f"{name}_shortcut")
    return keras.layers.Add(name=f"{name}_add")([branch, x])


def squeeze_excite(x, squeezed, *, name):
    """Multiplies each channel by a factor 0..1 that two layers compute from the means of all channels.

    Args:
        x: [B, Y, X, c].
        squeezed: channels between the two layers.
        name: prefix of the layer names.

    Returns:
        [B, Y, X, c].

    Source: Hu et al., Squeeze-and-Excitation Networks, arXiv:1709.01507, section 3; the hard sigmoid
    relu6(x + 3) / 6 in its place is MobileNetV3's, arXiv:1905.02244, section 5.3.
    """
    factors = keras.layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_mean")(x)
    factors = pointwise_conv(squeezed, fan_in=x.shape[-1], activation="relu", name=f"{name}_reduce")(factors)
    factors = pointwise_conv(x.shape[-1], fan_in=squeezed, activation="hard_sigmoid", name=f"{name}_expand")(factors)
    return keras.layers.Multiply(name=f"{name}_multiply")([x, factors])


def _row(width, channels, trainable_params, gflops):
    return BackboneSpec(
        family="GhostNet",
        build=functools.partial(build_ghostnet, width=width),
        taps=taps_at([f"ghostnet_block{block}_add" for block in LAST_BLOCKS], channels),
        pixel_scaling=IMAGENET_PIXELS,
        trainable_params=trainable_params,
        gflops=gflops,
        licence="Apache-2.0 (this project, after arXiv:1911.11907)",
    )


ROWS = {
    # With the last 1 x 1 convolution and a classifier of 1000 classes: 2,587,292, 5,182,508 and 7,358,820 parameters;
    # its authors publish 2.6, 5.2 and 7.3 million.
    "ghostnet_050": _row(0.5, (20, 56, 80), 651_252, 0.624),
    "ghostnet": _row(1.0, (40, 112, 160), 2_515_908, 2.119),
    "ghostnet_130": _row(1.3, (52, 144, 208), 4_217_020, 3.415),
}
