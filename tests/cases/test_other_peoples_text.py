"""Rules that hold for every reader: encodings, separators, suffixes, sizes, names, what is missing."""

import json
import os

import numpy as np
import pytest
from painted_sets import coco_document, put, voc_xml, write, write_coco, yolo_set

from yolo_tf.errors import InputError
from yolo_tf.sources import read_dataset, read_source


def read(yaml_path, split="train", **options):
    return read_dataset(read_source(yaml_path), split, **options)


@pytest.fixture
def folder(tmp_path):
    """Two pictures, called a b and c, for lists of both kinds: the YAML files yolo.yaml and voc.yaml."""
    for index, name in enumerate(("a b", "c")):
        boxes = put(index, tmp_path / f"images/{name}.jpg", tmp_path / f"labels/{name}.txt")
        put(index, tmp_path / f"JPEGImages/{name}.JPG")
        write(tmp_path / f"Annotations/{name}.XML", voc_xml(boxes))
    write(tmp_path / "yolo.yaml", "train: list.txt\nnames: [thing0, thing1]\n")
    write(tmp_path / "voc.yaml", "format: voc\ntrain: list\nnames: [thing0, thing1]\n")
    return tmp_path


LISTS = {"yolo": ("list.txt", "images/a b.jpg\r\nimages\\c.jpg\r\n"), "voc": ("ImageSets/Main/list.TXT", "a b\r\nc  -1\r\n")}


@pytest.mark.parametrize("format_name", LISTS)
def test_lists_with_a_mark_with_spaces_and_of_windows(folder, format_name):
    name, text = LISTS[format_name]
    write(folder / name, text, "utf-8-sig")
    dataset = read(folder / f"{format_name}.yaml")
    assert [record.image_id for record in dataset.records] == ["a b", "c"]
    assert [record.class_ids.tolist() for record in dataset.records] == [[0, 1], [1, 0]]


@pytest.mark.parametrize("format_name", LISTS)
@pytest.mark.parametrize(("encoding", "words"), [("utf-16", "text in UTF-16"), ("cp1252", "byte 0xe9 is no text in UTF-8")])
def test_lists_in_other_encodings_are_named(folder, format_name, encoding, words):
    name, text = LISTS[format_name]
    write(folder / name, text + "café\r\n", encoding)
    with pytest.raises(InputError, match=rf"list\.(txt|TXT)(:3)?: .*{words}\. Expected UTF-8\. Save it again as UTF-8"):
        read(folder / f"{format_name}.yaml")
    write(folder / f"{format_name}.yaml", "train: list\nnames: [café, b]\n", encoding)
    with pytest.raises(InputError, match=rf"{format_name}\.yaml.*{words}"):
        read(folder / f"{format_name}.yaml")


def test_labels_and_coco_in_other_encodings_are_named(tmp_path):
    yaml_path = yolo_set(tmp_path)
    write(tmp_path / "labels/train/001.txt", "0 .5 .5 .1 .1\n", "utf-16")
    with pytest.raises(InputError, match=r"labels/train/001\.txt: is text in UTF-16"):
        read(yaml_path)
    boxes = put(1, tmp_path / "images/é.jpg")
    write_coco(tmp_path, "a", {})
    text = json.dumps(coco_document([("é.jpg", boxes)]), ensure_ascii=False)
    write(tmp_path / "a.json", text, "utf-8-sig")
    assert read(tmp_path / "a.yaml").records[0].image_id == "é"
    write(tmp_path / "a.json", text, "cp1252")
    with pytest.raises(InputError, match=r"a\.json:1: byte 0xe9 is no text in UTF-8"):
        read(tmp_path / "a.yaml")


def test_coco_file_names_with_backslashes(tmp_path):
    boxes = put(1, tmp_path / "images/deep/p 0.jpg")
    (record,) = read(write_coco(tmp_path, "a", coco_document([("deep\\p 0.jpg", boxes)]))).records
    assert record.image_id == "deep/p 0"
    np.testing.assert_array_equal(record.boxes, [box[1:] for box in boxes])


@pytest.mark.parametrize("side", [0, None, "None", -1, "96", 96.0, ""])
def test_sizes_that_are_not_known_or_written_otherwise(folder, side):
    boxes = put(1, folder / "images/p.jpg")
    document = coco_document([("p.jpg", boxes)])
    document["images"][0].update(width=side)
    assert read(write_coco(folder, "a", document)).num_boxes == 2
    write(folder / "Annotations/c.XML", voc_xml(boxes, size=(side, 96)))
    write(folder / "ImageSets/Main/list.txt", "c\n")
    assert read(folder / "voc.yaml").num_boxes == 2
    document["images"][0].update(width="97")
    with pytest.raises(InputError, match=r"image 1: height and width are 96 x 97, but .*p\.jpg is 96 x 96"):
        read(write_coco(folder, "a", document))


