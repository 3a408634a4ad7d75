import colorsys

import numpy as np
import pytest

from yolo_tf.data.augment.hsv import scale_hsv


def corner_colours(count):
    """Random colours and the ones where formulas break: greys, black, white, pure hues, equal channels."""
    special = [(0, 0, 0), (255, 255, 255), (90, 90, 90), (255, 0, 0), (0, 255, 0), (0, 0, 255), (200, 200, 10), (10, 200, 200)]
    drawn = np.random.default_rng(0).integers(0, 256, (count - len(special), 3))
    return np.concatenate([special, drawn]).astype(np.float32)


@pytest.mark.parametrize("gains", [(1, 1, 1), (1.015, 1.7, 0.6), (0.985, 0.3, 1.4), (1.5, 1, 1)])
def test_equals_the_standard_library(gains):
    colours = corner_colours(60)
    planes = colours.T.reshape(1, 3, 5, 12)
    found = scale_hsv(planes, np.array([gains], np.float32)).numpy().reshape(60, 3)
    for colour, result in zip(colours, found, strict=True):
        hue, saturation, value = colorsys.rgb_to_hsv(*(colour / 255))
        hue, saturation, value = hue * gains[0] % 1, min(saturation * gains[1], 1), min(value * gains[2], 1)
        expected = np.array(colorsys.hsv_to_rgb(hue, saturation, value)) * 255
        np.testing.assert_allclose(result, expected, atol=0.02)


def test_each_image_has_its_own_gains():
    planes = np.broadcast_to(np.array([200, 100, 50], np.float32)[None, :, None, None], (2, 3, 4, 6))
    found = scale_hsv(planes, np.array([(1, 1, 0.5), (1, 0, 1)], np.float32)).numpy()
    assert found.shape == (2, 4, 6, 3)
    np.testing.assert_allclose(found[0], np.broadcast_to((100, 50, 25), (4, 6, 3)), atol=1e-3)
    np.testing.assert_allclose(found[1], np.full((4, 6, 3), 200), atol=1e-3)
