"""Yes and no as people write them."""

import pytest

from yolo_tf.sources.stated_flag import stated_flag


@pytest.mark.parametrize("value", [1, 1.0, True, "1", " 1\n", "1.0", "true", "True", "YES"])
def test_what_says_yes(value):
    assert stated_flag(value) is True


@pytest.mark.parametrize("value", [0, 0.0, False, None, "", "0", "0.0", "false", "No", "Unspecified", "null"])
def test_what_says_no_or_nothing(value):
    assert stated_flag(value) is False


@pytest.mark.parametrize("value", [2, -1, 0.5, "maybe", [1], {}, "1 0", float("nan")])
def test_what_says_neither(value):
    with pytest.raises(ValueError, match="is neither yes nor no. Expected 1 or 0"):
        stated_flag(value)
