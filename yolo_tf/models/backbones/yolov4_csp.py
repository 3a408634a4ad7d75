"""The CSPDarknet53 of YOLOv4-CSP."""

from yolo_tf.layers.blocks import bottleneck, conv_block, scaled_channels, scaled_repeats
from yolo_tf.layers.yolov4_csp import bottleneck_csp
from yolo_tf.models.backbones.spec import UNIT_PIXELS, BackboneSpec, taps_at

# (output channels, bottlenecks) of stages 2..5 at width and depth 1; stage i has stride 2 ** i.
STAGES = ((128, 2), (256, 8), (512, 8), (1024, 4))


def build_yolov4_csp(pixels, *, depth, width, activation):
    """Builds the backbone of YOLOv4-CSP up to its last CSP block.

    Args:
        pixels: [B, H, W, 3], 0..1.
        depth: factor on the bottlenecks of stages 2 to 5; stage 1 is a single plain bottleneck.
        width: factor on all channels.
        activation: a row of ACTIVATIONS; the paper's is mish.

    Returns:
        Three tensors of strides 8, 16, 32 with 256, 512, 1024 channels times `width`.

    Source: Scaled-YOLOv4, arXiv:2011.08036, section 3.1 (CSPDarknet53, its first stage without CSP).
    """
    x = conv_block(pixels, scaled_channels(32, width), 3, activation=activation, name="backbone_stem")
    filters = scaled_channels(64, width)
    x = conv_block(x, filters, 3, 2, activation=activation, name="backbone_stage1_down")
    x = bottleneck(x, filters // 2, shortcut=True, activation=activation, name="backbone_stage1_bottleneck")
    features = []
    for stage, (channels, repeats) in enumerate(STAGES, start=2):
        filters = scaled_channels(channels, width)
        name = f"backbone_stage{stage}"
        x = conv_block(x, filters, 3, 2, activation=activation, name=f"{name}_down")
        x = bottleneck_csp(x, filters, repeats=scaled_repeats(repeats, depth), activation=activation, name=f"{name}_csp")
        features.append(x)
    return tuple(features[1:])


ROWS = {
    "yolov4_csp": BackboneSpec(
        family="YOLOv4-CSP",
        build=build_yolov4_csp,
        taps=taps_at([f"backbone_stage{stage}_csp_merge_activation" for stage in (3, 4, 5)], (256, 512, 1024)),
        pixel_scaling=UNIT_PIXELS,
        trainable_params=26_596_192,
        gflops=77.464,
        licence="Apache-2.0 (this project)",
        scalable=True,
    )
}
