"""Options of what becomes a detection."""

from __future__ import annotations

import dataclasses
import math

from yolo_tf.config.fields import check_options, option, require

LEAST_CANDIDATES = 1000
CANDIDATES_PER_DETECTION = 10 / 3  # what 300 detections have had: LEAST_CANDIDATES


@dataclasses.dataclass(frozen=True, kw_only=True)
class DetectConfig:
    """From candidates to detections."""

    score_threshold: float = option(0.25, "least score of a detection, 0..1", "0..1")
    iou_threshold: float = option(0.45, "detections of one class that overlap more are suppressed, 0..1", "0..1")
    max_detections: int = option(300, "most detections of one image", "1..100000")
    max_candidates: int = option(
        0, "most candidates that enter suppression, best first; 0 = 1000, or 10 for every 3 of max_detections", "0..10000000"
    )
    multi_label: bool = option(False, "one candidate may become a detection of several classes")
    class_agnostic: bool = option(False, "suppress across classes")
    class_ids: tuple[int, ...] = option((), "keep only detections of these class numbers; empty = all")
    class_thresholds: tuple[float, ...] = option(
        (), "least score of each class, 0..1, by its number, in place of score_threshold; empty = the same for all"
    )

    @property
    def least_score(self):
        """Least score that a detection of any class can have."""
        return min(self.class_thresholds, default=self.score_threshold)

    @property
    def candidate_limit(self):
        """Most candidates that enter suppression: `max_candidates`, or where that is 0 what leaves `max_detections` a say."""
        return self.max_candidates or max(LEAST_CANDIDATES, math.ceil(self.max_detections * CANDIDATES_PER_DETECTION))

    def __post_init__(self):
        check_options(self, "config.detect")
        numbers = list(self.class_ids)
        require(min(numbers, default=0) >= 0, f"config.detect.class_ids: expected numbers from 0, got {numbers}.")
        require(len(set(numbers)) == len(numbers), f"config.detect.class_ids: expected each number once, got {numbers}.")
        least = list(self.class_thresholds)
        require(all(0 <= one <= 1 for one in least), f"config.detect.class_thresholds: expected numbers 0..1, got {least}.")


# The settings at which COCO numbers are computed (YOLOv5's val), whatever `detect` says.
EVALUATION_DETECT = DetectConfig(
    score_threshold=0.001, iou_threshold=0.6, max_detections=300, max_candidates=4096, multi_label=True
)
