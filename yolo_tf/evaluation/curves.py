"""Precision, recall and F1: as curves for plots, and at the best score threshold."""

import dataclasses

import numpy as np

from yolo_tf.evaluation.matching import match_detections

# A detection counts at threshold t if its score >= t. float32, as scores are: 0.9 in float32 is below 0.9 in float64.
THRESHOLDS = np.linspace(0, 1, 1001).astype(np.float32)
RECALL_LEVELS = np.linspace(0, 1, 101)  # where COCO reads precision


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Curves:
    """Precision, recall and F1 at IoU 0.5; rows of classes without boxes are NaN."""

    class_names: tuple[str, ...]
    num_truths: np.ndarray  # int64 [C], boxes to find, crowds left out
    thresholds: np.ndarray  # float32 [T], 0..1, least scores
    precision: np.ndarray  # float64 [C, T]; 0 where no detection is left
    recall: np.ndarray  # float64 [C, T]
    f1: np.ndarray  # float64 [C, T]
    recall_levels: np.ndarray  # float64 [R], 0..1
    precision_at_recall: np.ndarray  # float64 [C, R], never rising; its mean is the AP50 of the class
    best: int | None  # index into thresholds; None when no class has boxes

    @property
    def has_truths(self):
        """bool [C]: which classes have boxes to find; all means are over these."""
        return self.num_truths > 0


def detection_curves(dataset, detections):
    """Measures precision, recall and F1 of every class at every score threshold.

    The best threshold is where the mean F1 over the classes that have boxes is largest; the lowest one if
    there are several.

    Args:
        dataset, detections: as in match_detections.

    Returns:
        Curves.
    """
    matches = match_detections(dataset, detections, iou_threshold=0.5)
    num_classes = len(dataset.class_names)
    precision, recall, f1 = np.full((3, num_classes, len(THRESHOLDS)), np.nan)
    precision_at_recall = np.full((num_classes, len(RECALL_LEVELS)), np.nan)
    for class_id in np.flatnonzero(matches.num_truths):
        of_class = matches.class_ids == class_id
        order = np.argsort(-matches.scores[of_class], kind="stable")
        scores, is_correct = matches.scores[of_class][order], matches.is_correct[of_class][order]
        num_truths = matches.num_truths[class_id]
        num_correct = np.concatenate([[0], np.cumsum(is_correct)])  # [n + 1] among the first k
        num_kept = len(scores) - np.searchsorted(scores[::-1], THRESHOLDS, side="left")
        precision[class_id] = num_correct[num_kept] / np.maximum(num_kept, 1)
        recall[class_id] = num_correct[num_kept] / num_truths
        f1[class_id] = 2 * num_correct[num_kept] / (num_kept + num_truths)
        precision_at_recall[class_id] = _interpolate(num_correct[1:], num_truths)
    has_truths = matches.num_truths > 0
    return Curves(
        class_names=dataset.class_names,
        num_truths=matches.num_truths,
        thresholds=THRESHOLDS,
        precision=precision,
        recall=recall,
        f1=f1,
        recall_levels=RECALL_LEVELS,
        precision_at_recall=precision_at_recall,
        best=int(f1[has_truths].mean(axis=0).argmax()) if has_truths.any() else None,
    )


def best_numbers(curves):
    """Reads precision, recall and F1 off Curves at the best threshold.

    Returns:
        dict: precision, recall, f1 (means over the classes that have boxes) and best_threshold, fractions
        0..1; "per_class": {class name: {"precision": ..., "recall": ...}}. None where there is no box to find.
    """

    def mean(name, rows):
        return float(getattr(curves, name)[rows, curves.best].mean()) if curves.has_truths[rows].any() else None

    return {
        **{name: mean(name, curves.has_truths) for name in ("precision", "recall", "f1")},
        "best_threshold": None if curves.best is None else curves.best / (len(THRESHOLDS) - 1),
        "per_class": {
            class_name: {name: mean(name, index) for name in ("precision", "recall")}
            for index, class_name in enumerate(curves.class_names)
        },
    }


def _interpolate(num_correct, num_truths):
    """Returns the precision at RECALL_LEVELS as COCO reads it: the best at this recall or a higher one, 0 beyond the highest.

    Args:
        num_correct: int [n], correct detections among the first 1 .. n.
        num_truths: boxes to find, > 0.
    """
    precision = num_correct / np.arange(1, len(num_correct) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    first = np.searchsorted(num_correct / num_truths, RECALL_LEVELS, side="left")
    return np.append(envelope, 0.0)[first]
