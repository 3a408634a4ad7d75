"""RepVGG in its training form: three branches a block, which export merges into one convolution.

surgery/reparameterize.py finds the blocks by the names that `repvgg_block` gives to its layers.
"""

import functools

import keras

from yolo_tf.layers.conv_batch_norm import batch_norm, conv_batch_norm
from yolo_tf.models.backbones.spec import IMAGENET_PIXELS, BackboneSpec, taps_at

WIDTHS = (64, 128, 256, 512)  # of stages 1..4 at multiples 1; the stem has the width of stage 1, at most 64
BLOCKS_A, BLOCKS_B = (2, 4, 14, 1), (4, 6, 16, 1)  # of stages 1..4


def build_repvgg(pixels, *, widths, blocks, groups=1):
    """Builds RepVGG up to its last block.

    Args:
        pixels: [B, H, W, 3], as IMAGENET_PIXELS makes them.
        widths: channels of stages 1..4.
        blocks: number of blocks of stages 1..4; the first of each has stride 2.
        groups: of the convolutions in every second block.

    Returns:
        Three tensors of strides 8, 16, 32: stages 2, 3 and 4.

    Source: Ding et al., RepVGG: Making VGG-style ConvNets Great Again, arXiv:2101.03697, section 3.4 and table 2.
    """
    x = repvgg_block(pixels, min(64, widths[0]), 2, name="repvgg_stem")
    features = []
    index = 0  # of the block in the network, the stem being 0; blocks 2, 4, 6... are grouped
    for stage, (filters, count) in enumerate(zip(widths, blocks, strict=True), start=1):
        for block in range(1, count + 1):
            index += 1
            stride = 2 if block == 1 else 1
            name = f"repvgg_stage{stage}_block{block}"
            x = repvgg_block(x, filters, stride, groups=1 if index % 2 else groups, name=name)
        features.append(x)
    return tuple(features[1:])


def repvgg_block(x, filters, stride=1, *, groups=1, name):
    """Sums a 3 x 3 convolution, a 1 x 1 convolution and, where the shape stays, the input, each behind a batch norm.

    Args:
        x: [B, Y, X, c].
        filters: output channels.
        stride: 1 or 2.
        groups: of both convolutions.
        name: prefix of the layer names, starting with "repvgg_". `<name>_add` sums `<name>_3x3_batch_norm`,
            `<name>_1x1_batch_norm` and `<name>_identity_batch_norm`; the last layer is `<name>_relu`.

    Returns:
        [B, Y / stride, X / stride, filters].

    Source: arXiv:2101.03697, section 3.2.
    """
    branches = [
        conv_batch_norm(x, filters, 3, stride, groups=groups, name=f"{name}_3x3"),
        conv_batch_norm(x, filters, 1, stride, groups=groups, name=f"{name}_1x1"),
    ]
    if stride == 1 and x.shape[-1] == filters:
        branches.append(batch_norm(name=f"{name}_identity_batch_norm")(x))
    x = keras.layers.Add(name=f"{name}_add")(branches)
    return keras.layers.Activation("relu", name=f"{name}_relu")(x)


def _row(blocks, multiples, trainable_params, gflops, *, groups=1):
    """`multiples` are the paper's a, of stages 1..3, and b, of stage 4."""
    a, b = multiples
    widths = tuple(int(width * multiple) for width, multiple in zip(WIDTHS, (a, a, a, b), strict=True))
    return BackboneSpec(
        family="RepVGG",
        build=functools.partial(build_repvgg, widths=widths, blocks=blocks, groups=groups),
        taps=taps_at([f"repvgg_stage{stage}_block{blocks[stage - 1]}_relu" for stage in (2, 3, 4)], widths[1:]),
        pixel_scaling=IMAGENET_PIXELS,
        trainable_params=trainable_params,
        gflops=gflops,
        licence="Apache-2.0 (this project, after arXiv:2101.03697)",
    )


ROWS = {
    # Of the training form. With a classifier of 1000 classes: 9.11, 14.09, 28.21, 15.82, 57.42, 89.02 and 123.09 million
    # parameters for A0, A1, A2, B0, B1, B2 and B3, as timm counts.
    "repvgg_a0": _row(BLOCKS_A, (0.75, 2.5), 7_827_968, 24.674),
    "repvgg_a1": _row(BLOCKS_A, (1, 2.5), 12_811_264, 42.861),
    "repvgg_a2": _row(BLOCKS_A, (1.5, 2.75), 26_801_600, 92.799),
    "repvgg_b0": _row(BLOCKS_B, (1, 2.5), 14_536_960, 55.443),
    "repvgg_b1": _row(BLOCKS_B, (2, 4), 55_366_016, 214.303),
    "repvgg_b1g2": _row(BLOCKS_B, (2, 4), 43_733_376, 159.777, groups=2),
    "repvgg_b1g4": _row(BLOCKS_B, (2, 4), 37_917_056, 132.514, groups=4),
    "repvgg_b2": _row(BLOCKS_B, (2.5, 5), 86_461_376, 333.316),
    "repvgg_b2g2": _row(BLOCKS_B, (2.5, 5), 68_285_376, 248.119, groups=2),
    "repvgg_b2g4": _row(BLOCKS_B, (2.5, 5), 59_197_376, 205.521, groups=4),
    "repvgg_b3": _row(BLOCKS_B, (3, 5), 120_524_288, 475.398),
    "repvgg_b3g2": _row(BLOCKS_B, (3, 5), 94_350_848, 352.715, groups=2),
    "repvgg_b3g4": _row(BLOCKS_B, (3, 5), 81_264_128, 291.373, groups=4),
}
