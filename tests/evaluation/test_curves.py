"""Precision, recall, F1 and their best threshold, on numbers worked out by hand."""

import numpy as np
import pytest

from yolo_tf.evaluation.coco import coco_numbers
from yolo_tf.evaluation.curves import best_numbers, detection_curves
from yolo_tf.structures import DetectionDataset, ImageDetections, ImageRecord


def make_record(boxes, class_ids, is_crowd=None):
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    return ImageRecord(
        image_id="image",
        path="",
        height=100,
        width=200,
        boxes=boxes,
        class_ids=np.array(class_ids, np.int32),
        is_crowd=np.zeros(len(boxes), bool) if is_crowd is None else np.array(is_crowd, bool),
    )


def make_dataset(*records):
    return DetectionDataset(class_names=("cat", "dog", "owl"), records=records)


def found(boxes, scores, class_ids):
    return ImageDetections(
        boxes=np.array(boxes, np.float32).reshape(-1, 4),
        scores=np.array(scores, np.float32),
        class_ids=np.array(class_ids, np.int32),
    )


NOTHING = found([], [], [])


@pytest.fixture
def worked_example():
    """Three cats and a dog in two images; no owl, but one wrong owl.

    cats: 0.9 right, 0.8 wrong (the same cat again), 0.7 right (IoU 0.8), 0.6 wrong (IoU 0.4); one cat is missed.
    dog:  0.65 right.
    """
    dataset = make_dataset(
        make_record([[0, 0, 10, 10], [20, 0, 30, 10]], [0, 0]),
        make_record([[0, 0, 10, 10], [40, 40, 60, 60]], [0, 1]),
    )
    detections = [
        found([[0, 0, 10, 10], [0, 0, 10, 10], [20, 0, 30, 8]], [0.9, 0.8, 0.7], [0, 0, 0]),
        found([[100, 50, 120, 70], [40, 40, 60, 60], [0, 0, 10, 4]], [0.95, 0.65, 0.6], [2, 1, 0]),
    ]
    return dataset, detections


def test_curves_of_the_worked_example(worked_example):
    curves = detection_curves(*worked_example)
    assert curves.num_truths.tolist() == [3, 1, 0]
    # At a threshold equal to a score the detection counts; one step above it does not.
    at = [0, 600, 601, 700, 701, 800, 801, 900, 901, 1000]
    assert curves.thresholds[at] == pytest.approx(np.array(at) / 1000)
    half, two_thirds, third = 1 / 2, 2 / 3, 1 / 3
    assert curves.precision[0, at] == pytest.approx([half, half, two_thirds, two_thirds, half, half, 1, 1, 0, 0])
    assert curves.recall[0, at] == pytest.approx([two_thirds] * 4 + [third] * 4 + [0, 0])
    assert curves.f1[0, at] == pytest.approx([4 / 7, 4 / 7, 4 / 6, 4 / 6, 2 / 5, 2 / 5, 2 / 4, 2 / 4, 0, 0])
    assert curves.f1[1, [650, 651]].tolist() == [1, 0]
    assert np.isnan(curves.precision[2]).all() and np.isnan(curves.precision_at_recall[2]).all()


def test_best_numbers_of_the_worked_example(worked_example):
    # Mean F1: (4/7 + 1)/2 up to 0.600, (2/3 + 1)/2 from 0.601 to 0.650, then 1/3 at most.
    best = best_numbers(detection_curves(*worked_example))
    assert best["best_threshold"] == 0.601
    assert best["f1"] == pytest.approx(5 / 6)
    assert best["precision"] == pytest.approx((2 / 3 + 1) / 2)
    assert best["recall"] == pytest.approx((2 / 3 + 1) / 2)
    assert best["per_class"]["cat"] == {"precision": pytest.approx(2 / 3), "recall": pytest.approx(2 / 3)}
    assert best["per_class"]["dog"] == {"precision": 1.0, "recall": 1.0}
    assert best["per_class"]["owl"] == {"precision": None, "recall": None}


def test_precision_over_recall_is_what_ap50_averages(worked_example):
    # Precision 1 up to recall 1/3 (34 levels), 2/3 up to 2/3 (33 levels), then 0.
    curves = detection_curves(*worked_example)
    assert curves.precision_at_recall[0] == pytest.approx(np.repeat([1, 2 / 3, 0], [34, 33, 34]))
    per_class = coco_numbers(*worked_example)["per_class"]
    assert curves.precision_at_recall[0].mean() == pytest.approx(per_class["cat"]["AP50"])
    assert curves.precision_at_recall[1].mean() == pytest.approx(per_class["dog"]["AP50"]) == 1.0


def test_area_under_precision_over_recall_equals_coco_on_a_random_split():
    rng = np.random.default_rng(4)
    records, detections = [], []
    for _ in range(30):
        count = rng.integers(0, 7)
        low = rng.uniform(0, 60, (count, 2))
        boxes = np.concatenate([low, low + rng.uniform(20, 40, (count, 2))], axis=1)
        records.append(make_record(boxes, rng.integers(0, 3, count), rng.random(count) < 0.15))
        shifted = np.concatenate([boxes, boxes]) + rng.normal(0, 2.5, (2 * count, 4))
        scores = np.round(rng.random(2 * count), 1)
        detections.append(found(shifted, scores, np.tile(records[-1].class_ids, 2)))
    dataset = make_dataset(*records)
    areas = detection_curves(dataset, detections).precision_at_recall.mean(axis=1)
    expected = [numbers["AP50"] for numbers in coco_numbers(dataset, detections)["per_class"].values()]
    assert areas == pytest.approx(expected, abs=1e-9)
    assert 0.1 < min(expected) < 0.95


def test_no_detections_give_0():
    curves = detection_curves(make_dataset(make_record([[0, 0, 10, 10]], [1])), [NOTHING])
    best = best_numbers(curves)
    assert (best["precision"], best["recall"], best["f1"], best["best_threshold"]) == (0, 0, 0, 0)
    assert best["per_class"]["dog"] == {"precision": 0, "recall": 0}
    assert (curves.precision_at_recall[1] == 0).all()


def test_no_boxes_to_find_give_none():
    dataset = make_dataset(make_record([[0, 0, 50, 50]], [0], [True]), make_record([], []))
    curves = detection_curves(dataset, [found([[0, 0, 9, 9]], [0.5], [0]), NOTHING])
    assert curves.best is None
    best = best_numbers(curves)
    assert [best[name] for name in ("precision", "recall", "f1", "best_threshold")] == [None] * 4
    assert best["per_class"]["cat"] == {"precision": None, "recall": None}
