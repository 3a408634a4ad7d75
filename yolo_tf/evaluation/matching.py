"""Which detection found which box."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Matches:
    """The detections of a split that count, right or wrong, and the number of boxes to find."""

    scores: np.ndarray  # float32 [D], 0..1, in record order, best first within a record
    class_ids: np.ndarray  # int64 [D]
    is_correct: np.ndarray  # bool [D]
    num_truths: np.ndarray  # int64 [C], boxes to find per class, crowds left out


def match_detections(dataset, detections, *, iou_threshold=0.5):
    """Matches detections to the boxes of their class, as COCO does at one IoU threshold.

    In each image, best score first (ties: first come), a detection takes the box of its class that
    overlaps it most among those not yet taken. It is correct if that IoU reaches the threshold. A wrong
    detection that lies in a crowd box of its class by at least the threshold is left out.

    Args:
        dataset: DetectionDataset.
        detections: ImageDetections of each record, in record order.
        iou_threshold: least IoU of a correct detection, above 0.

    Returns:
        Matches.
    """
    scores, class_ids, is_correct = [], [], []
    for record, found in zip(dataset.records, detections, strict=True):
        order = np.argsort(-found.scores, kind="stable")
        correct, counts = _match_image(record, found.boxes[order], found.class_ids[order], iou_threshold)
        scores.append(found.scores[order][counts])
        class_ids.append(found.class_ids[order][counts])
        is_correct.append(correct[counts])
    truths = [record.class_ids[~record.is_crowd] for record in dataset.records]
    return Matches(
        scores=_join(scores, np.float32),
        class_ids=_join(class_ids, np.int64),
        is_correct=_join(is_correct, bool),
        num_truths=np.bincount(_join(truths, np.int64), minlength=len(dataset.class_names)),
    )


def confusion_matrix(dataset, detections, *, iou_threshold=0.45, score_threshold=0.25):
    """Counts which class was taken for which.

    In each image, pairs of a box and a detection of any class are matched one to one, largest IoU first.
    A wrong detection that lies in a crowd box of its class is left out, as are crowd boxes.

    Args:
        dataset: DetectionDataset.
        detections: as in match_detections.
        iou_threshold: least IoU of a pair, above 0.
        score_threshold: least score of a detection that is looked at, 0..1.

    Returns:
        int64 [C + 1, C + 1]: [true class, detected class]. Index C is the background: the last column holds
        boxes that were not found, the last row detections where no box is; their corner is 0.
    """
    num_classes = len(dataset.class_names)
    matrix = np.zeros((num_classes + 1, num_classes + 1), np.int64)
    for record, found in zip(dataset.records, detections, strict=True):
        kept = found.scores >= np.float32(score_threshold)
        boxes, class_ids = found.boxes[kept], found.class_ids[kept]
        truth_boxes, truth_ids = record.boxes[~record.is_crowd], record.class_ids[~record.is_crowd]
        iou = overlaps(boxes, truth_boxes)
        detected_as = np.full(len(truth_ids), num_classes)
        spare = np.ones(len(boxes), bool)
        rows, columns = np.nonzero(iou >= iou_threshold)
        for pair in np.argsort(-iou[rows, columns], kind="stable"):
            row, column = rows[pair], columns[pair]
            if spare[row] and detected_as[column] == num_classes:
                detected_as[column] = class_ids[row]
                spare[row] = False
        spare &= ~_in_crowd(record, boxes, class_ids, iou_threshold)
        np.add.at(matrix, (truth_ids, detected_as), 1)
        np.add.at(matrix, (num_classes, class_ids[spare]), 1)
    return matrix


def overlaps(boxes, truth_boxes, *, of_detection=False):
    """Computes the IoU of every detection with every box.

    Args:
        boxes: [n, 4] xyxy px.
        truth_boxes: [N, 4] xyxy px.
        of_detection: divide by the area of the detection instead of the union (COCO's rule for crowds).

    Returns:
        float64 [n, N], 0..1; 0 where both areas are 0.
    """
    boxes = np.asarray(boxes, np.float64).reshape(-1, 1, 4)
    truth_boxes = np.asarray(truth_boxes, np.float64).reshape(1, -1, 4)
    size_wh = np.minimum(boxes[..., 2:], truth_boxes[..., 2:]) - np.maximum(boxes[..., :2], truth_boxes[..., :2])
    shared = np.maximum(size_wh, 0).prod(-1)
    own = (boxes[..., 2:] - boxes[..., :2]).prod(-1)
    union = own + (truth_boxes[..., 2:] - truth_boxes[..., :2]).prod(-1) - shared
    area = np.broadcast_to(own if of_detection else union, shared.shape)
    return np.divide(shared, area, out=np.zeros_like(shared), where=area > 0)


def _match_image(record, boxes, class_ids, iou_threshold):
    """Returns which detections of one image, best first, are correct and which count: bool [n], bool [n]."""
    truth_ids = record.class_ids[~record.is_crowd]
    iou = overlaps(boxes, record.boxes[~record.is_crowd])
    iou[class_ids[:, None] != truth_ids] = 0
    correct = np.zeros(len(boxes), bool)
    for row in np.flatnonzero((iou >= iou_threshold).any(axis=1)):  # few of the many low scores overlap anything
        column = iou[row].argmax()
        if iou[row, column] >= iou_threshold:
            correct[row] = True
            iou[:, column] = 0  # taken
    return correct, correct | ~_in_crowd(record, boxes, class_ids, iou_threshold)


def _in_crowd(record, boxes, class_ids, iou_threshold):
    """Returns which detections lie in a crowd box of their class: bool [n]."""
    share = overlaps(boxes, record.boxes[record.is_crowd], of_detection=True)
    return ((share >= iou_threshold) & (class_ids[:, None] == record.class_ids[record.is_crowd])).any(axis=1)


def _join(parts, dtype):
    """Concatenates arrays; no parts give an empty array of `dtype`."""
    return np.concatenate([np.zeros(0, dtype), *parts]).astype(dtype, copy=False)
