"""The head: one 1 x 1 convolution per level, raw predictions out."""

import math

import keras
import numpy as np

from yolo_tf.layers.blocks import pointwise_conv


def detection_head(features, anchors, *, num_classes, model=None):
    """Predicts box, objectness and class logits for every anchor of every cell.

    Args:
        features: L tensors [B, Y, X, c], fine to coarse.
        anchors: AnchorSet with L levels.
        num_classes: C, 1 or more.
        model: not used; the head has no sizes or activation to choose.

    Returns:
        list of L tensors [B, Y, X, A, 5 + C], float32 under every dtype policy: logits tx, ty, tw, th,
        objectness, classes.

    Source: YOLOv3, arXiv:1804.02767, section 2; prior bias as in YOLOv5 v6 after arXiv:1708.02002, section 4.1.
    """
    outputs, anchors_per_cell = [], anchors.per_cell
    for x, stride in zip(features, anchors.strides, strict=True):
        level = f"p{stride.bit_length() - 1}"  # level n has stride 2 ** n
        conv = pointwise_conv(anchors_per_cell * (5 + num_classes), fan_in=x.shape[-1], name=f"head_{level}")
        x = conv(x)
        # Added to the random bias, so that anchors of one cell do not start alike.
        conv.bias.assign_add(np.tile(prior_logits(stride, num_classes=num_classes), anchors_per_cell))
        # Channels are anchor by anchor. Split and stack, since a reshape cannot leave Y and X both open.
        x = keras.ops.stack(keras.ops.split(x, anchors_per_cell, axis=-1), axis=3)
        outputs.append(keras.layers.Activation("linear", dtype="float32", name=level)(x))
    return outputs


def prior_logits(stride, *, num_classes):
    """Returns the logits an untrained anchor starts at, so that the background does not swamp the first steps.

    They are float32 [5 + num_classes], 0 for the box.

    Example: at stride 32 objectness is log(8 / 400) = -3.912: 8 objects in the 20 x 20 cells of a 640 px
    image. Each of 80 classes is log(0.6 / 79.00001) = -4.880: 0.6 classes of 80.
    """
    objectness = math.log(8 / (640 / stride) ** 2)
    # 0.99999 keeps the logarithm finite for one class, whose logit of 11 means "always".
    classes = math.log(0.6 / (num_classes - 0.99999))
    return np.array([0, 0, 0, 0, objectness] + [classes] * num_classes, np.float32)
