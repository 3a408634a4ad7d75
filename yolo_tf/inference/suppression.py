"""Candidates -> Detections: score threshold, non-maximum suppression, the best K."""

import tensorflow as tf

from yolo_tf.config import DetectConfig
from yolo_tf.config.kinds import converted
from yolo_tf.errors import InputError
from yolo_tf.structures import Detections


def suppress(boxes: tf.Tensor, scores: tf.Tensor, detect: DetectConfig) -> Detections:
    """Keeps the best of the candidates that overlap, per class, and orders what is left by score.

    Only candidates above `detect.score_threshold`, or that of their class in `detect.class_thresholds`, count, and of
    them the `detect.candidate_limit` with the highest class score: suppression looks at pairs, so its cost grows with
    their square. A candidate falls when its IoU with a better one of its class, or of any class with
    `detect.class_agnostic`, exceeds `detect.iou_threshold`. With `detect.multi_label` a candidate stands for every
    class above the threshold, else for its best class; under `class_agnostic` always for its best (its own box would
    suppress the rest).

    `detect.class_ids` and `detect.class_thresholds` are applied first, so that what they leave out neither suppresses
    nor takes up places. With `multi_label` a candidate stands for every class kept; else its best class is chosen from
    all, and the candidate counts only where that one is kept (a bus that scores a little as a car is no car). As in
    YOLOv5, doi 10.5281/zenodo.3908559.

    Args:
        boxes: float32 [B, D, 4] xyxy, any unit, not clipped; B and D at least 1.
        scores: float32 [B, D, C], 0..1.
        detect: DetectConfig.

    Returns:
        Detections with K = `detect.max_detections`, in the unit of `boxes`.

    Raises:
        InputError: a number in `detect.class_ids` is C or more, or there are other than C `detect.class_thresholds`.
    """
    return suppress_and_count(boxes, scores, detect)[0]


def suppress_and_count(boxes: tf.Tensor, scores: tf.Tensor, detect: DetectConfig) -> tuple[Detections, tf.Tensor]:
    """Does what `suppress` does, and counts the candidates above the threshold that it had no place for: int32 [B]."""
    converted(detect, DetectConfig, "detect")
    if detect.class_ids or detect.class_thresholds:
        scores = scores_that_count(scores, detect)
    best_scores = tf.reduce_max(scores, -1)
    num_above = tf.math.count_nonzero(best_scores > detect.least_score, -1, dtype=tf.int32)
    num_cut = tf.maximum(num_above - detect.candidate_limit, 0)
    num_candidates = tf.minimum(detect.candidate_limit, tf.shape(scores)[1])
    best_scores, order = tf.math.top_k(best_scores, num_candidates)
    boxes = tf.gather(boxes, order, batch_dims=1)
    scores = tf.gather(scores, order, batch_dims=1)
    if detect.class_agnostic:
        class_ids = tf.argmax(scores, -1, output_type=tf.int32)
        return _suppress_across_classes(boxes, best_scores, class_ids, detect), num_cut
    if not detect.multi_label:
        scores *= tf.one_hot(tf.argmax(scores, -1), tf.shape(scores)[-1])
    return _suppress_per_class(boxes, scores, detect), num_cut


def scores_that_count(scores, detect):
    """Returns the scores, 0 wherever `detect.class_ids` or `.class_thresholds` say that a class or a candidate does not count."""
    num_classes = scores.shape[-1]
    if max(detect.class_ids, default=0) >= num_classes:
        raise InputError(
            f"config.detect.class_ids: the detector has no class {max(detect.class_ids)}. Expected 0..{num_classes - 1}."
            " Correct the number."
        )
    if len(detect.class_thresholds) not in (0, num_classes):
        raise InputError(
            f"config.detect.class_thresholds: got {len(detect.class_thresholds)} numbers. Expected {num_classes}, one for each"
            " class of the detector. Correct them."
        )
    of_best = not detect.multi_label  # whether the best class alone decides, and for the whole candidate
    best = tf.argmax(scores, -1) if of_best else None
    if detect.class_thresholds:
        least = tf.constant(detect.class_thresholds, scores.dtype)
        counts = tf.reduce_max(scores, -1, keepdims=True) > tf.gather(least, best)[..., None] if of_best else scores > least
    if detect.class_ids:
        kept = tf.reduce_sum(tf.one_hot(detect.class_ids, num_classes), 0)  # [C] of 0 and 1
        scores *= tf.gather(kept, best)[..., None] if of_best else kept
    return scores * tf.cast(counts, scores.dtype) if detect.class_thresholds else scores


def _suppress_per_class(boxes, scores, detect):
    found = tf.image.combined_non_max_suppression(
        _swap_xy(boxes)[:, :, None],  # one box for all classes
        scores,
        max_output_size_per_class=detect.max_detections,
        max_total_size=detect.max_detections,
        iou_threshold=detect.iou_threshold,
        score_threshold=detect.least_score,
        clip_boxes=False,  # clipping is to 0..1, for normalised boxes
    )
    filled = tf.sequence_mask(found.valid_detections, detect.max_detections)
    return Detections(
        boxes=_swap_xy(found.nmsed_boxes),
        scores=found.nmsed_scores,
        class_ids=tf.where(filled, tf.cast(found.nmsed_classes, tf.int32), -1),
        num_valid=found.valid_detections,
    )


def _suppress_across_classes(boxes, scores, class_ids, detect):
    # One image at a time: the batched tf.image.non_max_suppression_padded loses boxes with no positive coordinate.
    def keep(image):
        corners, values = image
        kept = tf.raw_ops.NonMaxSuppressionV4(
            boxes=corners,
            scores=values,
            max_output_size=detect.max_detections,
            iou_threshold=detect.iou_threshold,
            score_threshold=detect.least_score,
            pad_to_max_output_size=True,
        )
        return kept.selected_indices, kept.valid_outputs

    specs = (tf.TensorSpec([detect.max_detections], tf.int32), tf.TensorSpec([], tf.int32))
    kept, num_valid = tf.map_fn(keep, (_swap_xy(boxes), scores), fn_output_signature=specs)
    filled = tf.sequence_mask(num_valid, detect.max_detections)
    return Detections(
        boxes=tf.where(filled[..., None], tf.gather(boxes, kept, batch_dims=1), 0.0),
        scores=tf.where(filled, tf.gather(scores, kept, batch_dims=1), 0.0),
        class_ids=tf.where(filled, tf.gather(class_ids, kept, batch_dims=1), -1),
        num_valid=num_valid,
    )


def _swap_xy(boxes):
    """Exchanges x and y: the operations of TensorFlow take (y1, x1, y2, x2)."""
    return tf.gather(boxes, [1, 0, 3, 2], axis=-1)
