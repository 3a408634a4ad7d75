"""Plane transforms as 3 x 3 matrices on columns (x, y, 1), one per image."""

import functools

import tensorflow as tf


def matrices(entries):
    """Returns float32 [B, 3, 3] from nine float32 [B], row by row."""
    return tf.reshape(tf.stack(entries, axis=-1), [-1, 3, 3])


def translation(xy):
    """Returns the shift by `xy`, float32 [B, 2] px."""
    one, zero = tf.ones_like(xy[:, 0]), tf.zeros_like(xy[:, 0])
    return matrices([one, zero, xy[:, 0], zero, one, xy[:, 1], zero, zero, one])


def perspective(x, y):
    """Returns the transform whose depth grows by `x` and `y`, float32 [B], per px from the origin."""
    one, zero = tf.ones_like(x), tf.zeros_like(x)
    return matrices([one, zero, zero, zero, one, zero, x, y, one])


def rotation(angle, zoom):
    """Returns the rotation by `angle` (float32 [B], radians, counter-clockwise as seen) times `zoom`."""
    cosine, sine, zero = zoom * tf.cos(angle), zoom * tf.sin(angle), tf.zeros_like(zoom)
    return matrices([cosine, sine, zero, -sine, cosine, zero, zero, zero, tf.ones_like(zoom)])


def shear(x_angle, y_angle):
    """Returns the slant of the vertical and horizontal lines by the angles, float32 [B], radians."""
    one, zero = tf.ones_like(x_angle), tf.zeros_like(x_angle)
    return matrices([one, tf.tan(x_angle), zero, tf.tan(y_angle), one, zero, zero, zero, one])


def flip(left_right, upside_down, image_size):
    """Returns the mirror image about the middle of the input where the bool [B] say so: x' = W - x, y' = H - y."""
    height, width = image_size
    zero, one = tf.zeros(left_right.shape), tf.ones(left_right.shape)
    sign_x, shift_x = tf.where(left_right, -1.0, 1.0), tf.where(left_right, float(width), 0.0)
    sign_y, shift_y = tf.where(upside_down, -1.0, 1.0), tf.where(upside_down, float(height), 0.0)
    return matrices([sign_x, zero, shift_x, zero, sign_y, shift_y, zero, zero, one])


def compose(transforms):
    """Returns the product of transforms that are applied in the given order."""
    return functools.reduce(lambda product, transform: transform @ product, transforms)


def inverse(transform):
    """Returns the inverse by cross products: exact for shifts by whole px and flips, and XLA needs no LAPACK."""
    first, second, third = tf.unstack(transform, axis=-2)
    adjugate = tf.stack([tf.linalg.cross(second, third), tf.linalg.cross(third, first), tf.linalg.cross(first, second)], axis=-1)
    determinant = tf.reduce_sum(first * adjugate[..., 0], axis=-1)
    return adjugate / determinant[..., tf.newaxis, tf.newaxis]
