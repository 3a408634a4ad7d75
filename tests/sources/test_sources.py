"""Every format says the same about the same images; splits, class filter, problems."""

from pathlib import Path

import numpy as np
import pytest
from places import ROOT
from three_images import CROWD_IMAGES, WRITERS, expected_dataset, pixels_of

from yolo_tf.data.images import read_record_image
from yolo_tf.errors import InputError
from yolo_tf.sources import READERS, read_dataset, read_source


def assert_same(dataset, expected):
    assert dataset.class_names == expected.class_names
    assert dataset.problems == ()
    records = sorted(dataset.records, key=lambda record: record.image_id)
    assert [record.image_id for record in records] == [record.image_id for record in expected.records]
    for record, wanted in zip(records, expected.records, strict=True):
        assert (record.height, record.width) == (wanted.height, wanted.width)
        order, wanted_order = np.argsort(record.class_ids), np.argsort(wanted.class_ids)
        np.testing.assert_allclose(record.boxes[order], wanted.boxes[wanted_order], atol=1e-4)
        np.testing.assert_array_equal(record.class_ids[order], wanted.class_ids[wanted_order])
        np.testing.assert_array_equal(record.is_crowd[order], wanted.is_crowd[wanted_order])
        assert (record.boxes.dtype, record.class_ids.dtype, record.is_crowd.dtype) == (np.float32, np.int32, np.bool_)
        assert (record.boxes[:, 2:] <= (record.width, record.height)).all()
        np.testing.assert_array_equal(read_record_image(record), pixels_of(wanted.image_id, (wanted.height, wanted.width)))


def test_every_format_has_a_writer():
    assert set(WRITERS) == set(READERS) - {"shapes"}  # shapes writes its own pictures: test_shapes.py


@pytest.mark.parametrize("format_name", WRITERS)
def test_every_format_reads_the_same_three_images(written, format_name):
    source = written(format_name)
    assert_same(read_dataset(source, "train"), expected_dataset())


@pytest.mark.parametrize("format_name", ["coco", "voc", "tfds", "tfrecord"])
def test_crowd_is_kept_and_marked(written, format_name):
    source = written(format_name, CROWD_IMAGES)
    assert_same(read_dataset(source, "train"), expected_dataset(CROWD_IMAGES))


def test_class_filter_renumbers_in_the_given_order_and_keeps_background(written):
    dataset = read_dataset(written("yolo"), "train", classes=("bird", "dog"))
    assert dataset.class_names == ("bird", "dog")
    assert [record.class_ids.tolist() for record in dataset.records] == [[0], [], [1]]
    np.testing.assert_allclose(dataset.records[0].boxes, [[5, 7, 21, 38]], atol=1e-4)
    only_cats = read_dataset(written_again(dataset), "train", classes=("cat",))
    assert [len(record.boxes) for record in only_cats.records] == [1, 0, 0]
    assert only_cats.records[2].boxes.shape == (0, 4)


def written_again(dataset):
    return read_source(Path(dataset.records[0].path).parents[2] / "data.yaml")


def test_unknown_class_lists_the_names(written):
    with pytest.raises(InputError, match=r"no class 'brid' to keep\. Did you mean 'bird'\? Expected some of: cat, dog, bird"):
        read_dataset(written("yolo"), "train", classes=("brid",))


def test_single_class(written):
    source = written("coco", CROWD_IMAGES)
    dataset = read_dataset(source, "train", single_class=True)
    assert dataset.class_names == ("object",)
    assert [record.class_ids.tolist() for record in dataset.records] == [[0, 0], [], [0]]
    assert dataset.records[0].is_crowd.tolist() == [False, True]
    filtered = read_dataset(source, "train", classes=("dog",), single_class=True)
    assert [record.class_ids.tolist() for record in filtered.records] == [[], [], [0]]


def test_missing_split(written):
    with pytest.raises(InputError, match=r"data\.yaml: no val split\. Expected a line `val: …`; the splits here are: train\."):
        read_dataset(written("yolo"), "val")


@pytest.mark.parametrize("format_name", ["yolo", "coco", "voc"])
def test_empty_data_set(written, format_name):
    source = written(format_name, ())
    (source.path / "images" / "train").mkdir(parents=True, exist_ok=True)
    (source.path / "pictures").mkdir(exist_ok=True)
    with pytest.raises(InputError, match=r"the train split \(.*\) has no images\. Expected one or more"):
        read_dataset(source, "train")


@pytest.mark.parametrize("name", sorted(path.name for path in (ROOT / "configs/datasets").glob("*.yaml")))
def test_shipped_data_set_yamls_are_valid(name):
    source = read_source(ROOT / "configs/datasets" / name)
    assert source.format in READERS
    assert "train" in source.splits and "val" in source.splits


def test_real_coco128(shared_dir):
    source = read_source(ROOT / "configs/datasets/coco128.yaml", path=str(shared_dir / "data/coco128"))
    dataset = read_dataset(source, "train")
    assert (len(dataset.records), dataset.num_boxes, len(dataset.class_names), dataset.problems) == (128, 929, 80, ())
    plain = read_dataset(read_source(shared_dir / "data/coco128/data.yaml"), "val")  # without `format`, names as a mapping
    assert (len(plain.records), plain.num_boxes, plain.class_names) == (128, 929, dataset.class_names)


def test_real_bccd(shared_dir):
    source = read_source(ROOT / "configs/datasets/bccd.yaml", path=str(shared_dir / "data/bccd"))
    with pytest.raises(InputError, match=r"BloodImage_00343\.xml:\d+: bndbox .*'xmin': '181'.* has no area"):
        read_dataset(source, "train")
    with pytest.raises(InputError, match=r"BloodImage_00338\.xml:158: bndbox"):
        read_dataset(source, "val")
    splits = {split: read_dataset(source, split, strict=False) for split in ("train", "val", "test")}
    assert {split: len(dataset.records) for split, dataset in splits.items()} == {"train": 205, "val": 87, "test": 72}
    assert sum(dataset.num_boxes for dataset in splits.values()) == 4888 - 2
    assert [len(dataset.problems) for dataset in splits.values()] == [1, 1, 0]
    # The counted-from-1 rule: boxes that touch the edges touch 0 and the full size, exactly.
    edges = np.concatenate([record.boxes for record in splits["train"].records])
    assert edges.min(axis=0)[:2].tolist() == [0, 0] and edges.max(axis=0)[2:].tolist() == [640, 480]
