import numpy as np
import pytest
import tensorflow as tf

from yolo_tf.data.letterbox import (
    fitted_size,
    letterbox_image,
    letterbox_offset,
    rect_canvases,
    smallest_canvas,
    to_original,
)
from yolo_tf.errors import InputError
from yolo_tf.structures import Letterbox


@pytest.mark.parametrize(
    "size_hw, image_size, scale, fitted, offset_yx",
    [
        ((480, 640), (320, 320), 0.5, (240, 320), (40, 0)),  # shrunk, bars above and below
        ((60, 20), (96, 160), 1.6, (96, 32), (0, 64)),  # enlarged, bars left and right
        ((427, 640), (640, 640), 1.0, (427, 640), (106, 0)),  # 213 free rows: 106 above, 107 below
        ((375, 500), (640, 640), 1.28, (480, 640), (80, 0)),
        ((376, 500), (320, 320), 0.64, (241, 320), (39, 0)),  # 240.64 rows, and any part of a row, are 241
        ((7, 49), (320, 320), 320 / 49, (46, 320), (137, 0)),  # 49 * (320 / 49) is above 320 in floats; not here
        ((3, 2000), (32, 64), 0.032, (1, 64), (15, 0)),  # never thinner than one pixel
    ],
)
def test_worked_sizes(size_hw, image_size, scale, fitted, offset_yx):
    found_scale, found_hw = fitted_size(size_hw, image_size)
    assert found_scale.numpy() == pytest.approx(scale)
    assert tuple(found_hw.numpy()) == fitted
    assert tuple(letterbox_offset(found_hw, image_size).numpy()) == offset_yx


def test_letterbox_pads_with_grey_and_keeps_the_pixels():
    image = np.random.default_rng(0).integers(0, 256, (40, 64, 3), np.uint8)
    boxed, scale, offset = letterbox_image(image, (96, 64))
    assert boxed.dtype == tf.float32 and boxed.shape == (96, 64, 3)
    assert scale.numpy() == 1 and tuple(offset.numpy()) == (0, 28)
    np.testing.assert_array_equal(boxed[28:68], image)
    assert np.all(boxed[:28] == 114) and np.all(boxed[68:] == 114)


def test_a_painted_rectangle_lands_where_scale_and_offset_say():
    image = np.zeros((200, 120, 3), np.uint8)
    image[60:100, 30:90] = 255
    boxed, scale, offset = letterbox_image(image, (96, 160))
    rows, columns = np.nonzero(boxed[..., 0].numpy() > 180)
    expected = np.array([30, 60, 90, 100]) * scale.numpy() + np.tile(offset.numpy(), 2)
    np.testing.assert_allclose([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1], expected, atol=0.6)


def test_to_original_is_the_inverse_and_clips():
    letterbox = Letterbox(
        scale=tf.constant([0.5, 1.6]),
        offset=tf.constant([[0.0, 40.0], [64.0, 0.0]]),
        original_size=tf.constant([[480, 640], [60, 20]]),
    )
    original = np.array([[[10, 20, 300, 400], [0, 0, 640, 480]], [[1, 2, 19, 59], [0, 0, 20, 60]]], np.float32)
    offset = np.tile(letterbox.offset.numpy(), 2)[:, None]
    in_input = original * letterbox.scale.numpy()[:, None, None] + offset
    np.testing.assert_allclose(to_original(in_input, letterbox), original, atol=1e-4)
    outside = to_original(in_input + [-999, -999, 999, 999], letterbox).numpy()
    np.testing.assert_array_equal(outside[:, 0], [[0, 0, 640, 480], [0, 0, 20, 60]])
    assert to_original(np.zeros((2, 0, 4), np.float32), letterbox).shape == (2, 0, 4)


def test_canvases_of_a_worked_example():
    """Side 160 is 5 strides. Ratios .3 .6 | .666 1.59 | 2.5: 3 + .5 up = 4 by 6; both full; 6 by 2 + .5 up = 3."""
    sizes_hw = [(60, 200), (300, 120), (97, 61), (48, 80), (333, 500)]
    order, canvas_hw = rect_canvases(sizes_hw, 160, 2)
    assert order.tolist() == [0, 3, 4, 2, 1]
    assert canvas_hw.tolist() == [[128, 192], [128, 192], [192, 192], [192, 192], [192, 96]]


@pytest.mark.parametrize(
    "sizes_hw, expected",
    [
        ([(480, 640)], (512, 672)),  # 15 + .5 up = 16; 20 + .5 up = 21
        ([(427, 640), (425, 640)], (448, 672)),  # the taller one counts: 13.34 + .5 up = 14
        ([(640, 425), (640, 427)], (672, 448)),  # and here the wider one
        ([(100, 100), (50, 70)], (672, 672)),  # a square among wide ones
    ],
)
def test_canvas_of_one_batch_at_640(sizes_hw, expected):
    order, canvas_hw = rect_canvases(sizes_hw, 640, 8)
    assert canvas_hw.tolist() == [list(expected)] * len(sizes_hw)


