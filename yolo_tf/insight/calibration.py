"""Whether a score is the share of detections with it that are right."""

import dataclasses


@dataclasses.dataclass(frozen=True, kw_only=True)
class Bin:
    """Detections with scores in a range."""

    low: float
    high: float
    count: int
    mean_score: float | None  # None in an empty one
    share_right: float | None  # at IoU 0.5


@dataclasses.dataclass(frozen=True, kw_only=True)
class Calibration:
    """Scores against truth."""

    error: float | None  # expected calibration error: mean of |mean_score - share_right| over detections; None without any
    largest_error: float | None  # of a bin
    bins: tuple[Bin, ...]
    per_class: dict[str, float]  # error of each class that was detected

    def to_json(self):
        """Returns a dict of JSON values."""
        return dataclasses.asdict(self)


def measure_calibration(evaluator, *, num_bins=10):
    """Measures how far scores are from the share of detections that are right at IoU 0.5.

    Args:
        evaluator: of `coco_evaluator`.
        num_bins: equally wide ones from 0 to 1.

    Returns:
        Calibration.

    Source: Guo et al., "On Calibration of Modern Neural Networks", arXiv:1706.04599, equation 3; of detections Kuppers et
    al., "Multivariate Confidence Calibration for Object Detection", arXiv:2004.13546.
    """
    found = evaluator.calibration(n_bins=num_bins, iou_threshold=0.5)
    known = found["num_detections"] > 0
    bins = (
        Bin(
            low=one["bin_lower"],
            high=one["bin_upper"],
            count=one["count"],
            mean_score=one["avg_confidence"] if one["count"] else None,
            share_right=one["avg_accuracy"] if one["count"] else None,
        )
        for one in found["bins"]
    )
    return Calibration(
        error=found["ece"] if known else None,
        largest_error=found["mce"] if known else None,
        bins=tuple(bins),
        per_class=dict(found["per_category"]),
    )
