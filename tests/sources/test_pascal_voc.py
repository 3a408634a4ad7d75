"""Pascal VOC XML."""

import numpy as np
import pytest

from yolo_tf.errors import InputError
from yolo_tf.sources import read_dataset, read_source


@pytest.fixture
def edited(written):
    """Returns a function: replace text in the XML of the first image, then read."""

    def read(old, new, yaml_text=None, **options):
        source = written("voc")
        path = source.path / "Annotations/alpha.xml"
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))
        if yaml_text:
            source.yaml_path.write_text(yaml_text)
            source = read_source(source.yaml_path)
        return read_dataset(source, "train", **options)

    return read


def test_boxes_are_counted_from_one_and_include_the_last_pixel(edited):
    # Pixels 1..64 across: the whole width of 64.
    dataset = edited("<xmin>6</xmin><ymin>8</ymin><xmax>21</xmax>", "<xmin>1</xmin><ymin>8.0</ymin><xmax>64</xmax>")
    np.testing.assert_array_equal(dataset.records[0].boxes[0], [0, 7, 64, 38])


def test_a_set_counted_from_zero_is_within_the_tolerance(edited):
    dataset = edited("<xmin>6</xmin>", "<xmin>0</xmin>")
    np.testing.assert_array_equal(dataset.records[0].boxes[0], [0, 7, 21, 38])


def test_names_are_found_in_all_splits_when_the_yaml_has_none(edited):
    dataset = edited("<annotation>", "<annotation>", "format: voc\ntrain: train\n")
    assert dataset.class_names == ("bird", "cat", "dog")
    assert [record.class_ids.tolist() for record in dataset.records] == [[0, 1], [], [2]]


def test_parts_of_an_object_are_no_objects(edited):
    part = "<part><name>head</name><bndbox><xmin>7</xmin><ymin>9</ymin><xmax>9</xmax><ymax>12</ymax></bndbox></part></object>"
    dataset = edited("</object>", part, "format: voc\ntrain: train\n")
    assert dataset.class_names == ("bird", "cat", "dog")
    np.testing.assert_array_equal(dataset.records[0].boxes[0], [5, 7, 21, 38])


def test_a_size_of_zero_means_not_known(edited):
    assert edited("<height>40</height>", "<height>0</height>").records[0].height == 40


BAD = [
    ("<name>bird</name>", "<name>brid</name>", r"class 'brid' is not among \['cat', 'dog', 'bird'\]"),
    ("<xmax>21</xmax>", "<xmax>6</xmax>", r"bndbox \{'xmin': '6', .*\} has no area\. Expected xmin < xmax and ymin < ymax"),
    ("<xmax>21</xmax>", "<xmax>x</xmax>", r"bndbox \{.*'xmax': 'x'.*\} is not four numbers"),
    ("<xmax>21</xmax>", "", r"bndbox \{.*'xmax': ''.*\} is not four numbers"),
    ("<xmax>21</xmax>", "<xmax>nan</xmax>", r"not finite"),
    ("<xmax>21</xmax>", "<xmax>70</xmax>", r"reaches outside the image\. Expected 0\.\.64 across"),
]


@pytest.mark.parametrize(("old", "new", "message"), BAD)
def test_bad_objects_name_file_and_line(edited, old, new, message):
    with pytest.raises(InputError, match=r"Annotations/alpha\.xml:3: .*" + message):
        edited(old, new)
    dataset = edited(old, new, strict=False)
    assert dataset.num_boxes == 2 and len(dataset.problems) == 1
    assert "alpha.xml:3: " in dataset.problems[0]


BROKEN = [
    (
        "<annotation>",
        "<?xml version='1.0' encoding='x'?><annotation>",
        r"alpha\.xml:1: is not well formed \(unknown encoding: x\)",
    ),
    ("<annotation>", "<?xml version='1.0' encoding='gbk'?><annotation>", r"alpha\.xml:1: is not well formed \(multi-byte"),
    ("</annotation>", "", r"alpha\.xml:\d+: is not well formed \(no element found\)"),
    ("<annotation>", "<!DOCTYPE a [<!ENTITY b 'c'>]><annotation>", r"alpha\.xml:1: has a document type\. Expected a plain"),
    ("<height>40</height>", "<height>64</height>", r"height and width are 64 x 64, but .*alpha\.png is 40 x 64"),
]


@pytest.mark.parametrize(("old", "new", "message"), BROKEN)
def test_broken_files_stop_even_lenient_reading(edited, old, new, message):
    with pytest.raises(InputError, match=message):
        edited(old, new, strict=False)


def test_missing_files(written):
    source = written("voc")
    (source.path / "Annotations/beta.xml").unlink()
    with pytest.raises(InputError, match=r"beta\.xml: does not exist\. Expected the annotation of a listed image"):
        read_dataset(source, "train")
    source = written("voc")
    (source.path / "JPEGImages/beta.png").unlink()
    with pytest.raises(InputError, match=r"JPEGImages/beta\.jpg: does not exist\. Expected an image"):
        read_dataset(source, "train")
    (source.path / "ImageSets/Main/train.txt").unlink()
    with pytest.raises(InputError, match=r"train: 'ImageSets/Main/train\.txt' does not exist"):
        read_dataset(source, "train")


def test_an_image_listed_twice_counts_once(written):
    source = written("voc")
    with (source.path / "ImageSets/Main/train.txt").open("a") as file:
        file.write("alpha  1\n")
    dataset = read_dataset(source, "train")
    assert [record.image_id for record in dataset.records] == ["alpha", "beta", "gamma"]
    assert dataset.problems == ("alpha: is listed twice in the train split. Expected each image once. Remove one.",)
