"""Pixels of the canvases -> pixels of the network input, by inverse mapping and bilinear interpolation.

The canvas is never built: each output pixel is looked up in the tile that covers its canvas point. The
three stages are compiled apart (`compiled.py` says why).
"""

from typing import NamedTuple

import tensorflow as tf

from yolo_tf.data.augment.compiled import compiled
from yolo_tf.data.augment.geometry import inverse
from yolo_tf.data.letterbox import PAD_GREY

MIN_DEPTH = 1e-3  # a point with a smaller homogeneous coordinate lies on or behind the horizon of a perspective


class Taps(NamedTuple):
    """For each pixel of the input: the four pixels that it is mixed from."""

    indices: tuple  # four int32 [B, H, W] into all pixels of the batch: top left, top right, bottom left, bottom right
    weight_x: tf.Tensor  # float32 [B, H, W], share of the right ones
    weight_y: tf.Tensor  # float32 [B, H, W], share of the bottom ones
    inside: tf.Tensor  # bool [B, H, W]; false where no image is


def warp_images(images, tiles, transform):
    """Warps the B canvases of Tiles into the network input by `transform`, float32 [B, 3, 3], canvas px -> input px.

    From images, uint8 [P, H, W, 3], each in the top-left corner of its frame, come RGB planes, float32 [B, 3, H, W],
    0..255; grey 114 where no image is.
    """
    taps = _find_taps(tiles, transform, image_size=tuple(images.shape[1:3]))
    return _mix(_gather(images, taps.indices), taps)


@compiled
def _find_taps(tiles, transform, *, image_size):
    """Returns the Taps of every pixel of the input."""
    height, width = image_size
    x, y, in_front = _canvas_points(inverse(transform), height, width)
    right, low = x >= _per_image(tiles.split[:, 0]), y >= _per_image(tiles.split[:, 1])

    def of_tile(values):
        top_left, top_right, bottom_left, bottom_right = (_per_image(value) for value in tf.unstack(values, axis=1))
        return tf.where(low, tf.where(right, bottom_right, bottom_left), tf.where(right, top_right, top_left))

    image_x, image_y = x - of_tile(tiles.origin[..., 0]), y - of_tile(tiles.origin[..., 1])
    image_w, image_h = of_tile(tiles.size_wh[..., 0]), of_tile(tiles.size_wh[..., 1])
    inside = in_front & (image_x > 0) & (image_y > 0) & (image_x < image_w) & (image_y < image_h)
    inside &= (x > 0) & (y > 0) & (x < _per_image(tiles.canvas_wh[:, 0])) & (y < _per_image(tiles.canvas_wh[:, 1]))

    # From points to pixels: the centre of pixel 0 lies at 0.5. At the rim of an image its last pixel is repeated.
    left, top = tf.floor(image_x - 0.5), tf.floor(image_y - 0.5)
    first_row = of_tile(tiles.members) * height

    def index(column, row):
        column = tf.cast(tf.clip_by_value(column, 0.0, image_w - 1), tf.int32)
        row = tf.cast(tf.clip_by_value(row, 0.0, image_h - 1), tf.int32)
        return (first_row + row) * width + column

    return Taps(
        indices=(index(left, top), index(left + 1, top), index(left, top + 1), index(left + 1, top + 1)),
        weight_x=image_x - 0.5 - left,
        weight_y=image_y - 0.5 - top,
        inside=inside,
    )


@compiled
def _gather(images, indices):
    """Returns four int32 [B, H, W] with red, green and blue in the lower three bytes: one look-up per pixel, not three."""
    packed = tf.bitcast(tf.pad(images, [[0, 0], [0, 0], [0, 0], [0, 1]]), tf.int32)  # little-endian: red is lowest
    return tuple(tf.gather(tf.reshape(packed, [-1]), index) for index in indices)


@compiled
def _mix(packed, taps):
    """Returns float32 [B, 3, H, W], the planes interpolated between four packed neighbours."""

    def plane(shift):
        top_left, top_right, bottom_left, bottom_right = (
            tf.cast(tf.bitwise.bitwise_and(tf.bitwise.right_shift(pixel, shift), 255), tf.float32) for pixel in packed
        )
        top = top_left * (1 - taps.weight_x) + top_right * taps.weight_x
        bottom = bottom_left * (1 - taps.weight_x) + bottom_right * taps.weight_x
        return tf.where(taps.inside, top * (1 - taps.weight_y) + bottom * taps.weight_y, float(PAD_GREY))

    return tf.stack([plane(shift) for shift in (0, 8, 16)], axis=1)


def _canvas_points(to_canvas, height, width):
    """Returns x, y float32 [B, H, W], the canvas points of all pixel centres, and bool [B, H, W]: before the horizon."""
    column = (tf.range(width, dtype=tf.float32) + 0.5)[tf.newaxis, tf.newaxis, :]
    row = (tf.range(height, dtype=tf.float32) + 0.5)[tf.newaxis, :, tf.newaxis]
    x, y, depth = (
        _per_image(to_canvas[:, axis, 0]) * column + _per_image(to_canvas[:, axis, 1]) * row + _per_image(to_canvas[:, axis, 2])
        for axis in range(3)
    )
    in_front = depth > MIN_DEPTH
    depth = tf.where(in_front, depth, 1.0)
    return x / depth, y / depth, in_front


def _per_image(values):
    """Returns [B] as [B, 1, 1]."""
    return values[:, tf.newaxis, tf.newaxis]
