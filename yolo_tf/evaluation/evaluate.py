"""Candidates of a network or an exported file + data set -> the numbers, in original-image pixels."""

import dataclasses
import time
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from yolo_tf.config import EVALUATION_DETECT, DetectConfig
from yolo_tf.data.letterbox import to_original
from yolo_tf.data.pipeline import make_eval_dataset
from yolo_tf.errors import InputError
from yolo_tf.evaluation.classes import match_classes
from yolo_tf.evaluation.coco import COCO_NAMES, coco_numbers
from yolo_tf.evaluation.curves import Curves, best_numbers, detection_curves
from yolo_tf.evaluation.matching import confusion_matrix
from yolo_tf.inference.suppression import suppress_and_count
from yolo_tf.structures import DetectionDataset, ImageDetections


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class EvaluationResult:
    """What was measured, and what it was measured on."""

    metrics: dict  # the numbers, ready for JSON; fractions 0..1, None where there is no box to find
    curves: Curves  # precision, recall and F1 over the score threshold
    confusion: np.ndarray  # int64 [C + 1, C + 1]: [true class, detected class], C = background
    detections: list  # ImageDetections of each record
    num_images_cut: int = 0  # images that had more candidates above the score threshold than entered suppression
    most_cut: int = 0  # candidates of one image that did not


def evaluate(
    candidates: Callable,
    dataset: DetectionDataset,
    *,
    image_size: tuple[int, int],
    batch_size: int = 16,
    detect: DetectConfig = EVALUATION_DETECT,
    rect: bool = False,
    class_names: Sequence[str] | None = None,
    letterbox: str = "center",
) -> EvaluationResult:
    """Runs a detector over a data set and measures it.

    Args:
        candidates: images [b, H, W, 3], RGB 0..255 -> (boxes [b, D, 4] xyxy input px, scores [b, D, C]).
        dataset: DetectionDataset.
        image_size: (height, width) of the network input, px.
        batch_size: images in one call of `candidates`; the last call may have fewer.
        detect: DetectConfig; the default is what COCO numbers are computed at.
        rect: sort the images by shape and give each batch the smallest input instead of the whole square, as
            YOLOv5's own validation does; `candidates` then gets another H, W with nearly every call.
        class_names: what the detector finds, as `detector.spec.class_names`: its classes are those of the data set by
            name, in whatever order (see `match_classes`). None = they are taken by their number.
        letterbox: where images lie in the input, one of LETTERBOXES, as `detector.spec.letterbox` says.

    Returns:
        EvaluationResult; its metrics are the names in COCO_NAMES, "precision", "recall", "f1",
        "best_threshold", "per_class", "images", "boxes" (crowds included) and "images_per_second": network,
        decode and suppression, without reading and resizing; the first batch, which builds the graph, is left
        out where there is more than one.

    Raises:
        InputError: the detector has other classes than the data set, or another number of them, or `rect` and no square.
    """
    if not callable(candidates):
        raise InputError(f"candidates: got {type(candidates).__name__}. Expected a function, such as `detector.candidates`.")
    if class_names is not None:
        dataset = match_classes(dataset, class_names, of="the detector")
    looks = {"image_size": image_size, "rect": rect, "letterbox": letterbox}
    detections, speed, cuts = _find_all(candidates, dataset, batch_size, detect, **looks)
    result = measure(dataset, detections, speed)
    return dataclasses.replace(result, num_images_cut=int(np.count_nonzero(cuts)), most_cut=max(cuts, default=0))


def evaluate_shared(candidates, dataset, *, image_size, batch_size, worker, strategy, letterbox="center"):
    """Does what `evaluate` does with many workers, each running the detector over its share of the images.

    Args:
        candidates, dataset, image_size, batch_size, letterbox: as for `evaluate`; the weights must be the same on every worker.
        worker: (index of this worker, number of workers).
        strategy: the MultiWorkerMirroredStrategy that all of them are in; any other for a single worker.

    Returns:
        EvaluationResult of the whole data set, the same on every worker; its images per second are those of all.
    """
    index, workers = worker
    if workers == 1:
        return evaluate(candidates, dataset, image_size=image_size, batch_size=batch_size, letterbox=letterbox)
    own = range(index, len(dataset.records), workers)
    share = dataclasses.replace(dataset, records=tuple(dataset.records[number] for number in own))
    found, speed, _ = _find_all(candidates, share, batch_size, EVALUATION_DETECT, image_size=image_size, letterbox=letterbox)
    columns = [
        np.column_stack([np.full(len(one), number), one.boxes, one.scores, one.class_ids])
        for number, one in zip(own, found, strict=True)
    ]
    table = _gather(strategy, np.concatenate([np.zeros([0, 7]), *columns]).astype(np.float32))  # exact below image 2 ** 24
    table = table[np.argsort(table[:, 0], kind="stable")]
    ends = np.searchsorted(table[:, 0], np.arange(1, len(dataset.records)))
    detections = [
        ImageDetections(boxes=rows[:, 1:5], scores=rows[:, 5], class_ids=rows[:, 6].astype(np.int32))
        for rows in np.split(table, ends)
    ]
    return measure(dataset, detections, float(_gather(strategy, np.float32([[speed]])).sum()))


