"""CSPDarknet, the backbone of YOLOv5."""

from yolo_tf.errors import InputError
from yolo_tf.models.layers import conv_block, csp_block, scaled_channels, scaled_repeats, spatial_pyramid_pool

# (output channels, bottlenecks) of stages 1..4 at width and depth 1; stage i ends at stride 2 ** (i + 1).
STAGES = ((128, 3), (256, 6), (512, 9), (1024, 3))
STAGES_V5 = ((128, 3), (256, 9), (512, 9), (1024, 3))


def build_csp_darknet(pixels, *, depth, width, weights, stages=STAGES, pooled=False):
    """Builds CSPDarknet up to its last CSP block.

    Args:
        pixels: [B, H, W, 3], 0..1.
        depth: factor on the bottlenecks of each stage.
        width: factor on all channels.
        weights: "none"; nothing else is published for this backbone alone.
        stages: (channels, bottlenecks) of the four stages.
        pooled: whether pyramid pooling stands in front of the last CSP block, whose bottlenecks then have no
            shortcut (YOLOv5 v4 and v5); otherwise it stands behind it and belongs to the neck (v6 and v7).

    Returns:
        Three tensors of strides 8, 16, 32 with 256, 512, 1024 channels times `width`.

    Raises:
        InputError: `weights` is not "none".

    Source: YOLOv5 (zenodo 10.5281/zenodo.3908559); CSPNet, arXiv:1911.11929. The first layer is v6's 6 x 6
    convolution; v5's Focus layer computes the same from the same weights in another order.
    """
    if weights != "none":
        raise InputError(
            f"config.model.backbone_weights: csp_darknet has no weights '{weights}'. Expected none or a .keras"
            " file of a detector with this backbone. Use none to start from random weights."
        )
    x = conv_block(pixels, scaled_channels(64, width), 6, 2, name="backbone_stem")
    features = []
    for index, (channels, repeats) in enumerate(stages, start=1):
        filters = scaled_channels(channels, width)
        name = f"backbone_stage{index}"
        x = conv_block(x, filters, 3, 2, name=f"{name}_down")
        pool_here = pooled and index == len(stages)
        if pool_here:
            x = spatial_pyramid_pool(x, filters, name=f"{name}_pool")
        x = csp_block(x, filters, repeats=scaled_repeats(repeats, depth), shortcut=not pool_here, name=f"{name}_csp")
        features.append(x)
    return tuple(features[1:])
