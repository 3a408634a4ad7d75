"""Boxes of the canvases -> targets of a training batch."""

import tensorflow as tf

from yolo_tf.data.augment.warp import MIN_DEPTH

MIN_SIDE = 2.0  # px; a box must stay wider and higher than this
MIN_AREA_RATIO = 0.1  # least part of a box's area (at the new zoom) that must stay in view
MAX_ASPECT = 100.0


def warp_boxes(boxes, class_ids, parameters, image_size):
    """Carries boxes from the canvas to the input and drops those of which too little is left.

    A box becomes the upright rectangle around its four moved corners, clipped to the input. It stays if
    `is_candidate`. A box that reaches behind the horizon of a perspective is dropped.

    Args:
        boxes: float32 [B, N, 4] xyxy, canvas px, clipped to the canvas.
        class_ids: int32 [B, N], -1 = padding.
        parameters: AugmentParameters; transform and zoom are used.
        image_size: (height, width) of the input.

    Returns:
        boxes: float32 [B, N, 4] xyxy, input px.
        class_ids: int32 [B, N], -1 = padding or dropped.
    """
    x1, y1, x2, y2 = tf.unstack(boxes, axis=-1)
    one = tf.ones_like(x1)
    corners = tf.stack([tf.stack([x, y, one], axis=-1) for x, y in ((x1, y1), (x2, y1), (x1, y2), (x2, y2))], axis=2)
    moved = tf.einsum("brc,bnkc->bnkr", parameters.transform, corners)
    in_front = tf.reduce_all(moved[..., 2] > MIN_DEPTH, axis=2)
    points = moved[..., :2] / tf.maximum(moved[..., 2:], MIN_DEPTH)
    height, width = image_size
    warped = tf.concat([tf.reduce_min(points, axis=2), tf.reduce_max(points, axis=2)], axis=-1)
    warped = tf.clip_by_value(warped, 0.0, tf.constant([width, height, width, height], tf.float32))
    keep = (class_ids >= 0) & in_front & is_candidate(warped, _area(boxes) * parameters.zoom[:, tf.newaxis] ** 2)
    return warped, tf.where(keep, class_ids, -1)


def is_candidate(boxes, area_before):
    """Tells, bool [...], which boxes are worth learning from: sides over 2 px, over a tenth of the area left, aspect under 100.

    Args:
        boxes: float32 [..., 4] xyxy px, after the warp and clipped to the input.
        area_before: float32 [...], px^2, area before the warp times the zoom squared.

    Example: (0, 0, 40, 3) with area_before 1000: sides 40 and 3, ratio 0.12, aspect 13 -> True; with 1300 -> False.
    """
    width, height = boxes[..., 2] - boxes[..., 0], boxes[..., 3] - boxes[..., 1]
    long_side, short_side = tf.maximum(width, height), tf.minimum(width, height)
    return (short_side > MIN_SIDE) & (_area(boxes) > MIN_AREA_RATIO * area_before) & (long_side < MAX_ASPECT * short_side)


def keep_largest(boxes, class_ids, max_boxes):
    """Packs the boxes into M = `max_boxes` slots, largest first; the smallest are dropped when there are more.

    Boxes are float32 [B, N, 4] xyxy px, then [B, M, 4]; class ids int32 [B, N], then [B, M]. Padding is -1 among the ids
    and, in the slots that are left at the end, 0 among the boxes.
    """
    slots = boxes.shape[1]
    area = tf.where(class_ids >= 0, _area(boxes), -1.0)
    largest = tf.math.top_k(area, k=min(max_boxes, slots)).indices
    class_ids = tf.gather(class_ids, largest, batch_dims=1)
    boxes = tf.where(class_ids[..., tf.newaxis] >= 0, tf.gather(boxes, largest, batch_dims=1), 0.0)
    free = max(0, max_boxes - slots)
    return tf.pad(boxes, [[0, 0], [0, free], [0, 0]]), tf.pad(class_ids, [[0, 0], [0, free]], constant_values=-1)


def _area(boxes):
    return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])