def _gather(strategy, rows):
    """Returns the rows float32 [n, k] of all workers, [sum of n, k]; n may differ."""
    local = strategy.num_replicas_in_sync // strategy.extended._num_workers

    def value(context):  # one replica of each worker speaks for it
        first = context.replica_id_in_sync_group % local == 0
        return tf.constant(rows if first else rows[:0])

    return strategy.gather(strategy.experimental_distribute_values_from_function(value), axis=0).numpy()


def _find_all(candidates, dataset, batch_size, detect, **looks):
    """Returns (detections per record, images per second; 0 without records, candidates cut of each image), see `evaluate`.

    `looks` are options of `make_eval_dataset`.
    """
    detections = [None] * len(dataset.records)
    if not detections:
        return detections, 0.0, []
    seconds, sizes, cuts = [], [], []
    for images, letterbox, indices in make_eval_dataset(dataset, batch_size=batch_size, **looks):
        start = time.perf_counter()
        boxes, scores = candidates(images)
        if scores.shape[-1] != len(dataset.class_names):
            raise InputError(
                f"evaluate: the detector has {scores.shape[-1]} classes, the data set {len(dataset.class_names)}"
                f" {list(dataset.class_names)}. Expected the same classes in the same order. Use the data set it was trained on,"
                " or train on this one."
            )
        found, num_cut = suppress_and_count(boxes, scores, detect)
        found.num_valid.numpy()  # waits for the device
        seconds.append(time.perf_counter() - start)
        sizes.append(len(indices))
        cuts += num_cut.numpy().tolist()
        found = found._replace(boxes=to_original(found.boxes, letterbox))
        for index, one in zip(indices.numpy(), found.per_image(), strict=True):
            detections[index] = one
    first = min(1, len(sizes) - 1)
    return detections, sum(sizes[first:]) / sum(seconds[first:]), cuts


def measure(dataset, detections, images_per_second):
    """Computes the EvaluationResult of detections, as in match_detections, that were found at `images_per_second`."""
    coco = coco_numbers(dataset, detections)
    curves = detection_curves(dataset, detections)
    best = best_numbers(curves)
    metrics = {
        **coco,
        **best,
        "per_class": {name: coco["per_class"][name] | best["per_class"][name] for name in dataset.class_names},
        "images": len(dataset.records),
        "boxes": dataset.num_boxes,
        "images_per_second": images_per_second,
    }
    return EvaluationResult(
        metrics=metrics, curves=curves, confusion=confusion_matrix(dataset, detections), detections=detections
    )


def format_table(result):
    """Returns the summary of an EvaluationResult that a person reads: a row for all classes, one per class, the COCO numbers.

    It has several lines, without a final newline; "-" stands where there is no box to find.
    """
    metrics, curves = result.metrics, result.curves
    columns = ("AP", "AP50", "precision", "recall")
    rows = [("all", int(curves.num_truths.sum()), metrics)]
    rows += [
        (name, int(count), metrics["per_class"][name]) for name, count in zip(curves.class_names, curves.num_truths, strict=True)
    ]
    width = max(len("class"), *(len(name) for name, _, _ in rows))
    lines = [f"{'class':<{width}}  {'boxes':>7}" + "".join(f"  {name:>9}" for name in columns)]
    for name, count, numbers in rows:
        lines.append(f"{name:<{width}}  {count:>7}" + "".join(f"  {_number(numbers[key]):>9}" for key in columns))
    lines.append("")
    for start in range(0, len(COCO_NAMES), 6):
        lines.append("   ".join(f"{key:>5} {_number(metrics[key]):>5}" for key in COCO_NAMES[start : start + 6]))
    lines.append("")
    lines.append(f"precision and recall at score >= {_number(metrics['best_threshold'])}, where F1 is {_number(metrics['f1'])}")
    lines.append(f"{metrics['images']} images, {metrics['boxes']} boxes, {metrics['images_per_second']:.1f} images per second")
    return "\n".join(lines)


def _number(value):
    return "-" if value is None else f"{value:.3f}"
