"""Suppression inside a TFLite file: built-in operations, one image, thresholds that stay what they are."""

import math

import numpy as np
import tensorflow as tf

from yolo_tf.errors import InputError
from yolo_tf.inference.suppression import scores_that_count

FIXED = (
    "score_threshold",
    "class_thresholds",
    "iou_threshold",
    "max_detections",
    "max_candidates",
    "class_agnostic",
    "class_ids",
)


def check_detect(detect):
    """Raises InputError where a TFLite file cannot suppress as `detect` says."""
    if detect.multi_label:
        raise InputError(
            "detect.multi_label: got true with `nms`. Expected false: in a TFLite file a candidate has one class. Leave it out."
        )


def suppress_one_image(boxes, scores, detect):
    """Keeps what `suppression.suppress` keeps, up to ties, in operations that TFLite has.

    Its suppression knows no classes, so the boxes of each class are first moved to a place of their own, class by class
    on a square grid: boxes of two classes then never overlap, and those of one overlap as they did. The grid keeps the
    numbers small; a coordinate is rounded by less than 0.001 px for 80 classes at 640 px.

    Args:
        boxes: float32 [1, D, 4] xyxy, any unit.
        scores: float32 [1, D, C], 0..1.
        detect: DetectConfig without multi_label.

    Returns:
        dict of boxes float32 [1, K, 4], scores float32 [1, K], class_ids int32 [1, K] and num_detections int32 [1],
        K = detect.max_detections, best first; slots beyond num_detections are 0, 0 and -1.
    """
    if detect.class_ids or detect.class_thresholds:
        scores = scores_that_count(scores, detect)
    num_candidates, num_classes = scores.shape[1:]
    best, order = tf.math.top_k(tf.reduce_max(scores[0], -1), min(detect.candidate_limit, num_candidates))
    boxes = tf.gather(boxes[0], order)
    class_ids = tf.argmax(tf.gather(scores[0], order), -1, output_type=tf.int32)
    kept = tf.raw_ops.NonMaxSuppressionV4(
        boxes=boxes if detect.class_agnostic else _apart(boxes, class_ids, num_classes),
        scores=best,
        max_output_size=detect.max_detections,
        iou_threshold=detect.iou_threshold,
        score_threshold=detect.least_score,
        pad_to_max_output_size=True,
    )
    filled = tf.range(detect.max_detections) < kept.valid_outputs
    chosen = kept.selected_indices
    return {
        "boxes": tf.where(filled[:, None], tf.gather(boxes, chosen), 0.0)[None],
        "scores": tf.where(filled, tf.gather(best, chosen), 0.0)[None],
        "class_ids": tf.where(filled, tf.gather(class_ids, chosen), -1)[None],
        "num_detections": kept.valid_outputs[None],
    }


def _apart(boxes, class_ids, num_classes):
    """Moves boxes [n, 4] so far that those of different classes cannot touch."""
    columns = math.ceil(math.sqrt(num_classes))
    places = np.stack(np.divmod(np.arange(num_classes), columns)[::-1], -1)  # [C, 2] (x, y), in cells
    cell = tf.reduce_max(boxes) - tf.reduce_min(boxes) + 1
    return boxes + cell * tf.gather(tf.constant(np.tile(places, 2), tf.float32), class_ids)
