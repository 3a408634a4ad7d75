"""Class colours: distinct, stable, and with readable text."""

import numpy as np
import pytest

from yolo_tf.pictures.palette import class_colors, text_color


def contrast(first, second):
    """Contrast ratio of WCAG 2.1, 1..21."""

    def luminance(color):
        channels = np.asarray(color) / 255
        return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4) @ [0.2126, 0.7152, 0.0722]

    light, dark = sorted([luminance(first), luminance(second)], reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_colors_do_not_depend_on_the_number_of_classes():
    assert class_colors(0).shape == (0, 3)
    assert class_colors(1).tolist() == [[230, 159, 0]]
    assert class_colors(3).tolist() == class_colors(91)[:3].tolist()
    assert class_colors(20).tolist() == class_colors(91)[:20].tolist()


def test_colors_of_80_classes_are_all_different():
    colors = class_colors(80).astype(int)
    assert len({tuple(color) for color in colors.tolist()}) == 80
    first = np.abs(colors[:20, None] - colors[None, :20]).sum(-1) + 999 * np.eye(20, dtype=int)
    assert first.min() > 40


def test_text_is_readable_on_every_color():
    assert text_color((255, 255, 255)) == text_color((240, 228, 66)) == (0, 0, 0)
    assert text_color((0, 0, 0)) == text_color((0, 0, 139)) == (255, 255, 255)
    assert min(contrast(color, text_color(color)) for color in class_colors(80)) > 4.5  # WCAG AA


@pytest.mark.parametrize("grey", range(0, 256, 15))
def test_text_takes_the_stronger_contrast(grey):
    other = {(0, 0, 0): (255, 255, 255), (255, 255, 255): (0, 0, 0)}
    chosen = text_color((grey,) * 3)
    assert contrast((grey,) * 3, chosen) >= contrast((grey,) * 3, other[chosen]) - 1e-2
