"""Which detection found which box, and which class was taken for which."""

import numpy as np
import pytest

from yolo_tf.evaluation.matching import confusion_matrix, match_detections, overlaps
from yolo_tf.structures import DetectionDataset, ImageDetections, ImageRecord


def make_dataset(*rows):
    """One record per row (boxes, class_ids, is_crowd)."""
    records = tuple(
        ImageRecord(
            image_id="image",
            path="",
            height=100,
            width=200,
            boxes=np.array(boxes, np.float32).reshape(-1, 4),
            class_ids=np.array(class_ids, np.int32),
            is_crowd=np.array(is_crowd, bool),
        )
        for boxes, class_ids, is_crowd in rows
    )
    return DetectionDataset(class_names=("cat", "dog", "owl"), records=records)


def found(boxes, scores, class_ids):
    return ImageDetections(
        boxes=np.array(boxes, np.float32).reshape(-1, 4),
        scores=np.array(scores, np.float32),
        class_ids=np.array(class_ids, np.int32),
    )


def test_overlaps_worked_numbers():
    boxes = [[0, 0, 10, 10], [5, 5, 15, 15], [30, 30, 40, 40]]
    truths = [[0, 0, 10, 20], [5, 0, 15, 10]]
    # areas 100 and 200, shared 100 -> 100/200; shared 50 of 200 -> 1/3 (100 + 100 - 50 = 150) and so on
    assert overlaps(boxes, truths) == pytest.approx(np.array([[1 / 2, 1 / 3], [1 / 5, 1 / 3], [0, 0]]))
    assert overlaps(boxes, truths, of_detection=True) == pytest.approx(np.array([[1, 1 / 2], [1 / 2, 1 / 2], [0, 0]]))


def test_overlaps_of_nothing_and_of_points():
    assert overlaps(np.zeros((0, 4)), np.ones((3, 4))).shape == (0, 3)
    assert overlaps(np.ones((2, 4)), np.zeros((0, 4))).shape == (2, 0)
    assert overlaps([[5, 5, 5, 5]], [[5, 5, 5, 5]]).tolist() == [[0]]


def test_the_best_score_chooses_first_and_takes_the_box_it_overlaps_most():
    left, right = [0, 0, 10, 10], [4, 0, 14, 10]
    # 0.9 lies on `right` exactly; 0.8 overlaps `right` more than `left`, but it is taken and `left` is too far (IoU 1/3).
    dataset = make_dataset(([left, right], [0, 0], [False, False]))
    matches = match_detections(dataset, [found([[5, 0, 15, 10], right], [0.8, 0.9], [0, 0])])
    assert matches.scores.tolist() == pytest.approx([0.9, 0.8])
    assert matches.is_correct.tolist() == [True, False]
    assert matches.num_truths.tolist() == [2, 0, 0]


def test_iou_equal_to_the_threshold_is_correct_and_another_class_is_not():
    dataset = make_dataset(([[0, 0, 10, 20]], [1], [False]))
    matches = match_detections(dataset, [found([[0, 0, 10, 20], [0, 0, 10, 10]], [0.9, 0.5], [2, 1])])
    assert matches.class_ids.tolist() == [2, 1]
    assert matches.is_correct.tolist() == [False, True]


def test_crowds_are_not_counted_and_forgive_their_own_class_alone():
    crowd, single = [100, 0, 200, 100], [0, 0, 20, 20]
    dataset = make_dataset(([crowd, single], [0, 0], [True, False]))
    inside = [110, 10, 130, 30]
    matches = match_detections(dataset, [found([inside, inside, single], [0.9, 0.8, 0.7], [0, 1, 0])])
    assert matches.num_truths.tolist() == [1, 0, 0]
    assert matches.class_ids.tolist() == [1, 0]  # the first was left out
    assert matches.is_correct.tolist() == [False, True]


def test_confusion_matrix_worked_example():
    cat, dog, owl = [0, 0, 20, 20], [50, 0, 90, 40], [100, 50, 140, 90]
    dataset = make_dataset(([cat, dog], [0, 1], [False, False]), ([owl, cat], [2, 0], [False, False]), ([], [], []))
    detections = [
        # the cat found twice: the second is background; the dog taken for an owl
        found([cat, [1, 0, 20, 20], dog], [0.6, 0.9, 0.25], [0, 0, 2]),
        # the owl found too faintly, the cat well enough (IoU 0.5), something where nothing is
        found([owl, [0, 0, 20, 10], [150, 0, 190, 30]], [0.24, 0.8, 0.7], [2, 0, 1]),
        found([], [], []),
    ]
    assert confusion_matrix(dataset, detections).tolist() == [
        [2, 0, 0, 0],
        [0, 0, 1, 0],
        [0, 0, 0, 1],
        [1, 1, 0, 0],
    ]


def test_confusion_pairs_the_largest_iou_first():
    # 0.9 overlaps both boxes, but belongs to the right one; the left one is for the 0.5.
    dataset = make_dataset(([[0, 0, 10, 10], [3, 0, 13, 10]], [0, 1], [False, False]))
    matrix = confusion_matrix(dataset, [found([[3, 0, 13, 10], [0, 0, 10, 9]], [0.9, 0.5], [1, 0])])
    assert matrix.tolist() == [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]


def test_confusion_leaves_crowds_out():
    dataset = make_dataset(([[100, 0, 200, 100]], [1], [True]))
    matrix = confusion_matrix(dataset, [found([[110, 10, 130, 30]] * 2, [0.9, 0.8], [1, 0])])
    assert matrix.sum() == matrix[3, 0] == 1
