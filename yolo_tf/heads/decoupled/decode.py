"""Raw predictions -> candidate boxes and scores, in plain TensorFlow arithmetic that XLA and TFLite take."""

from typing import NamedTuple

import tensorflow as tf

from yolo_tf.structures.boxes import cxcywh_to_xyxy

LARGEST_LOG_SIDE = 10.0  # of a side in cells: e ** 10 cells are beyond any image, and their area is finite in float32


class Candidates(NamedTuple):
    """The raw predictions of all levels, cell by cell: level by level, fine to coarse, in each row by row."""

    box: tf.Tensor  # float32 [B, D, 4]: x, y from the corner of the cell, in cells; logarithms of width, height in cells
    objectness: tf.Tensor  # float32 [B, D, 1], logits
    classes: tf.Tensor  # float32 [B, D, C], logits
    cells: tf.Tensor  # float32 [D, 2] (column, row)
    strides: tf.Tensor  # float32 [D, 1], px


def join_levels(predictions, layout):
    """Returns the Candidates of raw predictions, 3 L tensors of any float type, with a CellGrid; Y and X may be unknown."""
    count = len(layout.strides)
    cells, strides = [], []
    for raw, stride in zip(predictions[:count], layout.strides, strict=True):
        _, rows, columns, _ = (
            known if known is not None else traced for known, traced in zip(raw.shape, tf.unstack(tf.shape(raw)), strict=True)
        )
        grid = tf.stack(tf.meshgrid(tf.range(columns), tf.range(rows)), -1)  # [Y, X, 2] (column, row)
        cells.append(tf.cast(tf.reshape(grid, [-1, 2]), tf.float32))
        strides.append(tf.fill([rows * columns, 1], float(stride)))

    def joined(part):
        levels = predictions[part * count : (part + 1) * count]
        return tf.concat([_cell_by_cell(raw) for raw in levels], 1)

    return Candidates(joined(0), joined(1), joined(2), tf.concat(cells, 0), tf.concat(strides, 0))


def _cell_by_cell(raw):
    """Returns [B, Y, X, c] as float32 [B, Y * X, c]."""
    _, rows, columns, channels = raw.shape
    places = -1 if rows is None or columns is None else rows * columns
    shape = [tf.shape(raw)[0] if places == -1 else -1, places, channels]
    return tf.cast(tf.reshape(raw, shape), tf.float32)  # float16 has no 1/2 px beyond 1024 and bfloat16 none beyond 128


def decoded_boxes(candidates):
    """Returns the boxes of Candidates as (centre x, centre y, width, height), float32 [B, D, 4] input px."""
    centre = (candidates.box[..., :2] + candidates.cells) * candidates.strides
    size = tf.exp(tf.minimum(candidates.box[..., 2:], LARGEST_LOG_SIDE)) * candidates.strides
    return tf.concat([centre, size], -1)


def decode_predictions(predictions, layout):
    """Turns the raw predictions of every level into boxes and class scores.

    With cell (column, row) = (cx, cy) and stride s: x = (raw_x + cx) s, width = exp(raw_w) s, y and height alike; score of
    class c = sigmoid(objectness) sigmoid(class c).

    Args:
        predictions: 3 L tensors of any float type, as `decoupled_head` makes them. Y and X may be unknown while a graph is
            traced.
        layout: CellGrid of the same L levels.

    Returns:
        boxes float32 [B, D, 4] xyxy, input px, not clipped; scores float32 [B, D, C], 0..1. Candidates are
        ordered by level, then row, column.

    Example: zeros in cell (2, 1) of stride 8 give the centre (16, 8) and the size (8, 8), so the box (12, 4, 20, 12); each
    class scores 0.25.

    Source: YOLOX, arXiv:2107.08430, section 2.1 "Anchor-free".
    """
    candidates = join_levels(predictions, layout)
    scores = tf.sigmoid(candidates.objectness) * tf.sigmoid(candidates.classes)
    return cxcywh_to_xyxy(decoded_boxes(candidates)), scores
