import dataclasses
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from yolo_tf.data.image_bytes import byte_reader
from yolo_tf.data.image_scan import scan_images
from yolo_tf.data.images import read_record_image
from yolo_tf.data.packing import pack_dataset
from yolo_tf.errors import InputError
from yolo_tf.sources import read_dataset, read_source

SIZES = [(48, 64), (96, 160), (200, 120), (60, 200), (30, 42)]  # (height, width)


def packed(dataset, root, **options):
    report = pack_dataset(dataset, root / "shards", **options)
    (root / "data.yaml").write_text("format: tfrecord\ntrain: shards\n")
    return read_dataset(read_source(root / "data.yaml"), "train"), report


def test_what_is_packed_is_read_back_bit_for_bit_in_any_order(dataset_of, tmp_path):
    dataset = dataset_of(SIZES, empty=(1,), crowds=(3,))
    calls = []
    again, report = packed(dataset, tmp_path, shards=2, progress=calls.append)
    assert calls == [1, 2, 3, 4, 5]
    assert (report.images, report.shards) == (5, 2)
    assert report.bytes == sum(path.stat().st_size for path in tmp_path.glob("shards/*.tfrecord"))
    assert again.class_names == dataset.class_names
    for ours, theirs in zip(again.records, dataset.records, strict=True):
        assert (ours.image_id, ours.height, ours.width) == (theirs.image_id, theirs.height, theirs.width)
        for field in ("boxes", "class_ids", "is_crowd"):
            np.testing.assert_array_equal(getattr(ours, field), getattr(theirs, field))
    order = [3, 0, 4, 4, 1, 2]
    contents = list(tf.data.Dataset.from_tensor_slices(order).map(byte_reader(again.records)).as_numpy_iterator())
    for index, encoded in zip(order, contents, strict=True):
        with open(dataset.records[index].path, "rb") as file:
            assert encoded == file.read()


def test_a_record_stands_for_itself(dataset_of, tmp_path):
    """Any reader of TensorFlow's object detection records finds the labels without the index."""
    dataset = dataset_of(SIZES, crowds=(2,))
    packed(dataset, tmp_path, shards=1)
    raw = list(tf.data.TFRecordDataset(str(tmp_path / "shards/00000.tfrecord")).as_numpy_iterator())
    features = tf.train.Example.FromString(raw[2]).features.feature
    assert features["image/height"].int64_list.value == [200] and features["image/width"].int64_list.value == [120]
    assert features["image/source_id"].bytes_list.value == [b"002"]
    corners = [features[f"image/object/bbox/{side}"].float_list.value[0] for side in ("xmin", "ymin", "xmax", "ymax")]
    np.testing.assert_allclose(corners, [0.25, 0.25, 0.75, 0.75])
    assert features["image/object/class/text"].bytes_list.value == [b"blue"]
    assert features["image/object/is_crowd"].int64_list.value == [1]


def test_the_features_of_a_record_lie_in_one_order(dataset_of, tmp_path):
    packed(dataset_of(SIZES), tmp_path, shards=1)
    for record in tf.data.TFRecordDataset(str(tmp_path / "shards/00000.tfrecord")).as_numpy_iterator():
        assert record == tf.train.Example.FromString(record).SerializeToString(deterministic=True)


def test_shards_are_chosen_by_size(dataset_of, tmp_path, monkeypatch):
    dataset = dataset_of(SIZES)
    assert packed(dataset, tmp_path)[1].shards == 1
    monkeypatch.setattr("yolo_tf.data.packing.SHARD_BYTES", 500)
    assert packed(dataset, tmp_path)[1].shards > 1
    monkeypatch.setattr("yolo_tf.data.packing.SHARD_BYTES", 1)
    assert packed(dataset, tmp_path)[1].shards == 5


@pytest.mark.parametrize("shards", [0, 6, -1])
def test_more_shards_than_images_are_refused(dataset_of, tmp_path, shards):
    with pytest.raises(InputError, match=rf"shards: got {shards} for 5 images\. Expected 1\.\.5\. Leave it out"):
        pack_dataset(dataset_of(SIZES), tmp_path / "shards", shards=shards)
    assert not (tmp_path / "shards").exists()


def test_only_what_was_packed_is_replaced(dataset_of, tmp_path):
    dataset = dataset_of(SIZES)
    packed(dataset, tmp_path, shards=3)
    packed(dataset, tmp_path, shards=2)
    assert sorted(path.name for path in (tmp_path / "shards").iterdir()) == ["00000.tfrecord", "00001.tfrecord", "index.json"]
    (tmp_path / "shards/thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match=r"shards: is a directory with other things in it \(thesis\.txt\), which packing"):
        pack_dataset(dataset, tmp_path / "shards")
    assert (tmp_path / "shards/thesis.txt").read_text() == "years of work"


def test_nothing_is_left_of_a_pack_that_fails(dataset_of, tmp_path):
    dataset = dataset_of(SIZES)
    gone = dataclasses.replace(dataset.records[3], path=str(tmp_path / "gone.png"))
    records = (*dataset.records[:3], gone, dataset.records[4])
    with pytest.raises(InputError, match=r"gone\.png: cannot be read \(NotFoundError\)\. Expected an image\. Restore it"):
        pack_dataset(dataclasses.replace(dataset, records=records), tmp_path / "shards", shards=2)
    assert not (tmp_path / "shards").exists()


def test_damage_inside_a_shard_is_found_and_named(dataset_of, tmp_path):
    again, _ = packed(dataset_of(SIZES), tmp_path, shards=1)
    shard = tmp_path / "shards/00000.tfrecord"
    content = bytearray(shard.read_bytes())
    content[again.records[2].byte_offset + 100] ^= 255
    shard.write_bytes(content)
    broken = scan_images(again).broken
    assert list(broken) == [2]
    assert "00000.tfrecord (image 002): is damaged at byte " in broken[2] and "its check sum does not fit" in broken[2]
    with pytest.raises(InputError, match=r"\(image 002\): is damaged at byte .*Copy it or pack it again"):
        read_record_image(again.records[2])
    assert read_record_image(again.records[3]).shape == (60, 200, 3)


def test_a_png_whose_parts_do_not_fit_their_check_sums_is_not_packed(dataset_of, tmp_path):
    dataset = dataset_of(SIZES)
    path = Path(dataset.records[1].path)
    Image.new("RGB", (dataset.records[1].width, dataset.records[1].height), (9, 99, 200)).save(path, "PNG")
    pack_dataset(dataset, tmp_path / "whole", shards=1)
    content = bytearray(path.read_bytes())
    content[content.index(b"IDAT") + 8] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match=r": is damaged: the check sum of a part does not fit\. Expected a whole PNG\."):
        pack_dataset(dataset, tmp_path / "shards", shards=1)
    assert not (tmp_path / "shards").exists()
    path.write_bytes(content[:-12] + b"\xff\xff\xff\xff" + content[-8:])  # a length beyond the end
    with pytest.raises(InputError, match=r": is damaged: the check sum"):
        pack_dataset(dataset, tmp_path / "shards", shards=1)
