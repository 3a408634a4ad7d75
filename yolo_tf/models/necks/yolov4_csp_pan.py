"""The neck of YOLOv4-CSP: pyramid pooling and a path aggregation network, both CSP-ized, then 3 x 3 convolutions."""

import functools

import keras

from yolo_tf.layers.blocks import conv_block, scaled_channels, scaled_repeats, upsample
from yolo_tf.layers.yolov4_csp import bottleneck_csp2, spp_csp

CHANNELS = (256, 512, 1024)  # of strides 8, 16, 32 at width 1, as they leave; inside, a map has half of them


def yolov4_csp_pan(features, *, depth, width, activation="silu"):
    """Mixes three features coarse to fine, then fine to coarse, and doubles their channels at the end.

    The way up takes the merged maps, before their 3 x 3 convolutions.

    Args:
        features: three tensors of strides 8, 16, 32, with any number of channels.
        depth: factor on the bottlenecks of each block, 2 at depth 1.
        width: factor on CHANNELS.
        activation: a row of ACTIVATIONS.

    Returns:
        Three tensors of strides 8, 16, 32 with CHANNELS * width channels (multiples of 8).

    Source: Scaled-YOLOv4, arXiv:2011.08036, section 3.1; PAN, arXiv:1803.01534, section 3.1.
    """
    fine, middle, coarse = features
    p3_filters, p4_filters, p5_filters = (scaled_channels(channels // 2, width) for channels in CHANNELS)

    conv = functools.partial(conv_block, activation=activation)

    def merge(maps, filters, *, name):
        joined = keras.layers.Concatenate(name=f"{name}_join")(maps)
        return bottleneck_csp2(joined, filters, repeats=scaled_repeats(2, depth), activation=activation, name=f"{name}_csp")

    coarse = spp_csp(coarse, p5_filters, activation=activation, name="neck_sppcsp")
    reduced = conv(coarse, p4_filters, name="neck_p5_reduce")
    middle = conv(middle, p4_filters, name="neck_p4_lateral")
    middle = merge([middle, upsample(reduced, name="neck_p5_upsample")], p4_filters, name="neck_p4_topdown")
    reduced = conv(middle, p3_filters, name="neck_p4_reduce")
    fine = conv(fine, p3_filters, name="neck_p3_lateral")
    p3 = merge([fine, upsample(reduced, name="neck_p4_upsample")], p3_filters, name="neck_p3")

    p4 = merge([conv(p3, p4_filters, 3, 2, name="neck_p3_downsample"), middle], p4_filters, name="neck_p4")
    p5 = merge([conv(p4, p5_filters, 3, 2, name="neck_p4_downsample"), coarse], p5_filters, name="neck_p5")
    return tuple(
        conv(x, scaled_channels(channels, width), 3, name=f"neck_p{level}_output")
        for level, (x, channels) in enumerate(zip((p3, p4, p5), CHANNELS, strict=True), start=3)
    )
