import numpy as np
import pytest
import tensorflow as tf

from yolo_tf.data.letterbox import fitted_size, letterbox_image, letterbox_offset, to_original
from yolo_tf.structures import Letterbox


@pytest.mark.parametrize(
    "size_hw, image_size, scale, fitted, offset_yx",
    [
        ((480, 640), (320, 320), 0.5, (240, 320), (40, 0)),  # shrunk, bars above and below
        ((60, 20), (96, 160), 1.6, (96, 32), (0, 64)),  # enlarged, bars left and right
        ((427, 640), (640, 640), 1.0, (427, 640), (106, 0)),  # 213 free rows: 106 above, 107 below
        ((375, 500), (640, 640), 1.28, (480, 640), (80, 0)),
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
