import numpy as np
import pytest
from turned_images import ORIENTATIONS, exif_block, red_box, stored_pixels

from yolo_tf.sources.orientation import orientation_in_exif, turned_box, turned_size


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_a_box_turns_with_its_pixels(orientation):
    upright = np.zeros((50, 70, 3), np.uint8)
    upright[11:30, 20:65] = (250, 0, 0)
    stored = stored_pixels(upright, orientation)
    assert turned_size(stored.shape[:2], orientation) == (50, 70)
    assert turned_box(red_box(stored), (50, 70), orientation) == (20, 11, 65, 30)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("byte_order", ["<", ">"])
def test_the_tag_is_found_in_both_byte_orders(orientation, byte_order):
    block = exif_block(orientation, byte_order)
    assert orientation_in_exif(block) == orientation_in_exif(block.removeprefix(b"Exif\0\0")) == orientation


def test_cut_anywhere_it_says_nothing_or_the_truth():
    block = exif_block(8)
    assert {orientation_in_exif(block[:length]) for length in range(len(block))} == {1, 8}
    assert orientation_in_exif(b"") == 1
