"""Targets -> which anchors answer for which boxes, with static shapes."""

from typing import NamedTuple

import tensorflow as tf

from yolo_tf.structures.boxes import xyxy_to_cxcywh

SLOTS = 3  # cells that may answer for one box: its own, one x neighbour, one y neighbour


class Match(NamedTuple):
    """The answers on one level: every (box, anchor, slot), with a mask of those that count.

    P = M * A * SLOTS answers per image, box-major. Where `mask` is false the other fields are valid
    numbers without meaning.
    """

    mask: tf.Tensor  # bool [B, P]
    cell: tf.Tensor  # int32 [B, P]: flat position (y * X + x) * A + anchor, inside the grid
    boxes_grid: tf.Tensor  # float32 [B, P, 4]: centre offset from the cell (x, y), width, height; in cells
    anchors_grid: tf.Tensor  # float32 [1, P, 2] (width, height), in cells
    class_ids: tf.Tensor  # int32 [B, P]; -1 for padding
    order: tf.Tensor  # int32 [B, P]: of answers in one cell and anchor, the reference writes the highest last


def match_level(targets, anchor_sizes, *, stride, grid_size, ratio_limit):
    """Chooses which anchors of one level answer for which boxes: a Match.

    A box is given to an anchor when neither side differs by `ratio_limit` times or more; then to the cell of
    its centre, to the x neighbour on the nearer side and to the y neighbour on the nearer side, if these lie in the
    grid. A box may match many anchors; an anchor may match many boxes.

    Left and right neighbour exclude each other (as do upper and lower), so three slots hold what the
    five-offset formulation does; that makes the tensors 3/5 of its size.

    Args:
        targets: Targets, boxes [B, M, 4] in input px.
        anchor_sizes: float32 [A, 2] (width, height) px.
        stride: px per cell.
        grid_size: (Y, X), ints or int32 tensors [].
        ratio_limit: > 1.

    Example: a 10 x 20 box and anchors 10 x 20 and 50 x 50 with ratio_limit 4: the first only (50 / 10 > 4).

    Source: YOLOv5 v6/v7 assignment rule as documented (three cells, ratio below anchor_t), reimplemented.
    """
    rows, columns = grid_size
    num_anchors = anchor_sizes.shape[0]
    batch, num_boxes = tf.shape(targets.boxes)[0], targets.boxes.shape[1]
    anchors_grid = tf.constant(anchor_sizes, tf.float32) / stride  # [A, 2]
    boxes_grid = xyxy_to_cxcywh(targets.boxes) / stride  # [B, M, 4]
    centre, size = boxes_grid[..., :2], boxes_grid[..., 2:]

    ratio = tf.maximum(size, 1e-9)[:, :, None] / anchors_grid  # [B, M, A, 2]; the guard is for padding rows
    close = tf.reduce_max(tf.maximum(ratio, 1 / ratio), -1) < ratio_limit  # [B, M, A]
    close &= (targets.class_ids >= 0)[:, :, None]

    limit = tf.cast(tf.stack([columns, rows]), tf.float32)
    from_far_side = limit - centre
    lower = (centre % 1 < 0.5) & (centre > 1)  # left, up
    upper = (from_far_side % 1 < 0.5) & (from_far_side > 1)  # right, down
    step = tf.where(lower, -1.0, tf.where(upper, 1.0, 0.0))  # [B, M, 2]
    zero = tf.zeros_like(step[..., 0])
    steps = tf.stack(  # [B, M, SLOTS, 2]
        [tf.zeros_like(step), tf.stack([step[..., 0], zero], -1), tf.stack([zero, step[..., 1]], -1)], 2
    )
    has_neighbour = lower | upper
    open_slots = tf.concat([tf.ones_like(has_neighbour[..., :1]), has_neighbour], -1)  # [B, M, SLOTS]

    cell_xy = tf.floor(centre)[:, :, None] + steps  # [B, M, SLOTS, 2]
    inside = tf.cast(tf.clip_by_value(cell_xy, 0.0, limit - 1), tf.int32)
    flat = (inside[..., 1] * columns + inside[..., 0]) * num_anchors  # [B, M, SLOTS]
    shape = [batch, num_boxes, num_anchors, SLOTS]
    answers = num_boxes * num_anchors * SLOTS

    def per_answer(tensor, *last):
        return tf.reshape(tf.broadcast_to(tensor, [*shape, *last]), [batch, answers, *last])

    # The reference lists all centres, then all left, upper, right and lower neighbours; each time box by box.
    turn = tf.stack([tf.zeros_like(zero), tf.where(lower[..., 0], 1.0, 3.0), tf.where(lower[..., 1], 2.0, 4.0)], -1)
    order = tf.cast(turn, tf.int32) * num_boxes + tf.range(num_boxes)[:, None]  # [B, M, SLOTS]

    offset_and_size = tf.concat(  # the offset is from the unclamped cell: -0.5 .. 1.5
        [centre[:, :, None] - cell_xy, tf.broadcast_to(size[:, :, None], tf.shape(cell_xy))], -1
    )
    return Match(
        mask=tf.reshape(close[..., None] & open_slots[:, :, None], [batch, answers]),
        cell=per_answer(flat[:, :, None] + tf.range(num_anchors)[:, None]),
        boxes_grid=per_answer(offset_and_size[:, :, None], 4),
        anchors_grid=tf.reshape(tf.broadcast_to(anchors_grid[:, None], [1, num_boxes, num_anchors, SLOTS, 2]), [1, answers, 2]),
        class_ids=per_answer(targets.class_ids[:, :, None, None]),
        order=per_answer(order[:, :, None]),
    )
