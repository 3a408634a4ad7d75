"""Names become objects, or a message with the name that would have worked."""

import pytest

from yolo_tf.errors import InputError, any_of, did_you_mean, look_up, shown, some_of


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


def test_some_of_many_things_are_named_and_the_rest_counted():
    assert some_of(["a", 2, "c"]) == "a, 2, c" and some_of("abcde") == "a, b, c and 2 more"
    name = b"caf\xe9.jpg".decode("utf-8", "surrogateescape")
    assert some_of([name]) == shown(name) == "caf\\xe9.jpg" and shown("café.jpg") == "café.jpg"
    assert shown("a\nb\0") == "a\\nb\\0"


def test_a_message_is_one_line_whatever_is_in_it():
    text = "a\r\nb\u2028\x1b[1m\t.jpg: d\u00e9j\u00e0 \u5199\u771f \U0001f468\u200d\U0001f469"
    line = str(InputError(text))
    assert line == "a\\r\\nb\\u2028\\x1b[1m\\t.jpg: d\u00e9j\u00e0 \u5199\u771f \U0001f468\u200d\U0001f469"
    assert str(InputError("plain")) == "plain"
