"""Names become objects, or a message with the name that would have worked."""

import pytest

from yolo_tf.errors import InputError, any_of, did_you_mean, look_up


def test_a_known_name_gives_its_object():
    assert look_up({"a": 1}, "a", kind="thing") == 1


def test_an_unknown_name_gives_the_nearest_and_all():
    message = "unknown backbone 'resnet5'. Did you mean 'resnet50'. Expected one of: densenet, resnet50."
    with pytest.raises(InputError, match=message):
        look_up({"resnet50": 0, "densenet": 1}, "resnet5", kind="backbone")


def test_nothing_near_gives_no_hint():
    assert did_you_mean("zzz", ["resnet50"]) == ""


def test_words_that_are_alternatives():
    assert [any_of(words) for words in (["a"], ("a", "b"), {"a": 1, "b": 2, "c": 3})] == ["a", "a or b", "a, b or c"]
