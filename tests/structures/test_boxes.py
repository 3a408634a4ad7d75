"""Box arithmetic against numbers computed by hand and a plain loop."""

import math

import numpy as np
import pytest
import tensorflow as tf

from yolo_tf.structures.boxes import area, complete_iou, cxcywh_to_xyxy, generalized_iou, pairwise_iou, xyxy_to_cxcywh


def draw_boxes(count, seed):
    rng = np.random.default_rng(seed)
    low = rng.uniform(0, 50, (count, 2))
    return np.concatenate([low, low + rng.uniform(1, 40, (count, 2))], 1).astype(np.float32)


def test_conversions_by_hand_and_back():
    boxes = tf.constant([[10.0, 20.0, 30.0, 60.0]])
    np.testing.assert_allclose(xyxy_to_cxcywh(boxes), [[20, 40, 20, 40]])
    many = draw_boxes(7, 0)
    np.testing.assert_allclose(cxcywh_to_xyxy(xyxy_to_cxcywh(many)), many, atol=1e-5)


def test_area_of_an_inverted_box_is_zero():
    np.testing.assert_allclose(area(tf.constant([[1.0, 2.0, 4.0, 6.0], [4.0, 2.0, 1.0, 6.0]])), [12, 0])


def test_pairwise_iou_equals_a_loop():
    first, second = draw_boxes(5, 1), draw_boxes(8, 2)
    expected = np.zeros((5, 8))
    for i, a in enumerate(first):
        for j, b in enumerate(second):
            overlap = max(0, min(a[2], b[2]) - max(a[0], b[0])) * max(0, min(a[3], b[3]) - max(a[1], b[1]))
            union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - overlap
            expected[i, j] = overlap / union
    np.testing.assert_allclose(pairwise_iou(tf.constant(first), tf.constant(second)), expected, atol=1e-6)
    assert pairwise_iou(tf.zeros([0, 4]), tf.constant(second)).shape == (0, 8)


def test_complete_iou_by_hand():
    # Same 4 x 4 box: 1. Moved by 2: IoU 8/24, centre distance 2, enclosing box 6 x 4, no aspect difference.
    target = tf.constant([[4.0, 4.0, 4.0, 4.0], [6.0, 4.0, 4.0, 4.0], [4.0, 4.0, 2.0, 8.0]])
    predicted = tf.constant([[4.0, 4.0, 4.0, 4.0]] * 3)
    # Third: IoU 8/24, same centre, v = 4/pi^2 (atan(1/4) - atan(1))^2, alpha = v / (v - IoU + 1).
    v = 4 / math.pi**2 * (math.atan(0.25) - math.atan(1)) ** 2
    expected = [1, 1 / 3 - 4 / 52, 1 / 3 - v * v / (v - 1 / 3 + 1)]
    np.testing.assert_allclose(complete_iou(predicted, target), expected, atol=1e-5)


def test_generalized_iou_by_hand():
    # Same 4 x 4 box: 1. Moved by (2, 2): overlap 4, union 28, enclosing 6 x 6. Apart: union 16 + 4, enclosing 9 x 4.
    target = tf.constant([[4.0, 4.0, 4.0, 4.0], [6.0, 6.0, 4.0, 4.0], [10.0, 4.0, 2.0, 2.0]])
    predicted = tf.constant([[4.0, 4.0, 4.0, 4.0]] * 3)
    np.testing.assert_allclose(generalized_iou(predicted, target), [1, 4 / 28 - 8 / 36, -16 / 36], atol=1e-5)


def test_boxes_apart_pull_on_generalized_iou():
    predicted = tf.Variable([[4.0, 4.0, 4.0, 4.0]])
    with tf.GradientTape() as tape:
        value = generalized_iou(predicted, tf.constant([[10.0, 4.0, 2.0, 2.0]]))
    # -16 / 36 with the enclosing box 11 - 2 wide: moving right by d makes it 1 - d narrower, 20 / 36 grows by 20 / 36 / 9.
    assert tape.gradient(value, predicted).numpy()[0, 0] == pytest.approx(20 / 36 / 9, rel=1e-4)


def test_no_gradient_flows_through_alpha():
    predicted = tf.Variable([[4.0, 4.0, 4.0, 5.0]])
    target = tf.constant([[4.0, 4.0, 2.0, 8.0]])
    with tf.GradientTape() as tape:
        value = complete_iou(predicted, target)
    gradient = tape.gradient(value, predicted).numpy()[0]
    step = 1e-3

    def with_fixed_alpha(width):
        v = 4 / math.pi**2 * (math.atan(0.25) - math.atan(width / 5)) ** 2
        iou = 10 / (width * 5 + 16 - 10)  # the overlap is 2 x 5
        return iou, v

    iou, v = with_fixed_alpha(4.0)
    alpha = v / (v - iou + 1)
    slopes = [(a - b) / (2 * step) for a, b in zip(with_fixed_alpha(4 + step), with_fixed_alpha(4 - step), strict=True)]
    np.testing.assert_allclose(gradient[2], slopes[0] - alpha * slopes[1], rtol=1e-3)
