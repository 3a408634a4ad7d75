"""The 12 COCO numbers, AP per class and per slice. The only file that imports the library which counts them."""

from typing import NamedTuple

import numpy as np
from hotcoco import COCO, COCOeval

COCO_NAMES = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl")
ALL_SIZES = [0.0, 1e10]  # px^2, what COCO calls "all"
MOST_DETECTIONS = 100  # of a class in one image


class Slices(NamedTuple):
    """Into which of `count` slices boxes and detections fall, all of a split in one row, in record order."""

    of_boxes: np.ndarray  # int [sum of N], 0 .. count - 1
    of_detections: np.ndarray  # int [sum of n]
    count: int


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


def sliced_numbers(dataset, detections, slices):
    """Computes AP of slices of the boxes as COCO computes it of its sizes.

    A box of another slice need not be found, and a detection that finds it counts neither for nor against; nor does a
    detection of another slice that finds nothing.

    Args:
        dataset, detections: as in matching.match_detections.
        slices: Slices.

    Returns:
        {"AP", "AP50"} of each slice, fractions 0..1, None where it has no box to find.
    """
    evaluator = coco_evaluator(dataset, detections, slices=slices)
    evaluator.accumulate()
    precision = evaluator.eval["precision"][..., -1]  # [IoU, recall, C, slice]
    return [
        {"AP": _mean_over_classes(precision[..., index]), "AP50": _mean_over_classes(precision[:1, ..., index])}
        for index in range(slices.count)
    ]


def ap_of_halves(evaluators, *, splits):
    """Divides the images into two halves at random, again and again, and computes AP on each half.

    The library's own `compare` draws images with replacement but counts one that is drawn twice once, which makes its
    intervals narrower by a quarter (0.038 for 0.05 of 100 tosses of a coin).

    Args:
        evaluators: COCOeval of `coco_evaluator`, all of the same images; `sizes=False` takes a fraction of the time.
        splits: how often; seeded.

    Returns:
        (AP of all images float64 [evaluators], AP of the halves float64 [evaluators, splits, 2]), fractions; NaN where there
        is no box to find. All evaluators see the same halves.
    """
    images, generator = np.array(evaluators[0].params.img_ids), np.random.default_rng(0)
    orders = [generator.permutation(images) for _ in range(splits)]
    halves = [half.tolist() for order in orders for half in np.array_split(order, 2)]
    named = {str(number): half for number, half in enumerate(halves) if half}

    def numbers(evaluator):
        found = evaluator.slice_by(named)
        names = ["_overall", *map(str, range(len(halves)))]
        return [found[name]["AP"] if name in found else -1 for name in names]

    values = np.array([numbers(evaluator) for evaluator in evaluators], np.float64)
    values[values < 0] = np.nan
    return values[:, 0], values[:, 1:].reshape(len(evaluators), splits, 2)


def coco_evaluator(dataset, detections, *, iou_threshold=None, sizes=True, slices=None):
    """Matches the detections of a split to its boxes.

    In the evaluator images, classes, boxes and detections are numbered from 1: in record order, and boxes and detections
    in the order in which the records have them.

    Args:
        dataset, detections: as in matching.match_detections.
        iou_threshold: match at this IoU alone, and all detections; None = as COCO does, at ten of them, at most 100
            detections of a class in one image, and each size for itself.
        sizes: whether each size is matched for itself as well, and 1 and 10 detections are looked at; False = for AP alone,
            in a fraction of the time.
        slices: Slices that take the place of the sizes.

    Returns:
        hotcoco.COCOeval, matched and not yet accumulated.
    """
    found_by_image = [found for _, found in zip(dataset.records, detections, strict=True)]
    images = [{"id": number, "height": record.height, "width": record.width} for number, record in enumerate(dataset.records, 1)]
    categories = [{"id": number, "name": name} for number, name in enumerate(dataset.class_names, 1)]
    image_ids, class_ids, boxes, is_crowd = _columns(dataset.records, "is_crowd")
    area = None if slices is None else slices.of_boxes + 1.0  # the column that COCO tells sizes by
    truth = COCO.from_arrays(images, categories, image_ids, class_ids, boxes, iscrowd=is_crowd.astype(bool), area=area)
    image_ids, class_ids, boxes, scores = _columns(found_by_image, "scores")
    found = truth.load_res(np.column_stack([image_ids, boxes, scores, class_ids]))
    if slices is not None:
        found.update_anns(ids=np.arange(1, len(scores) + 1), area=slices.of_detections + 1.0)
    evaluator = COCOeval(truth, found, "bbox")
    if slices is not None:
        evaluator.params.area_rng = [[number, number] for number in range(1, slices.count + 1)]
        evaluator.params.area_rng_lbl = list(map(str, range(slices.count)))
    if slices is not None or not sizes:
        evaluator.params.max_dets = [MOST_DETECTIONS]
    if iou_threshold is not None:
        evaluator.params.iou_thrs = [iou_threshold]
        evaluator.params.max_dets = [max(map(len, found_by_image), default=1) or 1]
    if iou_threshold is not None or not sizes:
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


def _mean_over_classes(precision):
    """Returns the mean of the precisions [IoU, recall, C] that are defined; None where there is none."""
    known = precision[precision > -1]
    return float(known.mean()) if known.size else None


def defined(value):
    """Returns a float, or None for COCO's -1."""
    return None if value < 0 else float(value)
