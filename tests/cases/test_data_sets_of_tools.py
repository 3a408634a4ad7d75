"""Data sets as labelling tools write them: folders without lists, flags in words, lists of another place, accents apart."""

import json
import os
import unicodedata

import numpy as np
import pytest
from painted_sets import coco_document, put, voc_xml, write, write_coco, yolo_set

from yolo_tf.errors import InputError
from yolo_tf.sources import read_dataset, read_source


def read(yaml_path, split="train", **options):
    return read_dataset(read_source(yaml_path), split, **options)


def voc_yaml(root, split=".", names=""):
    write(root / "data.yaml", f"format: voc\ntrain: {split}\n{names}")
    return root / "data.yaml"


def test_xml_of_another_format_is_no_image_without_objects(tmp_path):
    put(1, tmp_path / "a.jpg")
    for root in ("annotations", "VOC"):
        write(tmp_path / "a.xml", f"<?xml version='1.0'?>\n<{root}><object><name>car</name></object></{root}>\n")
        with pytest.raises(InputError, match=rf"a\.xml: is an XML file of <{root}>\. Expected <annotation>, as"):
            read(voc_yaml(tmp_path, names="names: [thing0]\n"))


@pytest.mark.parametrize(("value", "crowd"), [("1", True), (True, True), (1.0, True), ("1.0", True), ("0", False), (None, False)])
def test_crowds_in_the_words_of_any_tool(tmp_path, value, crowd):
    boxes = put(1, tmp_path / "images/p.jpg")
    document = coco_document([("p.jpg", boxes)])
    document["annotations"][0]["iscrowd"] = value
    assert read(write_coco(tmp_path, "a", document)).records[0].is_crowd.tolist() == [crowd, False]
    difficult = f"<object><difficult>{'' if value is None else value}</difficult>"
    write(tmp_path / "images/p.xml", voc_xml(boxes).replace("<object>", difficult, 1))
    assert read(voc_yaml(tmp_path, "images")).records[0].is_crowd.tolist() == [crowd, False]


def test_a_crowd_that_is_neither_yes_nor_no_is_a_bad_label(tmp_path):
    boxes = put(1, tmp_path / "images/p.jpg")
    document = coco_document([("p.jpg", boxes)])
    document["annotations"][0]["iscrowd"] = "maybe"
    yaml_path = write_coco(tmp_path, "a", document)
    with pytest.raises(InputError, match=r"annotation 1: iscrowd 'maybe' is neither yes nor no\. Expected 1 or 0\."):
        read(yaml_path)
    assert read(yaml_path, strict=False).num_boxes == 1
    write(tmp_path / "images/p.xml", voc_xml(boxes).replace("<object>", "<object><difficult>2</difficult>", 1))
    with pytest.raises(InputError, match=r"p\.xml:1: difficult '2' is neither yes nor no\. Expected 1 or 0\."):
        read(voc_yaml(tmp_path, "images"))


@pytest.mark.parametrize(
    ("split", "images", "labels"),
    [
        (".", "JPEGImages", "Annotations"),
        (".", "images", "annotations"),
        ("images", "images/deep", "annotations/deep"),
        ("train", "train", "train"),
        ("train", "train/JPEGImages", "train/Annotations"),
    ],
)
def test_voc_folders_without_lists(tmp_path, split, images, labels):
    for index in range(3):
        boxes = put(index, tmp_path / images / f"p{index}.jpg")
        write(tmp_path / labels / f"p{index}.xml", voc_xml(boxes))
    put(7, tmp_path / images / "bare.png", kind="PNG")
    write(tmp_path / labels / "gone.xml", voc_xml([]))
    dataset = read(voc_yaml(tmp_path, split))
    assert [record.image_id for record in dataset.records] == ["bare", "p0", "p1", "p2"]
    assert dataset.class_names == ("thing0", "thing1")
    np.testing.assert_array_equal(dataset.records[-1].boxes, [box[1:] for box in boxes])
    assert dataset.notes[0] == "train: 4 images (3 with labels, 0 empty, 1 without a label file), 6 boxes"
    assert "train: 1 label files have no image in " in dataset.notes[1] and "gone.xml" in dataset.notes[1]
    assert len(dataset.notes) == 2


def test_voc_folders_that_are_none_say_what_to_write(tmp_path):
    put(1, tmp_path / "JPEGImages/a.jpg")
    with pytest.raises(InputError, match=r"train: 'ImageSets/Main/trian\.txt' does not exist.* or name a folder of images"):
        read(voc_yaml(tmp_path, "trian"))
    with pytest.raises(InputError, match=r"train: not one of 1 images in .* has an XML file\. Expected .*Annotations/a\.xml"):
        read(voc_yaml(tmp_path))


