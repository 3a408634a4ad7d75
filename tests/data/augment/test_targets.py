from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from yolo_tf.data.augment.geometry import perspective, rotation
from yolo_tf.data.augment.targets import is_candidate, keep_largest, warp_boxes


@pytest.mark.parametrize(
    "box, area_before, kept",
    [
        ((0, 0, 40, 3), 1000, True),  # 120 of 1000 px^2 left
        ((0, 0, 40, 3), 1300, False),  # 120 of 1300
        ((5, 5, 7, 25), 40, False),  # 2 px wide is not over 2
        ((5, 5, 7.1, 25), 42, True),
        ((0, 0, 20, 2), 40, False),  # 2 px high
        ((0, 0, 300, 3.1), 930, True),  # aspect 97
        ((0, 0, 300, 2.9), 870, False),  # aspect 103
        ((9, 9, 9, 9), 0, False),
    ],
)
def test_worked_candidates(box, area_before, kept):
    assert bool(is_candidate(tf.constant(box, tf.float32), tf.constant(area_before, tf.float32))) is kept


def test_boxes_grow_around_turned_corners_and_are_clipped():
    turn = SimpleNamespace(transform=rotation(tf.constant([np.pi / 4]), tf.constant([1.0])), zoom=tf.constant([1.0]))
    boxes = tf.constant([[[20.0, 40, 40, 60], [0, 90, 10, 100], [0, 0, 0, 0]]])
    warped, class_ids = warp_boxes(boxes, tf.constant([[3, 4, -1]]), turn, (96, 160))
    # x' = (x + y) / sqrt 2, y' = (y - x) / sqrt 2: corners of the first at x 60, 80, 80, 100, y 0, 20, 20, 40
    np.testing.assert_allclose(warped[0, 0], np.array([60, 0, 100, 40]) / np.sqrt(2), rtol=1e-5)
    np.testing.assert_allclose(warped[0, 1], np.array([90, 80, 110, 100]) / np.sqrt(2), rtol=1e-5)
    np.testing.assert_array_equal(class_ids, [[3, 4, -1]])
    clipped, class_ids = warp_boxes(boxes, tf.constant([[3, 4, -1]]), turn, (96, 66))
    assert clipped[0, 1, 2] == 66  # 2.4 x 14 of 100 px^2 are left: kept
    np.testing.assert_array_equal(class_ids, [[3, 4, -1]])
    _, class_ids = warp_boxes(boxes, tf.constant([[3, 4, -1]]), turn, (96, 64))
    np.testing.assert_array_equal(class_ids, [[3, -1, -1]])


def test_the_area_is_compared_at_the_new_zoom():
    half = SimpleNamespace(transform=rotation(tf.constant([0.0]), tf.constant([0.25])), zoom=tf.constant([0.25]))
    _, class_ids = warp_boxes(tf.constant([[[0.0, 0, 40, 40]]]), tf.constant([[2]]), half, (96, 160))
    assert class_ids.numpy() == [[2]]  # 100 of 1600 px^2, but nothing was cut off


def test_boxes_behind_the_horizon_are_dropped():
    slanted = SimpleNamespace(transform=perspective(tf.constant([-0.02]), tf.constant([0.0])), zoom=tf.constant([1.0]))
    warped, class_ids = warp_boxes(
        tf.constant([[[10.0, 10, 40, 40], [40, 10, 60, 40], [60, 10, 90, 40]]]), tf.constant([[0, 1, 2]]), slanted, (96, 160)
    )  # depth 0 at x = 50
    np.testing.assert_array_equal(class_ids, [[0, -1, -1]])
    assert np.all(np.isfinite(warped))


def test_keep_largest_packs_and_drops_the_smallest():
    boxes = tf.constant([[[0.0, 0, 2, 2], [0, 0, 9, 9], [0, 0, 5, 5]], [[1, 1, 4, 4], [0, 0, 0, 0], [2, 2, 9, 9]]])
    class_ids = tf.constant([[7, -1, 8], [5, -1, 6]])
    packed, ids = keep_largest(boxes, class_ids, 5)
    np.testing.assert_array_equal(ids, [[8, 7, -1, -1, -1], [6, 5, -1, -1, -1]])
    np.testing.assert_array_equal(packed[0], [(0, 0, 5, 5), (0, 0, 2, 2), (0, 0, 0, 0), (0, 0, 0, 0), (0, 0, 0, 0)])
    packed, ids = keep_largest(boxes, class_ids, 1)
    np.testing.assert_array_equal(ids, [[8], [6]])
    np.testing.assert_array_equal(packed, [[(0, 0, 5, 5)], [(2, 2, 9, 9)]])
    _, ids = keep_largest(boxes, tf.fill([2, 3], -1), 2)
    np.testing.assert_array_equal(ids, np.full((2, 2), -1))
