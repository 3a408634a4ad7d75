"""Everything that is known of an evaluation beyond its numbers, as plain values."""

import dataclasses

import numpy as np

from yolo_tf.evaluation.coco import coco_evaluator
from yolo_tf.evaluation.curves import Curves
from yolo_tf.evaluation.evaluate import EvaluationResult
from yolo_tf.insight.calibration import Calibration, measure_calibration
from yolo_tf.insight.faults import (
    ErrorSplit,
    ImageFaults,
    fault_evaluator,
    image_faults,
    kept_detections,
    split_errors,
)
from yolo_tf.insight.resolution import SPLITS, Resolution, measure_resolution
from yolo_tf.insight.slices import PROPERTIES, Partition, partition_boxes, partition_images
from yolo_tf.insight.thresholds import Thresholds, best_thresholds
from yolo_tf.structures import DetectionDataset

FALLBACK_THRESHOLD = 0.25  # where no class has boxes, and so no threshold is best; that of `detect`
JSON_STEP = 10  # of the 1001 thresholds of the curves, every tenth
MOST_IMAGES = 100  # named with their faults


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Insight:
    """What `measure_insight` found."""

    dataset: DetectionDataset
    result: EvaluationResult
    thresholds: Thresholds | None  # None where no class has boxes
    partitions: dict[str, Partition]
    errors: ErrorSplit
    calibration: Calibration
    resolution: Resolution | None  # None with few images or no boxes, or where it was not asked for
    images: tuple[ImageFaults, ...]  # of all records, the worst first

    @property
    def shown_threshold(self):
        """Least score of a detection that counts as one in `errors.count` and `images`."""
        return self.errors.score_threshold

    def to_json(self):
        """Returns a dict of JSON values: all but the detections themselves."""
        confusion = self.result.confusion
        faulty = [row for row in self.images if row.num_faults][:MOST_IMAGES]
        return {
            "resolution": self.resolution and self.resolution.to_json(),
            "thresholds": self.thresholds and self.thresholds.to_json(),
            "slices": {name: partition.to_json() for name, partition in self.partitions.items()},
            "errors": self.errors.to_json(),
            "calibration": self.calibration.to_json(),
            "confusion": {
                "classes": [*self.dataset.class_names, "background"],
                "counts": confusion.tolist(),
                "shares": [_rounded(row) for row in shares_of_rows(confusion)],
            },
            "curves": curves_to_json(self.result.curves),
            "worst_images": [
                {
                    "path": self.dataset.records[row.index].path,
                    "right": len(row.right),
                    "wrong": len(row.wrong),
                    "missed": len(row.missed),
                }
                for row in faulty
            ],
        }


def measure_insight(dataset, result, *, splits=SPLITS):
    """Measures what lies behind the numbers of an evaluation.

    Args:
        dataset: DetectionDataset, its classes numbered as in `result`.
        result: its EvaluationResult.
        splits: of the images into halves, for the resolution; 0 = none.

    Returns:
        Insight.
    """
    detections, thresholds = result.detections, best_thresholds(result.curves)
    evaluator = coco_evaluator(dataset, detections)
    least = FALLBACK_THRESHOLD if thresholds is None else thresholds.score_threshold
    kept = kept_detections(detections, least)
    kept_evaluator = fault_evaluator(dataset, kept)
    return Insight(
        dataset=dataset,
        result=result,
        thresholds=thresholds,
        partitions={name: partition_boxes(dataset, detections, of) for name, of in PROPERTIES.items()}
        | {"boxes_per_image": partition_images(dataset, evaluator)},
        errors=split_errors(dataset, evaluator, (least, kept_evaluator)),
        calibration=measure_calibration(evaluator),
        resolution=measure_resolution(dataset, detections, splits=splits) if splits else None,
        images=tuple(image_faults(dataset, kept, kept_evaluator)),
    )


def shares_of_rows(confusion):
    """Returns a confusion matrix as shares of each true class, float64, the rows summing to 1, or 0 where they hold nothing."""
    return confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)


def curves_to_json(curves: Curves):
    """Returns precision, recall and F1 at a hundred thresholds, and precision over recall, by class; None without boxes."""
    columns = {name: getattr(curves, name)[:, ::JSON_STEP] for name in ("precision", "recall", "f1")}
    columns["precision_at_recall"] = curves.precision_at_recall
    return {
        "thresholds": _rounded(curves.thresholds[::JSON_STEP]),
        "recall_levels": _rounded(curves.recall_levels),
        "per_class": {
            name: {key: _rounded(values[index]) for key, values in columns.items()} if curves.has_truths[index] else None
            for index, name in enumerate(curves.class_names)
        },
    }


def _rounded(values):
    return np.round(np.asarray(values, np.float64), 4).tolist()
