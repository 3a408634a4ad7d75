"""The 12 COCO numbers, and AP per class."""

import numpy as np
from faster_coco_eval import COCO, COCOeval_faster

COCO_NAMES = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl")


def coco_numbers(dataset, detections):
    """Computes average precision and recall as COCO defines them, on the original images.

    AP is the mean over IoU 0.50:0.05:0.95 and over the classes that have boxes, at most 100 detections
    of a class in one image, best first. Sizes (s, m, l) divide at box areas of 32^2 and 96^2 px. A
    detection on a crowd box counts neither for nor against; a crowd box need not be found.

    A number is None where it has no meaning, because there is no box to find: everything in a split
    without boxes, a class or a size without boxes (crowds are no boxes to find). Without detections
    every number is 0.

    Args:
        dataset, detections: as in matching.match_detections.

    Returns:
        dict of the names in COCO_NAMES, fractions 0..1 or None, and
        "per_class": {class name: {"AP": ..., "AP50": ...}} for every class.

    Source: Lin et al., "Microsoft COCO: Common Objects in Context"; cocodataset.org/#detection-eval.
    """
    truths = ((record.boxes, record.class_ids, record.is_crowd.astype(int)) for record in dataset.records)
    found = ((one.boxes, one.class_ids, one.scores) for one in detections)
    evaluator = COCOeval_faster(_coco(dataset, truths, "iscrowd"), _coco(dataset, found, "score"), "bbox")
    evaluator.run()
    precision = evaluator.eval["precision"][..., 0, -1]  # [IoU, recall, C], all sizes, 100 detections
    return {
        **{name: _defined(value) for name, value in zip(COCO_NAMES, evaluator.stats, strict=False)},
        "per_class": {
            name: {"AP": _defined(precision[:, :, index].mean()), "AP50": _defined(precision[0, :, index].mean())}
            for index, name in enumerate(dataset.class_names)
        },
    }


def _coco(dataset, rows, column):
    """Builds the COCO index of boxes.

    Args:
        dataset: DetectionDataset, for its images and classes.
        rows: per record: (boxes [n, 4] xyxy px, class_ids [n], values [n]).
        column: the COCO key of `values`.
    """
    annotations = []
    for image_id, (_, (boxes, class_ids, values)) in enumerate(zip(dataset.records, rows, strict=True), start=1):
        boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
        size_wh = boxes[:, 2:] - boxes[:, :2]
        columns = (np.concatenate([boxes[:, :2], size_wh], axis=1), size_wh.prod(axis=1), class_ids, values)
        for box, area, class_id, value in zip(*(part.tolist() for part in columns), strict=True):
            row = {"image_id": image_id, "category_id": class_id + 1, "bbox": box, "area": area, "iscrowd": 0, column: value}
            annotations.append({"id": len(annotations) + 1, **row})  # the evaluator takes id 0 for "no match"
    images = [{"id": number, "height": record.height, "width": record.width} for number, record in enumerate(dataset.records, 1)]
    categories = [{"id": number, "name": name} for number, name in enumerate(dataset.class_names, 1)]
    return COCO({"images": images, "categories": categories, "annotations": annotations})


def _defined(value):
    """Returns a float, or None for COCO's -1."""
    return None if value < 0 else float(value)
