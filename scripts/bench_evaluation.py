"""Measures the engine of evaluation: COCO's numbers from pycocotools, faster-coco-eval and hotcoco, on the same detections.

    python scripts/bench_evaluation.py --images 5000 --detections 100 --classes 80

Each engine has a process of its own, one after the other, so that its memory is its own. They get what an evaluation has:
boxes, scores and classes as arrays, image by image; the time runs from there to the twelve numbers, and so includes what an
engine needs made of them. CPU is that of all threads, and holds on a busy machine, too. Peak memory is what the process held
at most over what it held before. `measure` is all that `evaluate` reports: precision, recall, F1 and the confusion matrix too;
`report` is what `evaluate` writes with a directory given: slices, kinds of error, calibration, halves, and all plots (the
pictures of the worst images need images, and are left out).
"""

import argparse
import contextlib
import io
import json
import operator
import os
import pathlib
import resource
import subprocess
import sys
import tempfile
import time

import numpy as np

ENGINES = ("pycocotools", "faster-coco-eval", "hotcoco", "measure", "report")
MEGABYTE = 2**20


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=5000, metavar="N")
    parser.add_argument("--detections", type=int, default=100, metavar="N", help="in each image, a quarter as many boxes at most")
    parser.add_argument("--classes", type=int, default=80, metavar="N")
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=ENGINES, help="the first is the reference")
    parser.add_argument("--json", metavar="FILE", help="write the rows there too")
    parser.add_argument("--only", choices=ENGINES, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    size = (arguments.images, arguments.detections, arguments.classes)
    if arguments.only:
        print(json.dumps(measure_engine(arguments.only, *make_split(*size))))
        return
    rows = {engine: run_alone(engine, size) for engine in arguments.engines}
    print("{} images, {} detections each, {} classes, {} cores\n".format(*size, os.cpu_count()))
    print("\n".join(format_rows(rows)))
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump(rows, file, indent=2)


def format_rows(rows):
    """Returns the lines of the table: ratios and the largest difference of a number are to the first row."""
    (reference, first), *_ = rows.items()
    columns = (
        "engine",
        "seconds",
        f"of {reference}",
        "CPU, s",
        f"of {reference}",
        "peak, MB",
        "largest difference of 12 numbers",
    )
    lines = [f"| {' | '.join(columns)} |", "|---|---:|---:|---:|---:|---:|---:|"]
    for engine, row in rows.items():
        gap = np.abs(np.subtract(row["numbers"], first["numbers"])).max()
        times = " | ".join(f"{row[name]:.2f} | 1/{first[name] / row[name]:.1f}" for name in ("seconds", "cpu"))
        lines.append(f"| {engine} | {times} | {row['peak']:.0f} | {gap:.0e} |")
    return lines


def run_alone(engine, size):
    """Returns the row of an engine, measured in a process of its own."""
    images, detections, classes = map(str, size)
    options = ["--images", images, "--detections", detections, "--classes", classes]
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, __file__, "--only", engine, *options]
    answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment).stdout
    return json.loads(answer.splitlines()[-1])


