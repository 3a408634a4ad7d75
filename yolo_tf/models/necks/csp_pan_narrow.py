"""The neck of a published EfficientNet-B7 study: YOLOv5's at half its width, its way up over the merged maps.

Its configuration states widths that are halved already and halves them once more by the width multiple, so that
behind features of 128, 256 and 512 channels the neck of "YOLOv5s" has 64, 128 and 256. Here to reproduce that
study's parameters; `csp_pan` is the neck of YOLOv5.
"""

from yolo_tf.layers.blocks import conv_block, scaled_channels, scaled_repeats, spatial_pyramid_pool, upsample
from yolo_tf.models.necks.csp_pan import merge_maps

CHANNELS = (128, 256, 512)  # of strides 8, 16, 32 at width 1


def csp_pan_narrow(features, *, depth, width, activation="silu"):
    """Mixes three features coarse to fine, then fine to coarse.

    Args:
        features: three tensors of strides 8, 16, 32, with any number of channels.
        depth: factor on the bottlenecks of each block, 3 at depth 1.
        width: factor on CHANNELS.
        activation: a row of ACTIVATIONS.

    Returns:
        Three tensors of strides 8, 16, 32 with CHANNELS * width channels (multiples of 8).

    Source: as `csp_pan`; the differences are those of the study's configuration.
    """
    fine, middle, coarse = features
    p3_filters, p4_filters, p5_filters = (scaled_channels(channels, width) for channels in CHANNELS)
    block = dict(repeats=scaled_repeats(3, depth), activation=activation)

    def conv(x, filters, kernel=1, stride=1, *, name):
        return conv_block(x, filters, kernel, stride, activation=activation, name=name)

    coarse = spatial_pyramid_pool(coarse, p5_filters, activation=activation, name="neck_sppf")
    reduced = conv(coarse, p4_filters, name="neck_p5_reduce")
    middle = merge_maps([upsample(reduced, name="neck_p5_upsample"), middle], p4_filters, name="neck_p4_topdown", **block)
    reduced = conv(middle, p3_filters, name="neck_p4_reduce")
    p3 = merge_maps([upsample(reduced, name="neck_p4_upsample"), fine], p3_filters, name="neck_p3", **block)

    p3_reduced = conv(p3, p3_filters, 3, 2, name="neck_p3_downsample")
    p4 = merge_maps([p3_reduced, middle], p4_filters, name="neck_p4", **block)
    p4_reduced = conv(p4, p4_filters, 3, 2, name="neck_p4_downsample")
    p5 = merge_maps([p4_reduced, coarse], p5_filters, name="neck_p5", **block)
    return p3, p4, p5
