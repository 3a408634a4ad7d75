"""Packed data: the index decides, and what does not fit it is refused."""

import dataclasses
import json
import shutil

import pytest
from three_images import IMAGES

from yolo_tf.commands.arguments import evaluate_with_progress
from yolo_tf.data.image_scan import check_images
from yolo_tf.data.images import read_record_image
from yolo_tf.errors import InputError
from yolo_tf.sources import read_dataset, read_source


def test_images_are_places_in_two_shards(written):
    dataset = read_dataset(written("tfrecord"), "train")
    assert [record.path.rsplit("/", 1)[1] for record in dataset.records] == ["00000.tfrecord"] + ["00001.tfrecord"] * 2
    offsets = [record.byte_offset for record in dataset.records]
    assert offsets[:2] == [0, 0] and offsets[2] > 16
    assert [record.image_id for record in dataset.records] == [name for name, _, _ in IMAGES]


def test_a_split_of_two_directories(written):
    source = written("tfrecord")
    shutil.copytree(source.path / "shards", source.path / "more")
    source.yaml_path.write_text("format: tfrecord\ntrain: [shards, more, shards]\n")
    dataset = read_dataset(read_source(source.yaml_path), "train")
    assert [record.image_id for record in dataset.records] == ["alpha", "beta", "gamma", "alpha-2", "beta-2", "gamma-2"]
    assert len(dataset.problems) == 3 and "(image alpha): is listed twice in the train split" in dataset.problems[0]


def test_bad_indexes_are_one_clear_line(written):
    source = written("tfrecord")
    text = (source.path / "shards/index.json").read_text()
    bad = {
        "{": r"is no index of packed data .* Pack the data again",
        "[1]": r"is no index of packed data",
        "{}": r"is no index of packed data \('index_version'\)",
        text.replace('"index_version": 1', '"index_version": 2'): r"is of version 2\. Expected 1\. Read it with the version",
        text.replace("[2, 0, 5.0", "[3, 0, 5.0"): r"image alpha, object 0: class id 3 is out of range",
    }
    for content, message in bad.items():
        (source.path / "shards/index.json").write_text(content)
        with pytest.raises(InputError, match=r"index\.json: " + message) as caught:
            read_dataset(source, "train")
        assert "\n" not in str(caught.value)
    (source.path / "shards/index.json").unlink()
    with pytest.raises(InputError, match=r"index\.json: does not exist. Expected the index that `yolo-tf pack` writes"):
        read_dataset(source, "train")


# place in the index, its value there -> what is said
WRONG = [
    (("class_names",), "cat", r"class_names: cat are no names, each once"),
    (("class_names",), ["cat", "cat", "dog"], r"are no names, each once"),
    (("class_names", 0), 7, r"are no names, each once"),
    (("shards",), {}, r"shards: \{\} are no names and bytes of files beside it"),
    (("shards", 0), "00000.tfrecord", r"shards: .* are no names and bytes"),
    (("shards", 0, "name"), "../00000.tfrecord", r"shards: .* are no names and bytes"),
    (("shards", 0, "bytes"), "7", r"shards: .* are no names and bytes"),
    (("images",), None, r"images: None is no list"),
    (("images", 1), [], r"images: entry 1: \[\] is no mapping"),
    (("images", 0, "id"), 5, r"entry 0: id 5 is no text"),
    (("images", 0, "shard"), -1, r"shard -1 is none of 2"),
    (("images", 0, "shard"), True, r"shard True is none of 2"),
    (("images", 0, "shard"), 2, r"shard 2 is none of 2"),
    (("images", 0, "offset"), 1.0, r"offset 1\.0 is not in a shard of \d+ bytes"),
    (("images", 0, "offset"), 10**9, r"offset 1000000000 is not in a shard of \d+ bytes"),
    (("images", 0, "height"), "40", r"height and width '40' x 64 are no size of an image"),
    (("images", 0, "width"), 0, r"height and width 40 x 0 are no size of an image"),
    (("images", 0, "width"), 10**8, r"are no size of an image"),
    (("images", 0, "orientation"), 9, r"orientation 9 is not in 1\.\.8"),
    (("images", 0, "orientation"), "6", r"orientation '6' is not in 1\.\.8"),
    (("images", 0, "labels"), {}, r"labels: \{\} is no list"),
    (("images", 0, "labels", 0, 0), "2", r"entry 0: label \['2', 0, .*\] is not class id, crowd 0 or 1 and four numbers"),
    (("images", 0, "labels", 0, 0), 1.0, r"label \[1\.0, .* is not class id"),
    (("images", 0, "labels", 0, 1), 2, r"is not class id, crowd 0 or 1"),
    (("images", 0, "labels", 0, 2), None, r"is not class id, crowd 0 or 1 and four numbers"),
    (("images", 0, "labels", 0), [1, 0, 1, 2, 3], r"is not class id, crowd 0 or 1 and four numbers"),
    (("images", 0, "labels", 0), None, r"images: entry 0: label None is not class id"),
]


@pytest.mark.parametrize(("place", "value", "message"), WRONG)
def test_values_of_the_wrong_kind_are_one_line(written, place, value, message):
    source = written("tfrecord")
    path = source.path / "shards/index.json"
    index = json.loads(path.read_text())
    *outer, last = place
    inner = index
    for key in outer:
        inner = inner[key]
    inner[last] = value
    path.write_text(json.dumps(index))
    with pytest.raises(InputError, match=r"index\.json: is no index of packed data \(.*" + message) as caught:
        read_dataset(source, "train")
    assert str(caught.value).endswith("Expected the index that `yolo-tf pack` writes. Pack the data again.")


def test_a_flipped_bit_in_a_shard_is_told_with_its_place(written):
    """By training and evaluation, which look at all images at once, and where one is read alone."""
    source = written("tfrecord")
    dataset = read_dataset(source, "train")
    record = dataset.records[2]  # the second of its shard
    content = bytearray((source.path / "shards/00001.tfrecord").read_bytes())
    content[record.byte_offset + 200] ^= 4
    (source.path / "shards/00001.tfrecord").write_bytes(content)
    place = record.byte_offset + 12  # behind the length and its own check sum
    said = rf"00001\.tfrecord \(image gamma\): is damaged at byte {place}: its check sum does not fit\. Expected"
    with pytest.raises(InputError, match=said):
        check_images(dataset)
    with pytest.raises(InputError, match=said):
        read_record_image(record)
    with pytest.raises(InputError, match=said):
        evaluate_with_progress(lambda images: None, dataclasses.replace(dataset, records=(record,)), image_size=(64, 64))


def test_a_shard_that_is_cut_short_or_gone_is_named(written):
    source = written("tfrecord")
    shard = source.path / "shards/00001.tfrecord"
    whole = shard.read_bytes()
    shard.write_bytes(whole[:-7])
    with pytest.raises(InputError, match=rf"00001\.tfrecord: has {len(whole) - 7} bytes\. Expected {len(whole)} bytes\. Copy"):
        read_dataset(source, "train")
    shard.unlink()
    with pytest.raises(InputError, match=r"00001\.tfrecord: does not exist\. Expected \d+ bytes\. Copy the shard again"):
        read_dataset(source, "train")


def test_other_names_in_the_yaml_are_refused(written):
    source = written("tfrecord")
    source.yaml_path.write_text("format: tfrecord\ntrain: shards\nnames: [dog, cat, bird]\n")
    message = r"the classes are \['cat', 'dog', 'bird'\]\. Expected \['dog', .* Pack them with the same"
    with pytest.raises(InputError, match=message):
        read_dataset(read_source(source.yaml_path), "train")
