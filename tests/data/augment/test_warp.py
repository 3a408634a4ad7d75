import numpy as np
import pytest
import tensorflow as tf

from yolo_tf.data.augment.geometry import compose, flip, perspective, rotation, translation
from yolo_tf.data.augment.mosaic import place_tiles
from yolo_tf.data.augment.warp import warp_images

IMAGE_SIZE = (96, 160)


def plain_tiles(sizes):
    count = len(sizes)
    members = tf.tile(tf.range(count)[:, None], [1, 4])
    return place_tiles(tf.constant(sizes), members, tf.zeros([count], tf.bool), tf.zeros([count, 2]), IMAGE_SIZE)


def test_identity_gives_the_letterboxed_pixels(painted_batch):
    images, sizes, _, _ = painted_batch
    planes = warp_images(images, plain_tiles(sizes), tf.eye(3, batch_shape=[4])).numpy()
    for plane, image, (height, width) in zip(planes, images, sizes, strict=True):
        expected = np.full((96, 160, 3), 114.0)
        top, left = (96 - height) // 2, (160 - width) // 2
        expected[top : top + height, left : left + width] = image[:height, :width]
        np.testing.assert_array_equal(plane.transpose(1, 2, 0), expected)


def test_flip_mirrors_exactly(painted_batch):
    images, sizes, _, _ = painted_batch
    mirror = flip(tf.ones([4], tf.bool), tf.constant([False, True, False, True]), IMAGE_SIZE)
    straight = warp_images(images, plain_tiles(sizes), tf.eye(3, batch_shape=[4])).numpy()
    mirrored = warp_images(images, plain_tiles(sizes), mirror).numpy()
    np.testing.assert_array_equal(mirrored[0::2], straight[0::2, :, :, ::-1])
    # the letterbox of the second image is symmetric too
    np.testing.assert_array_equal(mirrored[1::2], straight[1::2, :, ::-1, ::-1])


def test_mosaic_without_transform_is_the_middle_of_the_canvas(painted_batch):
    images, sizes, _, _ = painted_batch
    members = tf.constant([[0, 1, 2, 3], [3, 2, 1, 0]])
    centre = tf.constant([[150.0, 100.0], [90.0, 60.0]])
    tiles = place_tiles(tf.constant(sizes), members, tf.constant([True, True]), centre, IMAGE_SIZE)
    planes = warp_images(images, tiles, translation(tf.constant([[-80.0, -48.0]] * 2))).numpy()
    for row in range(2):
        canvas = np.full((192, 320, 3), 114.0)
        for place, member in enumerate(members[row].numpy()):
            height, width = sizes[member]
            left, top = (int(value) for value in tiles.origin[row, place].numpy())
            inner = images[member, max(0, -top) : min(height, 192 - top), max(0, -left) : min(width, 320 - left)]
            canvas[max(0, top) :, max(0, left) :][: inner.shape[0], : inner.shape[1]] = inner
        np.testing.assert_array_equal(planes[row].transpose(1, 2, 0), canvas[48:144, 80:240])


@pytest.mark.parametrize("angle, zoom, slant", [(0.4, 0.7, 0.0), (-0.2, 1.5, 0.002)])
def test_smooth_picture_follows_the_inverse_map(angle, zoom, slant):
    """Oracle: a picture whose pixel (x, y) has the value of a plane is interpolated without error."""
    rows, columns = np.mgrid[:96, :160] + 0.5
    images = np.stack([columns, rows, np.full_like(rows, 77)], axis=-1)[None].astype(np.uint8)  # floor: x - 0.5
    shift = translation(tf.constant([[-80.0, -48.0]]))
    back = translation(tf.constant([[85.0, 44.0]]))
    slanted = perspective(tf.constant([slant]), tf.constant([0.0]))
    transform = compose([shift, slanted, rotation(tf.constant([angle]), tf.constant([zoom])), back])
    planes = warp_images(images, plain_tiles([(96, 160)]), transform).numpy()[0]
    points = np.linalg.inv(transform[0].numpy()) @ np.stack([columns, rows, np.ones_like(rows)]).reshape(3, -1)
    x, y = (points[:2] / points[2]).reshape(2, 96, 160)
    inner = (x > 1) & (y > 1) & (x < 159) & (y < 95)
    assert inner.mean() > 0.3
    np.testing.assert_allclose(planes[0][inner], x[inner] - 0.5, atol=2e-3)
    np.testing.assert_allclose(planes[1][inner], y[inner] - 0.5, atol=2e-3)
    outside = (x < 0) | (y < 0) | (x > 160) | (y > 96)
    assert np.all(planes[:, outside] == 114)


def test_nothing_is_seen_behind_the_horizon():
    images = np.full((1, 96, 160, 3), 200, np.uint8)
    slanted = perspective(tf.constant([0.05]), tf.constant([0.0]))  # depth 0 at x = -20 from the middle
    transform = compose([translation(tf.constant([[-80.0, -48.0]])), slanted, translation(tf.constant([[10.0, 48.0]]))])
    planes = warp_images(images, plain_tiles([(96, 160)]), transform).numpy()[0]
    assert np.all(np.isfinite(planes))
    assert np.all(planes[:, :, 31:] == 114)  # only points behind it would land there: x' = 10 + x / (1 + x / 20) < 30
    assert np.any(planes == 200)
