"""COCO instances JSON."""

import json

import numpy as np
import pytest

from yolo_tf.errors import InputError
from yolo_tf.sources import read_dataset, read_source


@pytest.fixture
def edited(written):
    """Returns a function: change the JSON document, then read."""

    def read(change, yaml_text=None, **options):
        source = written("coco")
        path = source.path / "instances.json"
        document = json.loads(path.read_text())
        change(document)
        path.write_text(json.dumps(document))
        if yaml_text:
            source.yaml_path.write_text(yaml_text)
            source = read_source(source.yaml_path)
        return read_dataset(source, "train", **options)

    return read


def test_names_of_the_yaml_set_the_order(edited):
    dataset = edited(lambda _: None, "format: coco\ntrain: instances.json\nimages: pictures\nnames: [bird, extra, dog, cat]\n")
    assert dataset.class_names == ("bird", "extra", "dog", "cat")
    assert [record.class_ids.tolist() for record in dataset.records] == [[0, 3], [], [2]]


def test_an_unused_category_may_be_missing_from_names(edited):
    def add_category(document):
        document["categories"].append({"id": 0, "name": "animals"})

    dataset = edited(add_category, "format: coco\ntrain: instances.json\nimages: pictures\nnames: [cat, dog, bird]\n")
    assert dataset.class_names == ("cat", "dog", "bird")


def test_ids_may_be_text_in_part(edited):
    def rename(document):
        document["categories"][0]["id"] = document["annotations"][0]["category_id"] = "90"

    dataset = edited(rename)
    assert dataset.class_names == ("cat", "dog", "bird") and dataset.num_boxes == 3


def set_first(**values):
    return lambda document: document["annotations"][0].update(values)


BAD = [
    (set_first(image_id=5), r"image_id 5 is not among the images"),
    (set_first(category_id=4), r"category_id 4 is not among the categories\. Expected one of \[3, 17, 90\]"),
    (set_first(image_id=[5]), r"image_id \[5\] is not among the images"),
    (set_first(category_id={}), r"category_id \{\} is not among the categories"),
    (set_first(bbox=[1, 2, 3]), r"bbox \[1, 2, 3\] is not four numbers\. Expected \[x, y, width, height\]"),
    (set_first(bbox=[1, 2, "3", 4]), r"bbox \[1, 2, '3', 4\] is not four numbers"),
    (set_first(bbox=None), r"bbox None is not four numbers"),
    (set_first(bbox=[10**400, 2, 3, 4]), r"bbox \[10+, 2, 3, 4\] is not four numbers"),
    (set_first(bbox=[1, 2, 0, 4]), r"box \(1, 2, 1, 6\) px has no area"),
    (set_first(bbox=[1, 2, float("nan"), 4]), r"not finite"),
    (set_first(bbox=[60, 2, 20, 4]), r"reaches outside the image"),
]


@pytest.mark.parametrize(("change", "message"), BAD)
def test_bad_annotations_name_their_id(edited, change, message):
    with pytest.raises(InputError, match=r"instances\.json: annotation 500: .*" + message):
        edited(change)


def test_bad_annotations_are_left_out_when_lenient(edited):
    dataset = edited(set_first(bbox=[1, 2, 0, 4]), strict=False)
    assert dataset.num_boxes == 2 and len(dataset.problems) == 1
    np.testing.assert_array_equal(dataset.records[0].boxes, [[30, 2, 64, 17]])


def test_a_category_that_is_not_in_names(edited):
    with pytest.raises(InputError, match=r"annotation 500: category 'bird' is not among \['cat', 'dog'\]\. Expected one"):
        edited(lambda _: None, "format: coco\ntrain: instances.json\nimages: pictures\nnames: [cat, dog]\n")


BROKEN = [
    (lambda document: document.pop("images"), r"no list 'images' of entries with id and file_name"),
    (lambda document: document.update(annotations=3), r"no list 'annotations'\. Expected a COCO instances file"),
    (lambda document: document["categories"][0].pop("name"), r"no list 'categories' of entries with id and name"),
    (lambda document: document["images"][1].update(id=70), r"images: ids repeat"),
    (lambda document: document["images"][1].update(id=None), r"images: id None is no number\. Expected each entry to have one"),
    (lambda document: document["categories"][1].update(id=[3]), r"categories: id \[3\] is no number"),
    (lambda document: document["categories"][1].update(name="bird"), r"categories: names repeat"),
    (
        lambda document: document["images"][0].update(height=64, width=40),
        r"height and width are 64 x 40, but .*alpha\.png is 40 x 64",
    ),
    (lambda document: document["images"][0].update(file_name="no.png"), r"no\.png: does not exist"),
]


@pytest.mark.parametrize(("change", "message"), BROKEN)
def test_broken_files_stop_even_lenient_reading(edited, change, message):
    with pytest.raises(InputError, match=message):
        edited(change, strict=False)


def test_what_is_no_json(written):
    source = written("coco")
    (source.path / "instances.json").write_text("{")
    with pytest.raises(InputError, match=r"instances\.json: is not valid JSON .* Expected a COCO instances file"):
        read_dataset(source, "train")


def test_yaml_errors(edited):
    def unchanged(document):
        return document

    with pytest.raises(InputError, match=r"images: no line for train\.(?: Did you mean 'trian'\?)? Expected train: DIRECTORY"):
        edited(unchanged, "format: coco\ntrain: instances.json\nimages: {trian: pictures}\n")
    with pytest.raises(InputError, match=r"images: 'photos' does not exist"):
        edited(unchanged, "format: coco\ntrain: instances.json\nimages: photos\n")
    with pytest.raises(InputError, match=r"train: 2 files\. Expected one COCO JSON file per split"):
        edited(unchanged, "format: coco\ntrain: [instances.json, b.json]\n")
