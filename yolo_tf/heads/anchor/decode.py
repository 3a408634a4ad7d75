"""Raw predictions -> candidate boxes and scores, in plain TensorFlow arithmetic that XLA and TFLite take."""

from collections.abc import Sequence

import tensorflow as tf

from yolo_tf.heads.anchor.anchors import AnchorSet
from yolo_tf.structures.boxes import cxcywh_to_xyxy


def decode_predictions(predictions: Sequence[tf.Tensor], anchors: AnchorSet) -> tuple[tf.Tensor, tf.Tensor]:
    """Turns the logits of every level into boxes and class scores.

    With t = sigmoid(logit), cell (column, row) = (cx, cy), stride s and anchor (aw, ah) in px:
    x = (2 t_x - 0.5 + cx) s, width = (2 t_w)^2 aw, score of class c = t_objectness t_c; y and height alike. So
    a centre reaches from half a cell before its cell to half a cell behind it, a side from 0 to 4 anchors.

    Args:
        predictions: L tensors [B, Y, X, A, 5 + C], logits of any float type, fine to coarse; last axis
            tx, ty, tw, th, objectness, classes. Y and X may be unknown while a graph is traced.
        anchors: AnchorSet of the same L levels and A anchors.

    Returns:
        boxes float32 [B, D, 4] xyxy, input px, not clipped; scores float32 [B, D, C], 0..1. Candidates are
        ordered by level, then row, column, anchor.

    Example: zero logits in cell (0, 0) of stride 8 with anchor (10, 13) give the centre (4, 4) and the size
    (10, 13), so the box (-1, -2.5, 9, 10.5); each class scores 0.25.

    Source: YOLOv5 (v6/v7) parameterisation, as bounded in Scaled-YOLOv4, arXiv:2011.08036.
    """
    levels = [_decode_level(*level) for level in zip(predictions, anchors.strides, anchors.sizes, strict=True)]
    boxes, scores = zip(*levels, strict=True)
    return tf.concat(boxes, 1), tf.concat(scores, 1)


def _decode_level(logits, stride, anchor_sizes):
    """Decodes one level; every tensor here has three axes at most, which each TFLite delegate takes."""
    _, rows, columns, per_cell, channels = (
        known if known is not None else traced for known, traced in zip(logits.shape, tf.unstack(tf.shape(logits)), strict=True)
    )
    num_candidates = rows * columns * per_cell
    # float16 has no 1/2 px beyond 1024 and bfloat16 none beyond 128
    values = tf.sigmoid(tf.cast(tf.reshape(logits, [-1, num_candidates, channels]), tf.float32))

    cells = tf.stack(tf.meshgrid(tf.range(columns), tf.range(rows)), -1)  # [Y, X, 2] (column, row)
    cells = tf.cast(tf.repeat(tf.reshape(cells, [-1, 2]), per_cell, axis=0), tf.float32)  # [Y * X * A, 2]
    sizes = tf.tile(tf.constant(anchor_sizes, tf.float32), [rows * columns, 1])  # [Y * X * A, 2]

    centre = (2 * values[..., 0:2] - 0.5 + cells) * stride
    size_wh = tf.square(2 * values[..., 2:4]) * sizes
    boxes = cxcywh_to_xyxy(tf.concat([centre, size_wh], -1))
    return boxes, values[..., 4:5] * values[..., 5:]
