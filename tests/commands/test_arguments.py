"""What is made of the arguments that several verbs share."""

import argparse

import pytest

from yolo_tf.commands.arguments import add_detecting, find_class_ids, given_detect, image_size
from yolo_tf.config import EVALUATION_DETECT, DetectConfig
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


def test_sizes_of_one_number_and_of_two():
    assert [image_size(text) for text in ("640", "192 320", "192x320", "192,320")] == [640, *[(192, 320)] * 3]
    for text in ("", "x", "-64", "1 2 3", "64.5"):
        with pytest.raises(argparse.ArgumentTypeError, match=f"got '{text}'. Expected one whole number, or two: height and"):
            image_size(text)


def test_the_limit_of_candidates_follows_what_is_asked_for():
    def limit(detect, *words):
        parser = argparse.ArgumentParser()
        add_detecting(parser, score_threshold=0.1, iou_threshold=0.5, rect="")
        return given_detect(parser.parse_args(words), detect).candidate_limit

    assert limit(DetectConfig()) == 1000 and limit(EVALUATION_DETECT) == 4096
    assert limit(DetectConfig(), "--max-detections", "600") == 2000
    assert limit(EVALUATION_DETECT, "--max-detections", "600") == 4096
    assert limit(EVALUATION_DETECT, "--max-detections", "3000") == 10000
    assert limit(EVALUATION_DETECT, "--max-detections", "3000", "--max-candidates", "70") == 70
