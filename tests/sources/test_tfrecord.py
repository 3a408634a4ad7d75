"""Packed data: the index decides, and what does not fit it is refused."""

import shutil

import pytest
from three_images import IMAGES

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
        text.replace("[2, 0, 5.0", "[3, 0, 5.0"): r"image alpha: class id 3 is out of range",
    }
    for content, message in bad.items():
        (source.path / "shards/index.json").write_text(content)
        with pytest.raises(InputError, match=r"index\.json: " + message) as caught:
            read_dataset(source, "train")
        assert "\n" not in str(caught.value)
    (source.path / "shards/index.json").unlink()
    with pytest.raises(InputError, match=r"index\.json: does not exist. Expected the index that `yolo-tf pack` writes"):
        read_dataset(source, "train")


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
