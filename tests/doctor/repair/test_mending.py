"""Labels are mended where it is certain how, and go otherwise."""

import pytest

from yolo_tf.doctor.repair.mending import meaning_of_pixels, mended_box, mended_row


@pytest.mark.parametrize(
    ("kind", "before", "after"),
    [
        ("pixels", "0 12 8 44 50", ""),  # as centre and size it reaches outside: they were corners
        ("outside", "0 1.5 0.5 0.2 0.2", ""),  # nothing of it is inside
        ("outside", "1 0.9 0.1 1.1 0.2 0.95 0.4", "1 0.9 0.1 1 0.2 0.95 0.4"),
        ("numbers", "0 nan 0.5 0.1 0.1", ""),
        ("columns", "0 0.5 0.5 0.1 0.1 0.5 0.5", ""),
    ],
)
def test_what_cannot_be_told_goes(kind, before, after):
    assert mended_row(kind, before, (72, 96)) == after


def test_a_mended_box_is_in_order_and_inside():
    assert mended_box((50, -3, 20, 40), (30, 45)) == (20, 0, 45, 30)
    assert mended_box((50, 1, 60, 9), (30, 45)) is None
    assert mended_box((1, float("nan"), 6, 9), (30, 45)) is None


def test_what_numbers_in_pixels_mean_is_told_by_all_of_them():
    size = (72, 96)  # height, width
    either, corners, centre = ("0 10 10 20 20", size), ("0 50 20 90 60", size), ("0 48 36 24 18", size)
    assert meaning_of_pixels([centre]) == meaning_of_pixels([either, centre]) == "centre"
    assert meaning_of_pixels([either, corners]) == "corners"
    assert meaning_of_pixels([either]) == meaning_of_pixels([corners, centre]) == meaning_of_pixels([]) == ""
    assert mended_row("pixels", centre[0], size, pixels="centre") == "0 0.5 0.5 0.25 0.25"
    assert mended_row("pixels", "1 24 18 72 54", size, pixels="corners") == "1 0.5 0.5 0.5 0.5"
