"""The neck of YOLOv5: pyramid pooling, then a path aggregation network of CSP blocks."""

import keras

from yolo_tf.layers.blocks import conv_block, csp_block, scaled_channels, scaled_repeats, spatial_pyramid_pool, upsample

CHANNELS = (256, 512, 1024)  # of strides 8, 16, 32 at width 1


def csp_pan(features, *, depth, width, activation="silu", pooled=True):
    """Mixes three features coarse to fine, then fine to coarse.

    The way up takes the coarse maps as they are after their 1 x 1 reduction, not the merged ones.

    Args:
        features: three tensors of strides 8, 16, 32, with any number of channels.
        depth: factor on the bottlenecks of each block, 3 at depth 1.
        width: factor on CHANNELS.
        activation: a row of ACTIVATIONS.
        pooled: whether pyramid pooling comes first; False where the backbone ends with it.

    Returns:
        Three tensors of strides 8, 16, 32 with CHANNELS * width channels (multiples of 8).

    Source: PAN, arXiv:1803.01534, section 3.1; SPP, arXiv:1406.4729; joined as in YOLOv5 v6.
    """
    fine, middle, coarse = features
    fine_filters, middle_filters, coarse_filters = (scaled_channels(channels, width) for channels in CHANNELS)
    block = dict(repeats=scaled_repeats(3, depth), activation=activation)

    def conv(x, filters, kernel=1, stride=1, *, name):
        return conv_block(x, filters, kernel, stride, activation=activation, name=name)

    if pooled:
        coarse = spatial_pyramid_pool(coarse, coarse_filters, activation=activation, name="neck_sppf")
    coarse = conv(coarse, middle_filters, name="neck_p5_reduce")
    middle = merge_maps([upsample(coarse, name="neck_p5_upsample"), middle], middle_filters, name="neck_p4_topdown", **block)
    middle = conv(middle, fine_filters, name="neck_p4_reduce")
    p3 = merge_maps([upsample(middle, name="neck_p4_upsample"), fine], fine_filters, name="neck_p3", **block)

    p3_reduced = conv(p3, fine_filters, 3, 2, name="neck_p3_downsample")
    p4 = merge_maps([p3_reduced, middle], middle_filters, name="neck_p4", **block)
    p4_reduced = conv(p4, middle_filters, 3, 2, name="neck_p4_downsample")
    p5 = merge_maps([p4_reduced, coarse], coarse_filters, name="neck_p5", **block)
    return p3, p4, p5


def merge_maps(maps, filters, *, repeats, activation="silu", name):
    """Joins maps of one size and mixes them in a CSP block without shortcuts: tensors [B, Y, X, c] -> [B, Y, X, filters]."""
    joined = keras.layers.Concatenate(name=f"{name}_join")(maps)
    return csp_block(joined, filters, repeats=repeats, shortcut=False, activation=activation, name=f"{name}_csp")
