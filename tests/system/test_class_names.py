"""Class names of one line."""

import pytest

from yolo_tf.errors import InputError
from yolo_tf.system.class_names import clean_name, clean_names

MENDED = {
    " a": "a",
    "traffic\n  light\t": "traffic light",
    "a\u2028b": "a b",
    "Fußgänger  zwei": "Fußgänger  zwei",  # spaces inside are the writer's
    "信号\u00a0灯": "信号\u00a0灯",
    "\ud83d\ude97": "\U0001f697",
    2146: "2146",
}


@pytest.mark.parametrize("name", MENDED)
def test_what_is_mended(name):
    assert clean_names([name, "b"], "data.yaml") == (MENDED[name], "b")


REFUSED = {"a\x07b": "control character", "a\x85\x00": "control character", "\ud83d": "half a character"}
REFUSED |= {" \n": "is no class name", None: "is no class name"}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_in_one_line(name):
    with pytest.raises(InputError, match=f"data.yaml: .*{REFUSED[name]}.* Expected ") as caught:
        clean_name(name, "data.yaml")
    assert str(caught.value).isprintable()
