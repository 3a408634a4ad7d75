"""Which differences in AP a data set can tell from chance."""

import dataclasses

import numpy as np

from yolo_tf.evaluation.coco import ap_of_halves, coco_evaluator

SPLITS = 50  # into halves; what is measured is good to a tenth of itself
LEAST_IMAGES = 10  # with fewer, halves say little
SIGMAS = 1.96  # 95 % of a normal distribution


@dataclasses.dataclass(frozen=True, kw_only=True)
class Resolution:
    """How far the AP of a detector moves from one set of images to the next of as many."""

    AP: float
    plus_minus: float  # 95 % of such sets are within it
    images: int

    def to_json(self):
        """Returns a dict of JSON values."""
        return dataclasses.asdict(self)

    def describe(self):
        """Returns one sentence."""
        return (
            f"AP {self.AP:.3f} ± {self.plus_minus:.3f} (95 %): another {self.images} images of the same kind would give a number"
            " in that range, and a smaller difference from another network may be chance"
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Difference:
    """The AP of a second detector less that of a first one, on the same images."""

    AP: float
    low: float  # 95 % interval
    high: float
    images: int

    @property
    def is_real(self):
        """Whether 0 lies outside of the interval."""
        return self.low > 0 or self.high < 0

    def to_json(self):
        """Returns a dict of JSON values."""
        return dataclasses.asdict(self) | {"is_real": self.is_real}

    def describe(self):
        """Returns one sentence."""
        verdict = "the difference is real" if self.is_real else "it may be chance"
        return f"AP {self.AP:+.3f}, 95 % interval {self.low:+.3f} to {self.high:+.3f} on {self.images} images: {verdict}"


def measure_resolution(dataset, detections, *, splits=SPLITS):
    """Measures how far AP moves with the images it is measured on.

    The images are divided into two halves at random, again and again. What a half is above or below both has the spread
    that a whole set of as many images has (repeated half-samples), whatever AP is made of.

    Args:
        dataset, detections: as in match_detections.
        splits: into halves; seeded.

    Returns:
        Resolution; None with fewer than ten images or without a box to find.

    Source: McCarthy, "Pseudo-Replication: Half Samples", Review of the International Statistical Institute 37, 1969.
    """
    found = _measure([(dataset, detections)], splits)
    if found is None:
        return None
    [ap], [halves] = found
    return Resolution(AP=ap, plus_minus=SIGMAS * _standard_error(halves), images=len(dataset.records))


def measure_difference(first, second, *, splits=SPLITS):
    """Measures whether the second of two detectors is better; both see the same halves of the images.

    Args:
        first, second: (DetectionDataset, ImageDetections of each record): the same images and boxes, whose classes each
            detector may number in its own way.
        splits: as in `measure_resolution`.

    Returns:
        Difference; None with fewer than ten images or without a box to find.
    """
    found = _measure([first, second], splits)
    if found is None:
        return None
    aps, halves = found
    ap, margin = aps[1] - aps[0], SIGMAS * _standard_error(halves[1] - halves[0])
    return Difference(AP=ap, low=ap - margin, high=ap + margin, images=len(first[0].records))


def _measure(rows, splits):
    """Returns (AP of each (data set, detections), AP of the halves [rows, splits, 2]); None where that says nothing."""
    dataset = rows[0][0]
    if len(dataset.records) < LEAST_IMAGES or not dataset.num_truths:
        return None
    aps, halves = ap_of_halves([coco_evaluator(*row, sizes=False) for row in rows], splits=splits)
    halves = halves[:, np.isfinite(halves).all(axis=(0, 2))]  # of few images with boxes, all may be in one half
    return (aps.tolist(), halves) if halves.size else None


def _standard_error(halves):
    """Returns the standard error of what was measured on both halves [splits, 2] together."""
    return float(np.sqrt(np.mean(np.square((halves[:, 0] - halves[:, 1]) / 2))))
