"""Good labels become arrays, bad ones stop the reading or are counted."""

import dataclasses

import numpy as np
import pytest

from yolo_tf.errors import InputError
from yolo_tf.sources.label_check import Problems, RawLabel, distinct_records, listed_once, make_record

SIZE = (30, 50)  # height, width


def record_of(*labels, strict=True):
    problems = Problems(strict=strict)
    record = make_record("a", "a.png", SIZE, labels, class_names=("RBC", "WBC", "Platelets"), problems=problems)
    return record, problems.lines


BAD = [
    (3, (1, 2, 11, 12), r"class id 3 is out of range\. Expected 0\.\.2 for \['RBC', 'WBC', 'Platelets'\]\. Correct the label"),
    (-1, (1, 2, 11, 12), r"class id -1 is out of range"),
    (0, (1, float("nan"), 11, 12), r"box \(1, nan, 11, 12\) px is not finite\. Expected four numbers"),
    (0, (1, 2, float("inf"), 12), r"is not finite"),
    (0, (11, 2, 11, 12), r"box \(11, 2, 11, 12\) px has no area\. Expected x1 < x2 and y1 < y2"),
    (0, (1, 12, 11, 2), r"has no area"),
    (0, (1, 2, 1.001, 12), r"has no area"),
    (0, (1, 2, 51.5, 12), r"box \(1, 2, 51\.5, 12\) px reaches outside the image\. Expected 0\.\.50 across and 0\.\.30 down"),
    (0, (-1.5, 2, 11, 12), r"reaches outside"),
    (0, (1, 2, 11, 31.5), r"reaches outside"),
    (0, (50, 2, 50.9, 12), r"reaches outside"),  # within rounding of the edge, but nothing of it is inside
]


@pytest.mark.parametrize(("class_id", "box", "message"), BAD)
def test_a_bad_label_stops_strict_reading_with_file_and_line(class_id, box, message):
    with pytest.raises(InputError, match=r"^labels/7\.txt:3: .*" + message) as caught:
        record_of(RawLabel("labels/7.txt:3", class_id, box))
    assert "data.strict_labels=false" in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(("class_id", "box", "message"), BAD)
def test_a_bad_label_is_left_out_and_counted_when_lenient(class_id, box, message):
    good = RawLabel("labels/7.txt:1", 1, (4, 5, 6, 8))
    record, lines = record_of(good, RawLabel("labels/7.txt:3", class_id, box), strict=False)
    np.testing.assert_array_equal(record.boxes, [[4, 5, 6, 8]])
    assert len(lines) == 1 and lines[0].startswith("labels/7.txt:3: ")


def test_rounding_over_the_edge_is_clipped_without_a_word():
    record, lines = record_of(RawLabel("x:1", 2, (-0.9, -1, 50.5, 31)))
    np.testing.assert_array_equal(record.boxes, [[0, 0, 50, 30]])
    assert lines == []


def test_tolerance_of_a_large_image_is_a_thousandth():
    problems = Problems(strict=True)
    label = RawLabel("x:1", 0, (-3.5, 0, 10, 10))
    record = make_record("a", "a.png", (3000, 4000), [label], class_names=("a",), problems=problems)
    np.testing.assert_array_equal(record.boxes, [[0, 0, 10, 10]])


def test_a_repeated_label_is_left_out_and_listed_even_when_strict():
    label = RawLabel("x:1", 2, (1, 2, 11, 12))
    other_class = label._replace(where="x:2", class_id=0)
    record, lines = record_of(label, other_class, label._replace(where="x:3"))
    assert record.class_ids.tolist() == [2, 0]
    assert len(lines) == 1 and lines[0].startswith("x:3: repeats an earlier label of a.png")


def test_no_labels_give_empty_arrays():
    record, _ = record_of()
    assert (record.boxes.shape, record.class_ids.shape, record.is_crowd.shape) == ((0, 4), (0,), (0,))


def test_many_class_names_are_counted_not_listed():
    label = RawLabel("x:1", 80, (1, 2, 3, 4))
    with pytest.raises(InputError, match=r"Expected 0\.\.79 for 80 names\."):
        make_record("a", "a.png", SIZE, [label], class_names=("n",) * 80, problems=Problems(strict=True))


def test_listed_once():
    problems = Problems(strict=True)
    assert listed_once(["b", "a", "b"], "val", problems) == ["b", "a"]
    assert problems.lines == ["b: is listed twice in the val split. Expected each image once. Remove one."]


def record_at(path, image_id, byte_offset=None):
    record = make_record(image_id, path, (30, 50), [], class_names=["a"], problems=Problems(strict=True))
    return dataclasses.replace(record, byte_offset=byte_offset)


def test_images_and_ids_are_distinct():
    problems = Problems(strict=True)
    records = [record_at("x/a.jpg", "a"), record_at("x/a.png", "a"), record_at("y/a.png", "a"), record_at("y/a.png-2", "a.png-2")]
    found = distinct_records([*records, records[0]], "val", problems)
    assert [record.image_id for record in found] == ["a.jpg", "a.png", "a.png-3", "a.png-2"]
    assert [record.path for record in found] == [record.path for record in records]
    assert problems.lines == ["x/a.jpg (image a): is listed twice in the val split. Expected each image once. Remove one."]
    packed = [record_at("s.tfrecord", "a", 0), record_at("s.tfrecord", "a", 90), record_at("t.tfrecord", "b", 0)]
    assert [record.image_id for record in distinct_records(packed, "val", problems)] == ["a", "a-2", "b"]
