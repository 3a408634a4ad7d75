"""The neck of YOLOv5 and YOLOX: pyramid pooling, then a path aggregation network of CSP blocks."""

import functools

import keras

from yolo_tf.layers.blocks import conv_block, csp_block, scaled_channels, scaled_repeats, spatial_pyramid_pool, upsample

CHANNELS = (256, 512, 1024)  # of strides 8, 16, 32 at width 1


def csp_pan(features, *, depth, width, activation="silu", depthwise=False, pooled=True, narrow=False):
    """Mixes three features coarse to fine, then fine to coarse.

    The way up takes the coarse maps as they are after their 1 x 1 reduction, not the merged ones.

    The narrow form is the neck of a published EfficientNet-B7 study. Its configuration states widths that are halved
    already and halves them once more by the width multiple, so that behind features of 128, 256 and 512 channels the neck
    of "YOLOv5s" has 64, 128 and 256. Here to reproduce that study's parameters.

    Args:
        features: three tensors of strides 8, 16, 32, with any number of channels.
        depth: factor on the bottlenecks of each block, 3 at depth 1.
        width: factor on CHANNELS, or on half of them.
        activation: a row of ACTIVATIONS.
        depthwise: whether the 3 x 3 convolutions are depthwise ones, each followed by a 1 x 1.
        pooled: whether pyramid pooling comes first; False where the backbone ends with it.
        narrow: whether the maps have half of CHANNELS, and the way up takes the merged ones.

    Returns:
        Three tensors of strides 8, 16, 32 with CHANNELS * width channels (multiples of 8), or half of them.

    Source: PAN, arXiv:1803.01534, section 3.1; SPP, arXiv:1406.4729; joined as in YOLOv5 v6.
    """
    fine, middle, coarse = features
    p3_filters, p4_filters, p5_filters = (scaled_channels(channels // (1 + narrow), width) for channels in CHANNELS)
    block = dict(repeats=scaled_repeats(3, depth), activation=activation, depthwise=depthwise)
    conv = functools.partial(conv_block, activation=activation, depthwise=depthwise)

    if pooled:
        coarse = spatial_pyramid_pool(coarse, p5_filters, activation=activation, name="neck_sppf")
    reduced = p5_up = conv(coarse, p4_filters, name="neck_p5_reduce")
    middle = merge_maps([upsample(reduced, name="neck_p5_upsample"), middle], p4_filters, name="neck_p4_topdown", **block)
    reduced = p4_up = conv(middle, p3_filters, name="neck_p4_reduce")
    p3 = merge_maps([upsample(reduced, name="neck_p4_upsample"), fine], p3_filters, name="neck_p3", **block)

    if narrow:
        p4_up, p5_up = middle, coarse
    p3_reduced = conv(p3, p3_filters, 3, 2, name="neck_p3_downsample")
    p4 = merge_maps([p3_reduced, p4_up], p4_filters, name="neck_p4", **block)
    p4_reduced = conv(p4, p4_filters, 3, 2, name="neck_p4_downsample")
    p5 = merge_maps([p4_reduced, p5_up], p5_filters, name="neck_p5", **block)
    return p3, p4, p5


def merge_maps(maps, filters, *, repeats, name, **block):
    """Joins maps of one size and mixes them in a CSP block without shortcuts: tensors [B, Y, X, c] -> [B, Y, X, filters]."""
    joined = keras.layers.Concatenate(name=f"{name}_join")(maps)
    return csp_block(joined, filters, repeats=repeats, shortcut=False, name=f"{name}_csp", **block)
