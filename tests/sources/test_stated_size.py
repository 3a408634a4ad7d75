"""Sizes as tools write them."""

import pytest

from yolo_tf.sources.stated_size import stated_size


@pytest.mark.parametrize("side", [96, 96.0, "96", "96.0", " 96 "])
def test_a_whole_number_in_any_writing(side):
    assert stated_size(side, 64) == (96, 64) and stated_size(64, side) == (64, 96)


@pytest.mark.parametrize("side", [0, None, "None", -1, "", "0", "null", float("nan"), "-1"])
def test_not_known(side):
    assert stated_size(side, 64) is None and stated_size(64, side) is None


def test_what_is_no_size_is_that_of_no_image():
    assert stated_size("96px", 64) == ("96px", 64) and stated_size(96.5, 64) == (96.5, 64)