def test_equal_ratios_keep_their_order():
    order, canvas_hw = rect_canvases([(30, 40), (10, 40), (60, 80), (3, 4), (20, 80)], 96, 3)
    assert order.tolist() == [1, 4, 0, 2, 3]
    assert canvas_hw.shape == (5, 2)
    assert [array.shape for array in rect_canvases([], 96, 3)] == [(0,), (0, 2)]


@pytest.mark.parametrize(
    "size_hw, image_size, expected",
    [
        ((480, 640), (320, 320), (256, 320)),  # 240 x 320
        ((200, 120), (96, 160), (96, 64)),  # 96 x 57.6
        ((255, 640), (160, 160), (64, 160)),  # 63.75 rows are 64
        ((257, 640), (160, 160), (96, 160)),  # 64.25 rows are 65
        ((100, 100), (96, 160), (96, 96)),
        ((2, 900), (96, 160), (32, 160)),
    ],
)
def test_smallest_canvas(size_hw, image_size, expected):
    assert tuple(smallest_canvas(size_hw, image_size).numpy()) == expected


@pytest.mark.parametrize("canvas_hw", [(64, 160), (128, 192)])
def test_an_image_is_fitted_into_another_size_than_the_canvas(canvas_hw):
    """255 x 640 into 160 x 160: scale 1 / 4, 64 rows; in 128 x 192 it begins at (16, 32)."""
    image = np.random.default_rng(0).integers(120, 256, (255, 640, 3), np.uint8)
    square, _, _ = letterbox_image(image, (160, 160))
    traced = tf.function(lambda image, canvas_hw: letterbox_image(image, canvas_hw, fit_size=(160, 160)))
    for boxed, scale, offset in (
        letterbox_image(image, canvas_hw, fit_size=(160, 160)),
        traced(tf.constant(image), tf.constant(canvas_hw)),
    ):
        x, y = (canvas_hw[1] - 160) // 2, (canvas_hw[0] - 64) // 2
        assert boxed.shape == (*canvas_hw, 3)
        assert scale.numpy() == 0.25 and tuple(offset.numpy()) == (x, y)
        np.testing.assert_array_equal(boxed[y : y + 64, x : x + 160], square[48:112])
        assert np.count_nonzero(boxed == 114) == boxed.numpy().size - 64 * 160 * 3


@pytest.mark.parametrize(
    "size_hw, image_size, scale, fitted",
    [
        ((480, 640), (320, 320), 0.5, (240, 320)),
        ((376, 500), (320, 320), 0.64, (240, 320)),  # 240.64 rows: the part of a row is left out
        ((60, 21), (96, 160), 1.6, (96, 33)),  # 33.6
        ((3, 2000), (32, 64), 0.032, (1, 64)),  # never thinner than one pixel
    ],
)
def test_in_the_corner_an_image_begins_at_the_origin(size_hw, image_size, scale, fitted):
    image = np.full([*size_hw, 3], 200, np.uint8)
    boxed, found_scale, offset = letterbox_image(image, image_size, letterbox="corner")
    assert boxed.shape == (*image_size, 3) and found_scale.numpy() == pytest.approx(scale) and offset.numpy().tolist() == [0, 0]
    expected = np.full([*image_size, 3], 114.0)
    expected[: fitted[0], : fitted[1]] = 200
    np.testing.assert_array_equal(boxed, expected)


def test_in_the_corner_pixels_are_bilinear_even_where_an_image_shrinks():
    """Halved, each pixel is the mean of the four around its centre; by a third, the one at its centre: area would take nine."""
    image = np.random.default_rng(0).integers(0, 256, (12, 18, 3), np.uint8)
    halved, _, _ = letterbox_image(image, (32, 32), fit_size=(6, 9), letterbox="corner")
    np.testing.assert_array_equal(halved[:6, :9], np.round(image.reshape(6, 2, 9, 2, 3).mean((1, 3))))
    third, _, _ = letterbox_image(image, (32, 32), fit_size=(4, 6), letterbox="corner")
    np.testing.assert_array_equal(third[:4, :6], image[1::3, 1::3])


def test_there_are_two_letterboxes():
    with pytest.raises(InputError, match="letterbox: got 'middle'. Expected center or corner"):
        letterbox_image(np.zeros([4, 4, 3], np.uint8), (32, 32), letterbox="middle")
