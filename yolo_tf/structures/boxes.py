"""Box arithmetic on tensors: conversions, area, IoU, GIoU, CIoU. Boxes are [..., 4]."""

import math

import tensorflow as tf


def xyxy_to_cxcywh(boxes):
    """Converts corners to (centre x, centre y, width, height); same unit."""
    low, high = boxes[..., :2], boxes[..., 2:]
    return tf.concat([(low + high) / 2, high - low], -1)


def cxcywh_to_xyxy(boxes_cxcywh):
    """Converts (centre x, centre y, width, height) to corners; same unit."""
    centre, half = boxes_cxcywh[..., :2], boxes_cxcywh[..., 2:] / 2
    return tf.concat([centre - half, centre + half], -1)


def area(boxes):
    """Returns the areas [...] of xyxy boxes; 0 where a corner pair is inverted."""
    return tf.reduce_prod(tf.maximum(boxes[..., 2:] - boxes[..., :2], 0), -1)


def pairwise_iou(boxes_a, boxes_b):
    """Returns the intersection over union of every pair: xyxy [..., N, 4], [..., M, 4] -> [..., N, M], 0..1."""
    low = tf.maximum(boxes_a[..., :, None, :2], boxes_b[..., None, :, :2])  # [..., N, M, 2]
    high = tf.minimum(boxes_a[..., :, None, 2:], boxes_b[..., None, :, 2:])
    overlap = tf.reduce_prod(tf.maximum(high - low, 0), -1)
    union = area(boxes_a)[..., :, None] + area(boxes_b)[..., None, :] - overlap
    return tf.math.divide_no_nan(overlap, union)


def overlap_of_pairs(predicted_cxcywh, target_cxcywh, *, epsilon=1e-7):
    """Returns the intersection over union of boxes in the same place of both tensors.

    Args:
        predicted_cxcywh, target_cxcywh: float32 [..., 4], any one unit.
        epsilon: guards the division.

    Returns:
        float32 [...], 0..1; 0 for a box of no size.
    """
    return _overlap(predicted_cxcywh, target_cxcywh, epsilon)[0]


def complete_iou(predicted_cxcywh, target_cxcywh, *, epsilon=1e-7):
    """Returns the complete IoU of boxes in the same place of both tensors.

    CIoU = IoU - (centre distance / diagonal of the enclosing box)^2 - alpha * v, with v the difference of
    the aspect angles. No gradient flows through alpha.

    Args:
        predicted_cxcywh, target_cxcywh: float32 [..., 4], any one unit. float16 is not enough: the value
            for a small box is off in the second digit.
        epsilon: guards the divisions.

    Returns:
        float32 [...], about -1.5 .. 1.

    Source: Zheng et al., Distance-IoU Loss, arXiv:1911.08287, equations 9-11.
    """
    width_p, height_p = predicted_cxcywh[..., 2], predicted_cxcywh[..., 3]
    width_t, height_t = target_cxcywh[..., 2], target_cxcywh[..., 3]
    iou, _, enclosing_wh = _overlap(predicted_cxcywh, target_cxcywh, epsilon)

    diagonal_squared = tf.reduce_sum(tf.square(enclosing_wh), -1) + epsilon
    distance_squared = tf.reduce_sum(tf.square(target_cxcywh[..., :2] - predicted_cxcywh[..., :2]), -1)

    angle = tf.atan(width_t / (height_t + epsilon)) - tf.atan(width_p / (height_p + epsilon))
    aspect = (4 / math.pi**2) * tf.square(angle)
    # For equal boxes iou may round to just above 1; the floor keeps 0 / 0 out.
    alpha = tf.stop_gradient(aspect / tf.maximum(aspect - iou + 1, epsilon))
    return iou - distance_squared / diagonal_squared - alpha * aspect


def generalized_iou(predicted_cxcywh, target_cxcywh, *, epsilon=1e-7):
    """Returns the generalized IoU of boxes in the same place of both tensors.

    GIoU = IoU - share of the enclosing box that neither box covers.

    Args:
        predicted_cxcywh, target_cxcywh: float32 [..., 4], any one unit.
        epsilon: guards the divisions.

    Returns:
        float32 [...], -1 .. 1.

    Source: Rezatofighi et al., Generalized IoU, arXiv:1902.09630, algorithm 1.
    """
    iou, union, enclosing_wh = _overlap(predicted_cxcywh, target_cxcywh, epsilon)
    enclosing = enclosing_wh[..., 0] * enclosing_wh[..., 1] + epsilon
    return iou - (enclosing - union) / enclosing


def _overlap(predicted_cxcywh, target_cxcywh, epsilon):
    """Returns IoU [...], union [...] and the sides [..., 2] of the enclosing box."""
    predicted, target = cxcywh_to_xyxy(predicted_cxcywh), cxcywh_to_xyxy(target_cxcywh)
    overlap_wh = tf.minimum(predicted[..., 2:], target[..., 2:]) - tf.maximum(predicted[..., :2], target[..., :2])
    overlap = tf.reduce_prod(tf.nn.relu(overlap_wh), -1)
    area_p, area_t = (boxes[..., 2] * boxes[..., 3] for boxes in (predicted_cxcywh, target_cxcywh))
    union = area_p + area_t - overlap + epsilon
    enclosing_wh = tf.maximum(predicted[..., 2:], target[..., 2:]) - tf.minimum(predicted[..., :2], target[..., :2])
    return overlap / union, union, enclosing_wh
