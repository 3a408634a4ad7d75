"""Options of what becomes a detection."""

from __future__ import annotations

import dataclasses

from yolo_tf.config.fields import option, require


@dataclasses.dataclass(frozen=True, kw_only=True)
class DetectConfig:
    """From candidates to detections."""

    score_threshold: float = option(0.25, "least score of a detection, 0..1")
    iou_threshold: float = option(0.45, "detections of one class that overlap more are suppressed, 0..1")
    max_detections: int = option(300, "most detections of one image")
    max_candidates: int = option(1000, "most candidates that enter suppression, best first")
    multi_label: bool = option(False, "one candidate may become a detection of several classes")
    class_agnostic: bool = option(False, "suppress across classes")
    class_ids: tuple[int, ...] = option((), "keep only detections of these class numbers; empty = all")

    def __post_init__(self):
        for name in ("score_threshold", "iou_threshold"):
            value = getattr(self, name)
            require(0 <= value <= 1, f"config.detect.{name}: expected 0..1, got {value}.")
        for name in ("max_detections", "max_candidates"):
            value = getattr(self, name)
            require(value > 0, f"config.detect.{name}: expected a whole number above 0, got {value}.")
        numbers = list(self.class_ids)
        require(min(numbers, default=0) >= 0, f"config.detect.class_ids: expected numbers from 0, got {numbers}.")
        require(len(set(numbers)) == len(numbers), f"config.detect.class_ids: expected each number once, got {numbers}.")


# The settings at which COCO numbers are computed (YOLOv5's val), whatever `detect` says.
EVALUATION_DETECT = DetectConfig(
    score_threshold=0.001, iou_threshold=0.6, max_detections=300, max_candidates=4096, multi_label=True
)
