"""What is converted holds the same images and boxes as before, from every format into every other."""

import json
import os
import shutil

import numpy as np
import pytest
from planted_sets import clean_yolo
from three_images import CROWD_IMAGES, IMAGES, WRITERS

from yolo_tf import cli
from yolo_tf.doctor.layout import FORMATS, check_new, reserved
from yolo_tf.errors import InputError
from yolo_tf.sources import read_dataset, read_source


def content_of(dataset, crowds=True):
    """Returns {sorted boxes with class names and sizes}, whatever the images are called."""
    return sorted(
        (
            record.height,
            record.width,
            sorted(
                (dataset.class_names[class_id], bool(crowd), *np.round(box, 3).tolist())
                for class_id, crowd, box in zip(record.class_ids, record.is_crowd, record.boxes, strict=True)
                if crowds or not crowd
            ),
        )
        for record in dataset.records
    )


@pytest.mark.parametrize("target", FORMATS)
@pytest.mark.parametrize("source_format", WRITERS)
def test_boxes_are_the_same_in_every_format(tmp_path, source_format, target):
    crowds = source_format not in ("yolo", "tfrecord")
    (tmp_path / "data.yaml").write_text(WRITERS[source_format](tmp_path, CROWD_IMAGES if crowds else IMAGES))
    out = tmp_path / "out"
    assert cli.main(["convert", str(tmp_path / "data.yaml"), "--to", target, "--out", str(out)]) == 0
    before = read_dataset(read_source(tmp_path / "data.yaml"), "train")
    after = read_dataset(read_source(out / "data.yaml"), "train")
    assert content_of(after) == content_of(before, crowds=target != "yolo")
    assert set(after.class_names) == set(before.class_names)


def test_images_are_links_and_what_a_format_cannot_hold_is_counted(tmp_path, capsys):
    (tmp_path / "data.yaml").write_text(WRITERS["coco"](tmp_path, CROWD_IMAGES))
    out = tmp_path / "out"
    words = ["convert", str(tmp_path / "data.yaml"), "--to", "yolo", "--out", str(out), "--json", str(tmp_path / "r.json")]
    assert cli.main(words) == 0
    assert os.readlink(out / "images/train/alpha.png") == str(tmp_path / "pictures/alpha.png")
    assert "train: 3 images, 2 boxes, 1 boxes left out" in capsys.readouterr().out
    assert json.loads((tmp_path / "r.json").read_text())["left_out"] == {"train": 1}
    assert cli.main(words) == 2
    assert "out: is there already. Expected a new directory" in capsys.readouterr().err


def test_names_that_no_list_can_hold_are_written_as_others(tmp_path):
    yaml_path = clean_yolo(tmp_path)
    for number, name in enumerate([" before", "after ", "two\nlines", "two lines"]):
        for folder, suffix in (("images", ".jpg"), ("labels", ".txt")):
            (tmp_path / f"{folder}/train/train{number}{suffix}").rename(tmp_path / f"{folder}/train/{name}{suffix}")
    out = tmp_path / "out"
    assert cli.main(["convert", str(yaml_path), "--to", "voc", "--out", str(out)]) == 0
    before, after = (read_dataset(read_source(place), "train") for place in (yaml_path, out / "data.yaml"))
    assert content_of(after) == content_of(before)
    assert {"before", "after", "two lines", "two lines-2"} <= {record.image_id for record in after.records}


def test_a_directory_is_reserved_and_absent_after_a_failure(tmp_path):
    with pytest.raises(ZeroDivisionError), reserved(tmp_path / "new", "out") as root:
        assert (tmp_path / "new").is_dir()
        (root / "half.txt").write_text("half")
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []
    with reserved(tmp_path / "new", "out") as root, pytest.raises(InputError) as caught:
        check_new(tmp_path / "new", "out")  # as after a kill
    assert f"Change `out`, or, where no other run is at work, remove it and {root.parent}, as one" in str(caught.value)
    shutil.rmtree(tmp_path / "new")
    with reserved(tmp_path / "new", "out") as root:
        (root / "whole.txt").write_text("whole")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["whole.txt"]
    with pytest.raises(InputError, match="is there already"), reserved(tmp_path / "new", "out"):
        pass


@pytest.mark.parametrize("words", [["convert", "--to", "coco", "--out"], ["check-data", "--fix"]])
def test_no_copy_lies_among_the_images_that_it_is_of(tmp_path, capsys, words):
    yaml_path, inside = clean_yolo(tmp_path), tmp_path / "images/train/copy"
    verb, *options = words
    assert cli.main([verb, str(yaml_path), *options, str(inside)]) == 2
    assert f"{inside}: lies in {tmp_path / 'images/train'}, where all images are of the train split." in capsys.readouterr().err
    assert not inside.exists()
    assert cli.main([verb, str(yaml_path), *options, str(tmp_path / "copy")]) == 0