def make_split(num_images, num_detections, num_classes):
    """Returns (dataset, detections) of a middling detector: boxes found once, twice or never, and as many false ones as it takes.

    One box in 25 is a crowd; scores have two digits, so that many are equal.
    """
    from yolo_tf.structures import DetectionDataset, ImageDetections, ImageRecord

    rng, records, detections = np.random.default_rng(0), [], []
    for number in range(num_images):
        count = rng.integers(0, num_detections // 4 + 1)
        boxes, class_ids = random_boxes(rng, count), rng.integers(0, num_classes, count).astype(np.int32)
        is_crowd = rng.random(count) < 0.04
        records.append(
            ImageRecord(image_id=str(number), path="", height=480, width=640, boxes=boxes, class_ids=class_ids, is_crowd=is_crowd)
        )
        source = np.repeat(np.arange(count), rng.integers(0, 3, count))
        size = np.tile(boxes[source, 2:] - boxes[source, :2], 2)
        near = boxes[source] + size * rng.normal(0, 0.06, size.shape)
        false = random_boxes(rng, num_detections - len(near))
        scores = np.concatenate([rng.beta(4, 2, len(near)), rng.beta(1, 5, len(false))])
        scores = np.maximum(0.001, np.round(scores, 2))
        order = np.argsort(-scores, kind="stable")
        found_ids = np.concatenate([class_ids[source], rng.integers(0, num_classes, len(false))])
        detections.append(
            ImageDetections(
                boxes=np.concatenate([near, false])[order].astype(np.float32),
                scores=scores[order].astype(np.float32),
                class_ids=found_ids[order].astype(np.int32),
            )
        )
    names = tuple(f"class{index}" for index in range(num_classes))
    return DetectionDataset(class_names=names, records=tuple(records)), detections


def random_boxes(rng, count):
    """Returns float32 [count, 4] xyxy px in 640 x 480, sides from 6 to 384 px."""
    size = np.exp(rng.uniform(np.log(6), np.log(384), (count, 2)))
    low = rng.uniform(0, 1, (count, 2)) * (np.array([640, 480]) - size)
    return np.concatenate([low, low + size], axis=1).astype(np.float32)


def measure_engine(engine, dataset, detections):
    """Returns {"seconds", "cpu" seconds, "peak" MB, "numbers" [12]} of one engine; what it imports is no part of either."""
    numbers = {
        "pycocotools": by_pycocotools,
        "faster-coco-eval": by_faster_coco_eval,
        "hotcoco": by_hotcoco,
        "measure": by_measure,
        "report": by_report,
    }[engine]()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start, cpu_start = time.perf_counter(), time.process_time()
    with contextlib.redirect_stdout(io.StringIO()):
        found = numbers(dataset, detections)
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu_start
    peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 / MEGABYTE
    return {"seconds": seconds, "cpu": cpu, "peak": peak, "numbers": [float(number) for number in found]}


def by_hotcoco():
    from yolo_tf.evaluation.coco import COCO_NAMES, coco_numbers

    return lambda dataset, detections: operator.itemgetter(*COCO_NAMES)(coco_numbers(dataset, detections))


def by_measure():
    from yolo_tf.evaluation.coco import COCO_NAMES
    from yolo_tf.evaluation.evaluate import measure

    return lambda dataset, detections: operator.itemgetter(*COCO_NAMES)(measure(dataset, detections, 0.0).metrics)


def by_report():
    from yolo_tf.evaluation.coco import COCO_NAMES
    from yolo_tf.evaluation.evaluate import measure
    from yolo_tf.insight.measure import measure_insight
    from yolo_tf.insight.report import write_plots

    def report(dataset, detections):
        result = measure(dataset, detections, 0.0)
        with tempfile.TemporaryDirectory() as folder:
            write_plots(measure_insight(dataset, result), pathlib.Path(folder))
        return operator.itemgetter(*COCO_NAMES)(result.metrics)

    return report


def by_pycocotools():
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    return lambda *split: by_dictionaries(COCO, COCOeval, *split)


def by_faster_coco_eval():
    from faster_coco_eval import COCO, COCOeval_faster

    return lambda *split: by_dictionaries(COCO, COCOeval_faster, *split)


def by_dictionaries(index_class, evaluator_class, dataset, detections):
    """Returns the twelve numbers of an engine that takes a dictionary for each box."""
    found_by_image = [(one.boxes, one.class_ids, one.scores) for one in detections]
    truths = index_of(
        index_class, dataset, [(one.boxes, one.class_ids, one.is_crowd.astype(int)) for one in dataset.records], "iscrowd"
    )
    evaluator = evaluator_class(truths, index_of(index_class, dataset, found_by_image, "score"), "bbox")
    evaluator.evaluate()
    evaluator.accumulate()
    evaluator.summarize()
    return evaluator.stats[:12]


def index_of(index_class, dataset, rows, column):
    """Returns the COCO index of (boxes, class_ids, values) of each image; `column` is the key of the values."""
    annotations = []
    for image_id, (boxes, class_ids, values) in enumerate(rows, 1):
        boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
        size_wh = boxes[:, 2:] - boxes[:, :2]
        columns = (np.concatenate([boxes[:, :2], size_wh], axis=1), size_wh.prod(axis=1), class_ids, values)
        for box, area, class_id, value in zip(*(part.tolist() for part in columns), strict=True):
            row = {"image_id": image_id, "category_id": class_id + 1, "bbox": box, "area": area, "iscrowd": 0, column: value}
            annotations.append({"id": len(annotations) + 1, **row})
    index = index_class()
    index.dataset = {
        "images": [{"id": number, "height": one.height, "width": one.width} for number, one in enumerate(dataset.records, 1)],
        "categories": [{"id": number, "name": name} for number, name in enumerate(dataset.class_names, 1)],
        "annotations": annotations,
    }
    index.createIndex()
    return index


if __name__ == "__main__":
    main()
