"""The decoupled head: classes and boxes leave each level through convolutions of their own."""

import math

import keras

from yolo_tf.layers.blocks import conv_block, pointwise_conv

PARTS = ("box", "objectness", "class")  # raw predictions of a level, in their order
PRIOR = 0.01  # what an untrained cell takes for the probability of an object, and of each class


def decoupled_head(features, layout, *, num_classes, model):
    """Predicts one box, its objectness and its class in every cell.

    Of each level a 1 x 1 stem feeds two branches of two 3 x 3 convolutions, all as wide as the finest feature. On the
    branch of the classes stands `head_p3_class` (p4, p5), the only layer whose shape depends on C; on that of the boxes
    stand `head_p3_box` and `head_p3_objectness`. The branches are `head_p3_stem_...`, `head_p3_class_branch0_...`,
    `head_p3_class_branch1_...`, `head_p3_box_branch0_...` and `head_p3_box_branch1_...`.

    Args:
        features: L tensors [B, Y, X, c], fine to coarse.
        layout: CellGrid with L levels.
        num_classes: C, 1 or more.
        model: ModelConfig; uses `activation` and `depthwise`.

    Returns:
        list of 3 L tensors, float32 under every dtype policy: L [B, Y, X, 4], fine to coarse (x, y from the corner of the
        cell in cells; logarithms of width, height in cells), then L [B, Y, X, 1] objectness logits, then L
        [B, Y, X, C] class logits.

    Source: YOLOX, arXiv:2107.08430, section 2.1 and figure 2; prior bias: arXiv:1708.02002, section 4.1.
    """
    filters = features[0].shape[-1]
    block = dict(activation=model.activation, depthwise=model.depthwise)
    outputs = {part: [] for part in PARTS}
    for x, stride in zip(features, layout.strides, strict=True):
        level = f"p{stride.bit_length() - 1}"  # level n has stride 2 ** n
        stem = conv_block(x, filters, activation=model.activation, name=f"head_{level}_stem")
        branches = {}
        for branch in ("class", "box"):
            x = conv_block(stem, filters, 3, **block, name=f"head_{level}_{branch}_branch0")
            branches[branch] = conv_block(x, filters, 3, **block, name=f"head_{level}_{branch}_branch1")
        for part, channels in zip(PARTS, (4, 1, num_classes), strict=True):
            conv = pointwise_conv(channels, fan_in=filters, name=f"head_{level}_{part}")
            x = conv(branches["class" if part == "class" else "box"])
            if part != "box":
                conv.bias.assign([math.log(PRIOR / (1 - PRIOR))] * channels)
            outputs[part].append(keras.layers.Activation("linear", dtype="float32", name=f"{part}_{level}")(x))
    return [raw for part in PARTS for raw in outputs[part]]
