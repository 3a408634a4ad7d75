"""Candidates of known places, and a small network, through three views of each image."""

import numpy as np
import pytest
import tensorflow as tf

from yolo_tf.files.spec import detector_spec
from yolo_tf.inference.detector import network_candidates
from yolo_tf.inference.three_views import augment_candidates

HEIGHT, WIDTH = 160, 224
# Views of 160 x 224: 132.8 x 185.92 -> 132 x 185 in 160 x 192; 107.2 x 150.08 -> 107 x 150 in 128 x 160.
VIEWS = [(160, 224), (160, 192), (128, 160)]
# Candidates with 2 anchors a cell, fine to coarse: 1120 + 280 + 70, 960 + 240 + 60, 640 + 160 + 40.
COUNTS = [1470, 1260, 840]


def spec_of(anchors):
    return detector_spec(class_names="abcdef", image_size=(HEIGHT, WIDTH), anchors=anchors)


def numbered_candidates(seen):
    """Candidates whose box and scores say which row and which view they are; the views go into `seen`."""

    def candidates(images):
        number = len(seen)
        seen.append(images)
        row = np.arange(COUNTS[number], dtype=np.float32)
        boxes = np.stack([row / 10, row / 20, row / 10 + 5, row / 20 + 7], -1)
        scores = np.stack([row / 2000, np.full_like(row, number), row * 0], -1)
        batch = len(images)
        return np.tile(boxes, [batch, 1, 1]), np.tile(scores, [batch, 1, 1])

    return candidates


def test_boxes_come_back_to_the_image_and_the_tails_are_dropped(tiny_anchors):
    boxes, scores = augment_candidates(numbered_candidates([]), tiny_anchors)(np.zeros([2, HEIGHT, WIDTH, 3], np.uint8))
    assert boxes.shape == (2, 2860, 4) and scores.shape == (2, 2860, 3)  # 1400 + 1260 + 200
    rows = [np.arange(1400), np.arange(1260), np.arange(640, 840)]
    np.testing.assert_array_equal(scores[1, :, 1], np.repeat([0, 1, 2], [1400, 1260, 200]))
    np.testing.assert_allclose(scores[1, :, 0], np.concatenate(rows) / 2000)
    plain, mirrored, small = rows[0], rows[1] / 0.83, rows[2] / 0.67
    np.testing.assert_allclose(boxes[0, :1400], np.stack([plain / 10, plain / 20, plain / 10 + 5, plain / 20 + 7], -1))
    expected = [WIDTH - mirrored / 10 - 5 / 0.83, mirrored / 20, WIDTH - mirrored / 10, mirrored / 20 + 7 / 0.83]
    np.testing.assert_allclose(boxes[0, 1400:2660], np.stack(expected, -1), atol=1e-4)
    expected = [small / 10, small / 20, small / 10 + 5 / 0.67, small / 20 + 7 / 0.67]
    np.testing.assert_allclose(boxes[0, 2660:], np.stack(expected, -1), rtol=1e-5)


def test_one_box_by_hand(tiny_anchors):
    """In the mirrored view (8.3, 16.6, 83, 41.5) is (10, 20, 100, 50) of the mirrored image: (124, 20, 214, 50)."""

    def candidates(images):
        count = COUNTS[VIEWS.index(tuple(images.shape[1:3]))]
        return tf.tile([[[8.3, 16.6, 83.0, 41.5]]], [1, count, 1]), tf.ones([1, count, 3])

    boxes, _ = augment_candidates(candidates, tiny_anchors)(np.zeros([1, HEIGHT, WIDTH, 3], np.uint8))
    np.testing.assert_allclose(boxes[0, 1400], [124, 20, 214, 50], rtol=1e-5)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_views_are_the_image_scaled_mirrored_and_padded(tiny_anchors, dtype):
    seen = []
    ramp = np.broadcast_to(np.arange(WIDTH)[None, None, :, None], [1, HEIGHT, WIDTH, 3]).astype(dtype)
    augment_candidates(numbered_candidates(seen), tiny_anchors)(ramp)
    assert [tuple(view.shape) for view in seen] == [(1, *size, 3) for size in VIEWS]
    np.testing.assert_array_equal(seen[0], ramp)
    for view, (height, width), mirrored in ((seen[1], (132, 185), True), (seen[2], (107, 150), False)):
        centres = (np.arange(width) + 0.5) * WIDTH / width - 0.5  # of the new columns in the old ones
        expected = np.interp(centres, np.arange(WIDTH), np.arange(WIDTH))
        expected = WIDTH - 1 - expected if mirrored else expected
        np.testing.assert_allclose(view[0, :height, :width], np.broadcast_to(expected[:, None], [height, width, 3]), atol=1e-3)
        assert np.all(view[0, height:] == 114) and np.all(view[0, :, width:] == 114)


def test_a_size_that_needs_no_padding_gets_none(tiny_anchors):
    """3200 x 0.67 = 2144 = 67 x 32, and 3200 x 0.83 = 2656 = 83 x 32."""
    shapes = []

    def candidates(images):
        shapes.append(tuple(images.shape[1:3]))
        count = sum(images.shape[1] * images.shape[2] // stride**2 * 2 for stride in (8, 16, 32))
        return tf.zeros([1, count, 4]), tf.zeros([1, count, 3])

    augment_candidates(candidates, tiny_anchors)(np.zeros([1, 32, 3200, 3], np.uint8))
    assert shapes == [(32, 3200), (32, 2656), (32, 2144)]


def test_a_symmetric_image_gives_the_mirrored_view_the_mirrored_boxes(tiny_network, tiny_anchors):
    candidates = network_candidates(tiny_network(), spec_of(tiny_anchors))
    half = np.random.default_rng(0).integers(0, 256, [2, HEIGHT, WIDTH // 2, 3], np.uint8)
    images = np.concatenate([half, half[:, :, ::-1]], axis=2)
    boxes, scores = augment_candidates(candidates, tiny_anchors)(images)
    # the same view without mirroring: mirroring changes nothing in it
    view = tf.pad(tf.image.resize(images, [132, 185]), [[0, 0], [0, 28], [0, 7], [0, 0]], constant_values=114)
    same_boxes, same_scores = (tensor.numpy() for tensor in candidates(view))
    np.testing.assert_allclose(scores[:, 1400:2660], same_scores, atol=1e-5)
    x1, y1, x2, y2 = np.moveaxis(same_boxes, -1, 0) / 0.83
    expected = np.stack([WIDTH - x2, y1, WIDTH - x1, y2], axis=-1)
    np.testing.assert_allclose(boxes[:, 1400:2660], expected, atol=1e-2)
    plain_boxes, plain_scores = candidates(images)
    np.testing.assert_array_equal(boxes[:, :1400], plain_boxes[:, :1400])
    np.testing.assert_array_equal(scores[:, :1400], plain_scores[:, :1400])


@pytest.mark.slow
def test_a_function_with_unknown_shapes_equals_eager(tiny_network, tiny_anchors):
    augmented = augment_candidates(network_candidates(tiny_network(), spec_of(tiny_anchors)), tiny_anchors)
    traced = tf.function(augmented, input_signature=[tf.TensorSpec([None, None, None, 3], tf.uint8)])
    for size in ((96, 160), (HEIGHT, WIDTH)):
        images = np.random.default_rng(1).integers(0, 256, [2, *size, 3], np.uint8)
        for result, expected in zip(traced(images), augmented(images), strict=True):
            assert result.shape[0] == 2 and result.shape[1] > 500
            np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-4)
