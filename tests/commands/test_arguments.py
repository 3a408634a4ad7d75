"""What is made of the arguments that several verbs share."""

import pytest

from yolo_tf.commands.arguments import find_class_ids
from yolo_tf.errors import InputError


def test_class_numbers_of_words():
    names = ("car", "traffic light", "bus", "2", "a,b")
    assert find_class_ids((), names) == ()
    assert find_class_ids(["car, 1", "traffic light,bus"], names) == (0, 1, 2)
    assert find_class_ids(["2"], names) == (3,), "a name wins over a number"
    assert find_class_ids(["a,b", "4"], names) == (4,)
    for word in ("car,", "-1", "5"):
        with pytest.raises(InputError, match="--classes: there is no class"):
            find_class_ids([word], names)
