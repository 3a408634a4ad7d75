"""What is wrong with what was found: kinds of error with the AP they cost, and the images with the most."""

import dataclasses

import numpy as np

from yolo_tf.evaluation.coco import coco_evaluator
from yolo_tf.structures import ImageDetections

KINDS = {
    "Cls": "wrong class",
    "Loc": "badly placed",
    "Both": "wrong class and badly placed",
    "Dupe": "found twice",
    "Bkg": "nothing there",
    "Miss": "missed",
}
ORACLES = {"FP": "all wrong detections", "FN": "all missed boxes"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class ErrorSplit:
    """Which kinds of error there are, and what each costs."""

    AP50: float | None  # as it is
    gain: dict[str, float] | None  # kind -> AP50 more if this kind alone were mended; None where there is no box to find
    count: dict[str, int]  # kind -> how many, of the detections from `score_threshold` on
    score_threshold: float

    def to_json(self):
        """Returns a dict of JSON values."""
        return dataclasses.asdict(self)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class ImageFaults:
    """What was found in one image, by what became of it; detections are numbered in the order of its ImageDetections."""

    index: int  # of the record
    right: np.ndarray  # int64, detections
    wrong: np.ndarray  # int64, detections
    missed: np.ndarray  # int64, boxes of the record

    @property
    def num_faults(self):
        """Wrong detections and missed boxes."""
        return len(self.wrong) + len(self.missed)


def split_errors(dataset, evaluator, kept):
    """Sorts the errors by kind.

    A wrong detection is of the wrong class (IoU 0.5 or more with a box of another class), badly placed (IoU 0.1 to 0.5 with
    one of its own), both, of a box found already, or where nothing is (IoU below 0.1); a box is missed if no wrong
    detection accounts for it.

    Args:
        dataset: DetectionDataset.
        evaluator: of `coco_evaluator(dataset, detections)`, for the AP; errors below any threshold count there, too.
        kept: (score threshold, coco_evaluator of the detections from there on), for the counts.

    Returns:
        ErrorSplit.

    Source: Bolya et al., "TIDE: A General Toolbox for Identifying Object Detection Errors", arXiv:2008.08115.
    """
    score_threshold, kept_evaluator = kept
    counts = kept_evaluator.tide_errors()["counts"]
    counts = {words: int(counts[kind]) for kind, words in KINDS.items()}
    if not dataset.num_truths:
        return ErrorSplit(AP50=None, gain=None, count=counts, score_threshold=score_threshold)
    found = evaluator.tide_errors()
    gain = {words: float(found["delta_ap"][kind]) for kind, words in (KINDS | ORACLES).items()}
    return ErrorSplit(AP50=float(found["ap_base"]), gain=gain, count=counts, score_threshold=score_threshold)


def kept_detections(detections, score_threshold):
    """Returns the ImageDetections of each record from `score_threshold` on."""
    least = np.float32(score_threshold)
    return [
        ImageDetections(boxes=one.boxes[kept], scores=one.scores[kept], class_ids=one.class_ids[kept])
        for one, kept in ((one, one.scores >= least) for one in detections)
    ]


def image_faults(dataset, kept, evaluator):
    """Tells right, wrong and missed in each image, at IoU 0.5.

    Args:
        dataset: DetectionDataset.
        kept: ImageDetections of each record, best first.
        evaluator: of `coco_evaluator(dataset, kept, iou_threshold=0.5)`.

    Returns:
        list of ImageFaults, those with the most faults first; in a tie the one that has more of its boxes missed.
    """
    found = evaluator.image_diagnostics(iou_thr=0.5)
    of_detections = _by_image(found["dt_status"], list(map(len, kept)))
    of_boxes = _by_image(found["gt_status"], [len(record.boxes) for record in dataset.records])
    rows = [
        ImageFaults(
            index=index,
            right=np.flatnonzero(status == "tp"),
            wrong=np.flatnonzero(status == "fp"),
            missed=np.flatnonzero(truths == "fn"),
        )
        for index, (status, truths) in enumerate(zip(of_detections, of_boxes, strict=True))
    ]
    return sorted(rows, key=lambda row: (-row.num_faults, -len(row.missed), row.index))


def _by_image(status, counts):
    """Returns the status of what is numbered from 1 on, one array per image; what is left out of the count is ""."""
    column = np.full(sum(counts), "", dtype="<U8")
    if status:
        column[np.fromiter(status, np.int64) - 1] = list(status.values())
    return np.split(column, np.cumsum(counts)[:-1]) if counts else []


def fault_evaluator(dataset, kept):
    """Returns the COCOeval that `split_errors` counts in and `image_faults` looks into."""
    return coco_evaluator(dataset, kept, iou_threshold=0.5)
