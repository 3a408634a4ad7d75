"""The thresholds with the largest F1, worked out by hand, and their file."""

import json

import pytest
from planted import dataset, found, record

from yolo_tf.errors import InputError
from yolo_tf.evaluation.curves import detection_curves
from yolo_tf.insight.thresholds import best_thresholds, read_thresholds, write_thresholds

A, B, ELSEWHERE = [10, 10, 60, 60], [100, 10, 160, 60], [200, 200, 260, 260]
NAMES = ("cat", "dog", "owl")


def thresholds():
    """Cats: right at .8 and .6, wrong at .3. Dogs: right at .5, wrong at .4. No owls."""
    split = dataset(record([A, B], [0, 0]), record([A], [1]), names=NAMES)
    detections = [found((A, 0.8, 0), (B, 0.6, 0), (ELSEWHERE, 0.3, 0)), found((A, 0.5, 1), (ELSEWHERE, 0.4, 1))]
    return best_thresholds(detection_curves(split, detections))


def test_each_class_has_the_middle_of_its_best_range():
    per_class = thresholds().per_class
    cat, dog, owl = (per_class[name] for name in NAMES)
    assert cat.score_threshold == pytest.approx((0.301 + 0.6) / 2, abs=6e-4)
    assert dog.score_threshold == pytest.approx((0.401 + 0.5) / 2, abs=6e-4)
    assert (cat.f1, cat.precision, cat.recall, cat.boxes) == (1.0, 1.0, 1.0, 2)
    assert (owl.f1, owl.precision, owl.recall, owl.boxes) == (None, None, None, 0)


def test_all_classes_have_the_middle_of_what_is_best_for_their_mean():
    """Both are perfect between .4 and .5; a class without boxes has the same."""
    best = thresholds()
    assert best.score_threshold == pytest.approx((0.401 + 0.5) / 2, abs=6e-4)
    assert best.per_class["owl"].score_threshold == best.score_threshold


def test_a_class_of_which_nothing_right_is_found_has_that_of_all():
    split = dataset(record([A, B], [0, 1]))
    best = best_thresholds(detection_curves(split, [found((A, 0.8, 0), (ELSEWHERE, 0.3, 1))]))
    dog = best.per_class["dog"]
    assert (dog.f1, dog.recall) == (0.0, 0.0) and dog.score_threshold == best.score_threshold > 0.3


def test_without_boxes_there_is_no_best_threshold():
    assert best_thresholds(detection_curves(dataset(record([])), [found((A, 0.8, 0))])) is None


def test_a_file_gives_the_thresholds_in_the_order_of_the_detector(tmp_path):
    best, path = thresholds(), tmp_path / "thresholds.json"
    write_thresholds(best, path, {"images": 2})
    cat, dog, owl = (best.per_class[name].score_threshold for name in NAMES)
    assert read_thresholds(path, ("owl", "cat", "dog")) == (owl, cat, dog)
    assert json.loads(path.read_text())["measured_on"] == {"images": 2}


@pytest.mark.parametrize(
    "change, message",
    [
        ({"classes": {"cat": 0.5}}, r"lacks \['dog'\]\. Expected a threshold for each of the 2 classes"),
        ({"classes": {"cat": 0.5, "dog": 0.5, "emu": 0.5}}, r"has beyond them \['emu'\]\."),
        ({"classes": {"cat": 1.5, "dog": 0.5}}, "the threshold of 'cat' is 1.5. Expected a number 0..1"),
        ({"classes": {"cat": True, "dog": 0.5}}, "the threshold of 'cat' is True"),
        ({"classes": {"cat": float("nan"), "dog": 0.5}}, "the threshold of 'cat' is nan"),
        ({"classes": [0.5, 0.5]}, "is no thresholds file"),
        ({"kind": "metrics"}, "is no thresholds file"),
    ],
)
def test_a_file_that_does_not_fit_is_one_line(change, message, tmp_path):
    path = tmp_path / "thresholds.json"
    path.write_text(json.dumps({"kind": "yolo_tf thresholds", "classes": {"cat": 0.5, "dog": 0.25}} | change))
    with pytest.raises(InputError, match=message) as caught:
        read_thresholds(path, ("cat", "dog"))
    assert "\n" not in str(caught.value) and str(caught.value).startswith(str(path))


def test_what_is_no_json_is_one_line(tmp_path):
    path = tmp_path / "thresholds.json"
    path.write_text("{\n0.5")
    with pytest.raises(InputError, match=r"thresholds.json:2: is no JSON"):
        read_thresholds(path, ("cat",))
    for text in ("[" * 100_000, "9" * 5000):
        path.write_text(text)
        with pytest.raises(InputError, match="thresholds.json: is no JSON that can be read"):
            read_thresholds(path, ("cat",))
    with pytest.raises(InputError, match="cannot be read"):
        read_thresholds(tmp_path / "none.json", ("cat",))
