"""Errors planted one of a kind, and the images that they are in."""

import numpy as np
import pytest
from planted import dataset, found, record

from yolo_tf.evaluation.coco import coco_evaluator
from yolo_tf.insight.faults import fault_evaluator, image_faults, kept_detections, split_errors

A, B, C, D = [10, 10, 60, 60], [100, 10, 150, 60], [200, 10, 250, 60], [300, 10, 350, 60]
NEAR_C = [225, 10, 275, 60]  # IoU 1/3 with C
LOW = [10, 200, 60, 250]


def planted():
    """A found, and once more; B as a dog; C badly placed; D missed; something where nothing is, twice, once below 0.5."""
    split = dataset(record([A, B, C, D]))
    rows = [(A, 0.95, 0), (A, 0.9, 0), (B, 0.85, 1), (NEAR_C, 0.8, 0), (LOW, 0.7, 0), ([300, 200, 350, 250], 0.3, 0)]
    return split, [found(*rows)]


def split_of(split, detections, threshold=0.5):
    kept = kept_detections(detections, threshold)
    return split_errors(split, coco_evaluator(split, detections), (threshold, fault_evaluator(split, kept)))


def test_each_kind_is_counted_from_the_threshold_on():
    errors = split_of(*planted())
    assert errors.count == {
        "wrong class": 1,
        "badly placed": 1,
        "wrong class and badly placed": 0,
        "found twice": 1,
        "nothing there": 1,
        "missed": 1,
    }
    assert split_of(*planted(), threshold=0.1).count["nothing there"] == 2


def test_gains_are_what_ap_would_be_without_the_errors():
    """A quarter of the boxes is found first: AP50 is 26 of 101 recall levels. Without what is wrong no precision is lost."""
    errors = split_of(*planted())
    assert errors.AP50 == pytest.approx(26 / 101)
    assert errors.gain["all missed boxes"] == pytest.approx(1 - 26 / 101)  # one box, found first
    assert errors.gain["nothing there"] == pytest.approx(0.0, abs=1e-6)  # they come behind the only right one
    assert errors.gain["wrong class"] > 0 and errors.gain["badly placed"] > 0


def test_without_boxes_there_is_no_gain():
    errors = split_of(dataset(record([])), [found((A, 0.9, 0))])
    assert (errors.AP50, errors.gain, errors.count["nothing there"]) == (None, None, 1)


def test_images_tell_right_wrong_and_missed_the_worst_first():
    split, [worst] = planted()
    split = dataset(record([A]), *split.records, record([A, B]))
    kept = kept_detections([found((A, 0.9, 0)), worst, found((LOW, 0.9, 1), (A, 0.8, 0))], 0.5)
    rows = image_faults(split, kept, fault_evaluator(split, kept))
    assert [(row.index, row.num_faults) for row in rows] == [(1, 7), (2, 2), (0, 0)]
    assert rows[0].right.tolist() == [0] and rows[0].wrong.tolist() == [1, 2, 3, 4] and rows[0].missed.tolist() == [1, 2, 3]
    assert rows[1].right.tolist() == [1] and rows[1].wrong.tolist() == [0] and rows[1].missed.tolist() == [1]


def test_crowds_are_neither_missed_nor_is_what_lies_in_them_wrong():
    crowd = [100, 100, 350, 280]
    split = dataset(record([A, crowd], crowds=[1]))
    kept = [found((A, 0.9, 0), ([120, 120, 160, 160], 0.8, 0))]
    [row] = image_faults(split, kept, fault_evaluator(split, kept))
    assert (row.right.tolist(), row.wrong.tolist(), row.missed.tolist()) == ([0], [], [])


def test_a_detection_on_the_threshold_is_kept():
    """0.9 in float32 is below 0.9 in float64."""
    [kept] = kept_detections([found((A, 0.95, 0), (B, 0.9, 1), (C, 0.89, 0))], 0.9)
    assert kept.scores.tolist() == np.float32([0.95, 0.9]).tolist() and kept.class_ids.tolist() == [0, 1]


def test_nothing_at_all():
    assert image_faults(dataset(), [], fault_evaluator(dataset(), [])) == []
    [row] = image_faults(dataset(record([])), [found()], fault_evaluator(dataset(record([])), [found()]))
    assert row.num_faults == 0 and len(row.right) == 0