def test_lists_as_cvat_writes_them(tmp_path):
    for index in range(3):
        boxes = put(index, tmp_path / f"obj_train_data/p{index}.jpg", tmp_path / f"obj_train_data/p{index}.txt")
    write(tmp_path / "train.txt", "".join(f"data/obj_train_data/p{index}.jpg\n" for index in range(3)))
    write(tmp_path / "data.yaml", "train: train.txt\nnames: [thing0, thing1]\n")
    dataset = read(tmp_path / "data.yaml")
    assert (len(dataset.records), dataset.num_boxes) == (3, 6)
    np.testing.assert_allclose(dataset.records[-1].boxes, [box[1:] for box in boxes], atol=1e-3)
    assert "train.txt: 3 paths are found by their ends alone, data/obj_train_data/p0.jpg as " in dataset.notes[1]


def test_coco_as_roboflow_writes_it(tmp_path):
    boxes = put(1, tmp_path / "train/p.jpg")
    write(tmp_path / "train/_annotations.coco.json", json.dumps(coco_document([("p.jpg", boxes)])))
    write(tmp_path / "data.yaml", "format: coco\ntrain: train/_annotations.coco.json\n")
    assert read(tmp_path / "data.yaml").num_boxes == 2
    (tmp_path / "train/p.jpg").unlink()
    with pytest.raises(InputError, match=r"images: is not given, and none of 1 images \(p\.jpg\) is in .* Add `images: DIR"):
        read(tmp_path / "data.yaml")


@pytest.mark.parametrize("name", [None, 7, "", "a\0b.jpg", ["p.jpg"]])
def test_coco_file_names_that_are_none(tmp_path, name):
    document = coco_document([("p.jpg", put(1, tmp_path / "images/p.jpg"))])
    document["images"][0]["file_name"] = name
    with pytest.raises(InputError, match=r"a\.json: images: file_name .* of image 1 is no name of a file\. Expected") as told:
        read(write_coco(tmp_path, "a", document))
    assert "\0" not in str(told.value)


@pytest.mark.parametrize("on_disk", ["NFC", "NFD"])
def test_accents_apart_from_their_letters(tmp_path, on_disk):
    """As an archive of macOS has them on Linux: the labels say one, the disk has the other."""
    name, written = (unicodedata.normalize(form, "ü\u00e9") for form in (on_disk, "NFC" if on_disk == "NFD" else "NFD"))
    boxes = put(1, tmp_path / f"images/{name}.jpg", tmp_path / f"labels/{written}.txt")
    write(tmp_path / "list.txt", f"images/{written}.jpg\n")
    for split in ("images", "list.txt"):
        write(tmp_path / "data.yaml", f"train: {split}\nnames: [thing0, thing1]\n")
        dataset = read(tmp_path / "data.yaml")
        assert dataset.num_boxes == 2 and len(dataset.notes) == 1  # no label without an image either
    assert read(write_coco(tmp_path, "a", coco_document([(f"{written}.jpg", boxes)]))).num_boxes == 2
    put(1, tmp_path / f"JPEGImages/{name}.jpg")
    write(tmp_path / f"Annotations/{name}.xml", voc_xml(boxes))
    write(tmp_path / "ImageSets/Main/list.txt", f"{written}\n")
    assert read(voc_yaml(tmp_path, "list")).num_boxes == 2


def test_one_picture_under_two_paths_counts_once(tmp_path):
    """Through linked folders and files, and by way of the folder above."""
    yaml_path = yolo_set(tmp_path, (("train", 2),))
    os.symlink("images", tmp_path / "link")
    os.symlink("../images/train/000.jpg", tmp_path / "labels/copy.jpg")
    lines = "images/train/000.jpg\nlink/train/000.jpg\nimages/../images/train/000.jpg\nlabels/copy.jpg\nimages/train/001.jpg\n"
    write(tmp_path / "list.txt", lines)
    write(yaml_path, "train: list.txt\nnames: [thing0, thing1]\n")
    dataset = read(yaml_path)
    assert [record.image_id for record in dataset.records] == ["000", "001"] and dataset.num_boxes == 4
    assert len(dataset.problems) == 3 and "link/train/000.jpg: is listed twice in the train split" in dataset.problems[0]
    (_, one), (_, two) = (("", [(0, 1, 1, 9, 9)]), ("", [(1, 20, 20, 40, 40)]))
    document = coco_document([("images/train/000.jpg", one), ("link/../images/train/000.jpg", two)])
    write(tmp_path / "a.json", json.dumps(document))
    write(tmp_path / "a.yaml", "format: coco\ntrain: a.json\n")
    dataset = read(tmp_path / "a.yaml")
    assert len(dataset.records) == 1 and dataset.num_boxes == 2 and "1 images are listed more than once" in dataset.notes[1]
