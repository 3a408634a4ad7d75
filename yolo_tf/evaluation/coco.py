"""The 12 COCO numbers, and AP per class. The only file that knows the library which counts them."""

import numpy as np
from hotcoco import COCO, COCOeval

COCO_NAMES = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl")
ALL_SIZES = [0.0, 1e10]  # px^2, what COCO calls "all"


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
    evaluator = coco_evaluator(dataset, detections)
    evaluator.accumulate()
    evaluator.summary_lines()  # fills in `stats`, as `summarize` does, which prints as well
    precision = evaluator.eval["precision"][..., 0, -1]  # [IoU, recall, C], all sizes, 100 detections
    return {
        **{name: defined(value) for name, value in zip(COCO_NAMES, evaluator.stats, strict=True)},
        "per_class": {
            name: {"AP": defined(precision[:, :, index].mean()), "AP50": defined(precision[0, :, index].mean())}
            for index, name in enumerate(dataset.class_names)
        },
    }


def coco_evaluator(dataset, detections, *, iou_threshold=None):
    """Matches the detections of a split to its boxes.

    In the evaluator images, classes, boxes and detections are numbered from 1: in record order, and boxes and detections
    in the order in which the records have them.

    Args:
        dataset, detections: as in matching.match_detections.
        iou_threshold: match at this IoU alone, and all detections; None = as COCO does, at ten of them, at most 100
            detections of a class in one image, and each size for itself.

    Returns:
        hotcoco.COCOeval, matched and not yet accumulated.
    """
    found_by_image = [found for _, found in zip(dataset.records, detections, strict=True)]
    images = [{"id": number, "height": record.height, "width": record.width} for number, record in enumerate(dataset.records, 1)]
    categories = [{"id": number, "name": name} for number, name in enumerate(dataset.class_names, 1)]
    image_ids, class_ids, boxes, is_crowd = _columns(dataset.records, "is_crowd")
    truth = COCO.from_arrays(images, categories, image_ids, class_ids, boxes, iscrowd=is_crowd.astype(bool))
    image_ids, class_ids, boxes, scores = _columns(found_by_image, "scores")
    found = truth.load_res(np.column_stack([image_ids, boxes, scores, class_ids]))
    evaluator = COCOeval(truth, found, "bbox")
    if iou_threshold is not None:
        evaluator.params.iou_thrs = [iou_threshold]
        evaluator.params.max_dets = [max(map(len, found_by_image), default=1) or 1]
        evaluator.params.area_rng, evaluator.params.area_rng_lbl = [ALL_SIZES], ["all"]
    evaluator.evaluate()
    return evaluator


def _columns(rows, name):
    """Returns the numbers of the images [n] and of the classes [n] from 1, boxes float64 [n, 4] xywh px and values [n].

    Args:
        rows: what has boxes [n, 4] xyxy px and class_ids [n], one for each image.
        name: of the field with the values.
    """
    boxes = np.concatenate([np.zeros((0, 4)), *(np.asarray(row.boxes, np.float64).reshape(-1, 4) for row in rows)])
    boxes[:, 2:] -= boxes[:, :2]
    image_ids = np.repeat(np.arange(1, len(rows) + 1), [len(row.class_ids) for row in rows])
    class_ids = np.concatenate([np.zeros(0, np.int64), *(row.class_ids for row in rows)]).astype(np.int64) + 1
    return image_ids, class_ids, boxes, np.concatenate([np.zeros(0), *(getattr(row, name) for row in rows)])


def defined(value):
    """Returns a float, or None for COCO's -1."""
    return None if value < 0 else float(value)
