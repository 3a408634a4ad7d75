import math

import numpy as np
import tensorflow as tf

from yolo_tf.data.augment.geometry import compose, flip, inverse, perspective, rotation, shear, translation


def move(transform, x, y):
    point = transform[0].numpy() @ np.array([x, y, 1.0], np.float32)
    return point[:2] / point[2]


def test_worked_points():
    np.testing.assert_allclose(move(translation(tf.constant([[3.0, -4.0]])), 10, 20), (13, 16))
    # a quarter turn counter-clockwise as seen (y points down) at twice the size: right goes up
    np.testing.assert_allclose(move(rotation(tf.constant([math.pi / 2]), tf.constant([2.0])), 10, 0), (0, -20), atol=1e-5)
    np.testing.assert_allclose(move(shear(tf.constant([math.atan(0.5)]), tf.constant([0.0])), 10, 20), (20, 20), rtol=1e-6)
    np.testing.assert_allclose(move(perspective(tf.constant([0.01]), tf.constant([0.0])), 100, 60), (50, 30))
    np.testing.assert_allclose(move(flip(tf.constant([True]), tf.constant([False]), (96, 160)), 10, 20), (150, 20))
    np.testing.assert_allclose(move(flip(tf.constant([False]), tf.constant([True]), (96, 160)), 10, 20), (10, 76))


def test_compose_applies_in_the_given_order():
    shift, turn = translation(tf.constant([[10.0, 0.0]])), rotation(tf.constant([math.pi / 2]), tf.constant([1.0]))
    np.testing.assert_allclose(move(compose([shift, turn]), 0, 0), (0, -10), atol=1e-5)
    np.testing.assert_allclose(move(compose([turn, shift]), 0, 0), (10, 0), atol=1e-5)


def test_inverse_undoes():
    transform = compose(
        [
            translation(tf.constant([[-80.0, -48.0]])),
            perspective(tf.constant([0.001]), tf.constant([-0.0005])),
            rotation(tf.constant([0.3]), tf.constant([1.4])),
            shear(tf.constant([0.1]), tf.constant([-0.2])),
            translation(tf.constant([[80.0, 48.0]])),
        ]
    )
    np.testing.assert_allclose((inverse(transform) @ transform)[0], np.eye(3), atol=1e-4)
    flipped = compose([translation(tf.constant([[5.0, 7.0]])), flip(tf.constant([True]), tf.constant([True]), (96, 160))])
    np.testing.assert_array_equal((inverse(flipped) @ flipped)[0], np.eye(3))  # exactly
