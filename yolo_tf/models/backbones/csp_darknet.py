"""CSPDarknet, the backbone of YOLOv5 and of YOLOX."""

import functools

from yolo_tf.layers.blocks import conv_block, csp_block, scaled_channels, scaled_repeats, spatial_pyramid_pool
from yolo_tf.models.backbones.spec import RAW_PIXELS, UNIT_PIXELS, BackboneSpec, taps_at

# (output channels, bottlenecks) of stages 1..4 at width and depth 1; stage i ends at stride 2 ** (i + 1).
STAGES = ((128, 3), (256, 6), (512, 9), (1024, 3))
STAGES_V5 = ((128, 3), (256, 9), (512, 9), (1024, 3))


def build_csp_darknet(pixels, *, depth, width, activation, depthwise=False, stages=STAGES, pooled=False):
    """Builds CSPDarknet up to its last CSP block.

    Args:
        pixels: [B, H, W, 3].
        depth: factor on the bottlenecks of each stage.
        width: factor on all channels.
        activation: a row of ACTIVATIONS; YOLOv5's is silu since v4.
        depthwise: whether the 3 x 3 convolutions are depthwise ones, each followed by a 1 x 1; the stem is none of them.
        stages: (channels, bottlenecks) of the four stages.
        pooled: whether pyramid pooling stands in front of the last CSP block, whose bottlenecks then have no
            shortcut (YOLOv5 v4 and v5, YOLOX); otherwise it stands behind it and belongs to the neck (v6 and v7).

    Returns:
        Three tensors of strides 8, 16, 32 with 256, 512, 1024 channels times `width`.

    Source: YOLOv5 (zenodo 10.5281/zenodo.3908559); CSPNet, arXiv:1911.11929. The first layer is v6's 6 x 6
    convolution; v5's Focus layer computes the same from the same weights in another order. YOLOX, arXiv:2107.08430,
    took over v5's.
    """
    options = dict(activation=activation, depthwise=depthwise)
    x = conv_block(pixels, scaled_channels(64, width), 6, 2, activation=activation, name="backbone_stem")
    features = []
    for index, (channels, repeats) in enumerate(stages, start=1):
        filters = scaled_channels(channels, width)
        name = f"backbone_stage{index}"
        x = conv_block(x, filters, 3, 2, **options, name=f"{name}_down")
        pool_here = pooled and index == len(stages)
        if pool_here:
            x = spatial_pyramid_pool(x, filters, activation=activation, name=f"{name}_pool")
        repeats = scaled_repeats(repeats, depth)
        x = csp_block(x, filters, repeats=repeats, shortcut=not pool_here, **options, name=f"{name}_csp")
        features.append(x)
    return tuple(features[1:])


def _row(trainable_params, gflops, *, pixel_scaling=UNIT_PIXELS, **options):
    return BackboneSpec(
        family="CSPDarknet",
        build=functools.partial(build_csp_darknet, **options),
        taps=taps_at([f"backbone_stage{stage}_csp_merge_activation" for stage in (2, 3, 4)], (256, 512, 1024)),
        pixel_scaling=pixel_scaling,
        trainable_params=trainable_params,
        gflops=gflops,
        licence="Apache-2.0 (this project)",
        scalable=True,
        separable=True,
    )


ROWS = {
    "csp_darknet": _row(23_958_400, 67.266),
    # Of YOLOv5 v4 and v5, for their checkpoints; together with the neck csp_pan_unpooled.
    "csp_darknet_v5": _row(27_075_968, 75.655, stages=STAGES_V5, pooled=True),
    # Of YOLOX: the same layers on pixels as they are; together with the neck csp_pan_unpooled.
    "csp_darknet_yolox": _row(27_075_968, 75.655, stages=STAGES_V5, pooled=True, pixel_scaling=RAW_PIXELS),
}
