"""Data sets and detections planted box by box, for what is measured of them."""

import numpy as np

from yolo_tf.structures import DetectionDataset, ImageDetections, ImageRecord


def record(boxes, class_ids=None, *, crowds=(), height=300, width=400, path=""):
    """Returns an ImageRecord; `class_ids` None = all of class 0, `crowds` are indices."""
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    is_crowd = np.isin(np.arange(len(boxes)), crowds)
    ids = np.zeros(len(boxes), np.int32) if class_ids is None else np.array(class_ids, np.int32)
    return ImageRecord(image_id=path, path=path, height=height, width=width, boxes=boxes, class_ids=ids, is_crowd=is_crowd)


def dataset(*records, names=("cat", "dog")):
    return DetectionDataset(class_names=names, records=records)


def found(*rows):
    """Returns ImageDetections of (box, score, class) rows, best first."""
    boxes, scores, class_ids = zip(*rows, strict=True) if rows else ((), (), ())
    return ImageDetections(
        boxes=np.array(boxes, np.float32).reshape(-1, 4),
        scores=np.array(scores, np.float32),
        class_ids=np.array(class_ids, np.int32),
    )


def measured(split, detections):
    """Returns the EvaluationResult of detections."""
    from yolo_tf.evaluation.evaluate import measure

    return measure(split, detections, 0.0)