def test_a_name_that_is_not_utf8_is_named(tmp_path):
    yaml_path = yolo_set(tmp_path)
    name = os.fsencode(tmp_path / "images/train/caf") + b"\xe9.jpg"
    os.rename(tmp_path / "images/train/002.jpg", name)
    with pytest.raises(InputError, match=r"images/train/caf\\xe9\.jpg: its name is not in UTF-8\. Expected .* Rename") as caught:
        read(yaml_path)
    str(caught.value).encode()
    said = []
    assert len(read(yaml_path, on_bad_image=said.append).records) == 3 and "caf\\xe9.jpg" in said[0]


def test_images_that_do_not_exist_come_before_labels_that_do_not(folder):
    write(folder / "list.txt", "gone/1.jpg\ngone/2.jpg\nimages/a b.jpg\n")
    (folder / "labels/a b.txt").unlink()
    with pytest.raises(InputError, match=r"train: 2 of 3 listed images do not exist: .*gone/1\.jpg, .*gone/2\.jpg\. Expected"):
        read(folder / "yolo.yaml")
    write(folder / "ImageSets/Main/list.txt", "gone\n")
    with pytest.raises(InputError, match=r"JPEGImages/gone\.jpg: does not exist\. Expected an image"):
        read(folder / "voc.yaml")
    document = coco_document([("p.jpg", [(5, 1, 1, 2, 2)])])  # of no class
    write(folder / "a.json", json.dumps(document))
    write(folder / "a.yaml", "format: coco\ntrain: a.json\nimages: gone\n")
    with pytest.raises(InputError, match=r"images: 'gone' does not exist"):
        read(folder / "a.yaml")


def test_a_folder_in_the_place_of_a_file_is_named(folder):
    write(folder / "list.txt", "images/c.jpg\nimages/a b.jpg\nimages\n")
    with pytest.raises(InputError, match=r"images: cannot be read \(Is a directory\)\. Expected an image\. Check the path"):
        read(folder / "yolo.yaml")
    write(folder / "list.txt", "images/c.jpg\nimages/d.jpg\n")
    put(0, folder / "images/d.jpg")
    (folder / "labels/d.txt").mkdir()
    with pytest.raises(InputError, match=r"labels/d\.txt: cannot be read \(Is a directory\)\. Expected a text file"):
        read(folder / "yolo.yaml")
    write(folder / "a.yaml", "format: coco\ntrain: images\n")
    with pytest.raises(InputError, match=r"images: cannot be read \(Is a directory\)\. Expected a COCO instances file"):
        read(folder / "a.yaml")
    write(folder / "ImageSets/Main/list.txt", "d\n")
    put(0, folder / "JPEGImages/d.jpg")
    (folder / "Annotations/d.xml").mkdir()
    with pytest.raises(InputError, match=r"Annotations/d\.xml: cannot be read \(Is a directory\)\. Expected an annotation"):
        read(folder / "voc.yaml")


def test_one_picture_under_two_ids_counts_once_with_all_its_objects(tmp_path):
    pictures = [(f"p{index}.jpg", put(index, tmp_path / f"images/p{index}.jpg")) for index in range(3)]
    twice = [(name, boxes[:1]) for name, boxes in pictures] + [(f"./{name}", boxes[1:]) for name, boxes in pictures]
    dataset = read(write_coco(tmp_path, "twice", coco_document(twice)))
    assert [record.image_id for record in dataset.records] == ["p0", "p1", "p2"]
    for record, (_, boxes) in zip(dataset.records, pictures, strict=True):
        np.testing.assert_array_equal(record.boxes, [box[1:] for box in boxes])
    assert "twice.json: 3 images are listed more than once: p0.jpg, p1.jpg, p2.jpg. Each counts once" in dataset.notes[1]


def test_ids_are_unique_whatever_the_format(tmp_path):
    pictures = [(name, put(index, tmp_path / f"images/{name}")) for index, name in enumerate(("p0.jpg", "p1.jpg", "p0.png"))]
    dataset = read(write_coco(tmp_path, "suffix", coco_document(pictures)))
    assert [record.image_id for record in dataset.records] == ["p0.jpg", "p1", "p0.png"]
    assert dataset.num_boxes == 6


def test_a_list_that_says_one_image_in_two_ways(folder):
    write(folder / "list.txt", f"images/c.jpg\n../{folder.name}/images/c.jpg\n./images/c.jpg\n{folder}/images/c.jpg\n")
    dataset = read(folder / "yolo.yaml")
    assert len(dataset.records) == 1 and len(dataset.problems) == 3
