"""Data set YAMLs as other tools write them, pose labels among them."""

import numpy as np
import pytest
from painted_sets import put, write, yolo_set

from yolo_tf.errors import InputError
from yolo_tf.sources import read_dataset, read_source

POSE = "0 0.5 0.5 0.4 0.4 0.45 0.45 0.55 0.45 0.5 0.6\n"


@pytest.fixture
def roboflow(tmp_path):
    """train/images beside train/labels, and so valid; returns a function: text of data.yaml -> its source."""
    for split, count in (("train", 4), ("valid", 2)):
        for index in range(count):
            put(index, tmp_path / f"{split}/images/{index}.jpg", tmp_path / f"{split}/labels/{index}.txt")

    def source(text):
        write(tmp_path / "data.yaml", text)
        return read_source(tmp_path / "data.yaml")

    return source


TAKEN = [
    ("train: ../train/images\nval: ../valid/images\ntest: ../test/images\n\nnc: 2\nnames: ['a', 'b']\n", ""),
    ("train: train/images\nval: valid/images\nnc: '2'\nnames: [a, b]\n", ""),
    ("train: train/images\nval: valid/images\nnc: 2.0\nnames: {'0': a, '1': b}\n", ""),
    ("train: 'train/images '\nval: valid/images/\nnames: [' a', 'b ']\n", ""),
    ("train: train\\images\nval: valid\\images\nnames: [a, b]\n", ""),
    ("train: train/images\nval: valid/images\ntest: null\nnc:\nnames: [a, b]\n", ""),
    (
        "train: train/images\nval: valid/images\nnames: [a, b]\nchannels: 3\nauthor: me\ncolors: [[1, 2, 3]]\n",
        "channels, author, colors",
    ),
    (
        "train: train/images\nval: valid/images\nnames: [a, b]\nflip_idx: [1]\nroboflow: {url: x}\ndownload: x\n",
        "flip_idx, roboflow, download",
    ),
]


@pytest.mark.parametrize(("text", "ignored"), TAKEN)
def test_what_other_tools_write_is_taken_or_ignored_with_one_line(roboflow, text, ignored):
    source = roboflow(text)
    for split, count in (("train", 4), ("val", 2)):
        dataset = read_dataset(source, split)
        assert (len(dataset.records), dataset.num_boxes, dataset.class_names) == (count, 2 * count, ("a", "b"))
        assert len(dataset.notes) == 1
    assert [note.partition(" are ignored: ")[2] for note in source.notes] == ([f"{ignored}."] if ignored else [])


@pytest.mark.parametrize(("shape", "row"), [("[3, 2]", POSE), ("[2, 3]", "0 0.5 0.5 0.4 0.4 0.45 0.45 2 0 0 0\n")])
def test_keypoints_that_the_yaml_announces_are_no_part_of_the_box(tmp_path, shape, row):
    yaml_path = yolo_set(tmp_path, yaml=f"train: images/train\nkpt_shape: {shape}\nflip_idx: [1, 0, 2]\nnames: [person]\n")
    for path in (tmp_path / "labels/train").iterdir():
        path.write_text(row)
    dataset = read_dataset(read_source(yaml_path), "train")
    np.testing.assert_allclose(dataset.records[0].boxes, [[28.8, 28.8, 67.2, 67.2]], atol=1e-4)


def test_keypoints_that_nobody_announces_are_asked_about(tmp_path):
    yaml_path = yolo_set(tmp_path, yaml="train: images/train\nnames: [person]\n")
    for path in (tmp_path / "labels/train").iterdir():
        path.write_text(POSE)
    with pytest.raises(InputError, match=r"train: 4 of 4 rows of 11 columns look like a box with 3 keypoints\. .*\[3, 2\]`"):
        read_dataset(read_source(yaml_path), "train")
    write(yaml_path, "train: images/train\nkpt_shape: none\nnames: [person]\n")
    polygon = [[0.4 * 96, 0.4 * 96, 0.55 * 96, 0.6 * 96]]
    np.testing.assert_allclose(read_dataset(read_source(yaml_path), "train").records[0].boxes, polygon, atol=1e-4)
    # Polygons have as many points as they need.
    write(yaml_path, "train: images/train\nnames: [person]\n")
    (tmp_path / "labels/train/000.txt").write_text("0 .1 .1 .2 .1 .2 .2\n")
    assert read_dataset(read_source(yaml_path), "train").num_boxes == 4
    write(yaml_path, "train: images/train\nkpt_shape: [3, 4]\nnames: [person]\n")
    with pytest.raises(InputError, match=r"kpt_shape: got \[3, 4\]\. Expected \[number of keypoints, 2 or 3\]"):
        read_dataset(read_source(yaml_path), "train")


def test_predictions_as_labels_say_that_they_have_scores(tmp_path):
    yaml_path = yolo_set(tmp_path)
    path = tmp_path / "labels/train/001.txt"
    path.write_text("1 0.5 0.5 0.2 0.2 0.8731\n")
    with pytest.raises(
        InputError, match=r"001\.txt:1: 6 columns, of which the last, 0\.8731, looks like the score of a prediction"
    ):
        read_dataset(read_source(yaml_path), "train")
