"""Pictures as phones store them: the network sees them upright, and boxes lie where a person sees the object."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from turned_images import ORIENTATIONS, painted, red_box, turned_file

from yolo_tf.config import AugmentConfig, DataConfig, DetectConfig, TrainConfig
from yolo_tf.data.image_scan import scan_images
from yolo_tf.data.images import read_record_image
from yolo_tf.data.packing import pack_dataset
from yolo_tf.data.pipeline import first_batches, make_eval_dataset, make_train_dataset
from yolo_tf.evaluation.evaluate import evaluate
from yolo_tf.export.encoded_images import OK, letterbox_encoded
from yolo_tf.inference.detector import Detector
from yolo_tf.inference.prediction import predict_image
from yolo_tf.sources import read_dataset, read_source

BOX, SIZE = (15, 22, 41, 50), (96, 64)  # (x1, y1, x2, y2) and (height, width) px, upright


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """One picture of each orientation and their upright twins, labelled upright as every labelling tool shows them."""
    root = tmp_path_factory.mktemp("phone")
    (height, width), (x1, y1, x2, y2) = SIZE, BOX
    for split in ("turned", "twin"):
        for kind in ("images", "labels"):
            (root / kind / split).mkdir(parents=True)
        for orientation in ORIENTATIONS:
            picture = painted(height, width, BOX, seed=orientation)
            file = turned_file(picture, orientation if split == "turned" else 1)
            (root / f"images/{split}/{orientation}.png").write_bytes(file)
            row = f"0 {(x1 + x2) / 2 / width} {(y1 + y2) / 2 / height} {(x2 - x1) / width} {(y2 - y1) / height}\n"
            (root / f"labels/{split}/{orientation}.txt").write_text(row)
    (root / "data.yaml").write_text("train: images/turned\nval: images/twin\nnames: [thing]\n")
    return root


@pytest.fixture(scope="module")
def datasets(folder):
    """The pictures as they are stored, and their upright twins."""
    source = read_source(folder / "data.yaml")
    return read_dataset(source, "train"), read_dataset(source, "val")


def find_red(images):
    """Candidates that see what is red: boxes [B, 1, 4] px of the input, and scores [B, 1, 1]."""
    boxes = np.array([red_box(np.asarray(image)) for image in images], np.float32)[:, None]
    return tf.constant(boxes), tf.fill([len(boxes), 1, 1], 0.9)


def test_records_are_upright_in_every_way_to_read_them(datasets, tmp_path):
    turned, twin = datasets
    pack_dataset(turned, tmp_path / "shards")
    (tmp_path / "data.yaml").write_text("format: tfrecord\ntrain: shards\n")
    packed = read_dataset(read_source(tmp_path / "data.yaml"), "train")
    for dataset in (turned, packed):
        assert scan_images(dataset).broken == {} and len(dataset.notes) == 1  # the numbers
        for record, other in zip(dataset.records, twin.records, strict=True):
            assert (record.height, record.width) == SIZE
            np.testing.assert_allclose(record.boxes, [BOX], atol=1e-4)
            np.testing.assert_array_equal(read_record_image(record), read_record_image(other))


@pytest.mark.slow
@pytest.mark.parametrize("cache", ["none", "files", "images"])
def test_training_sees_the_twin(datasets, cache):
    """Pixels and boxes of a batch, with all that augmentation does, are those of the upright files."""
    (pixels, targets), (wanted, wanted_targets) = (
        first_batches(
            make_train_dataset(
                dataset,
                data=DataConfig(image_size=(128, 128), max_boxes=9, cache=cache),
                augment=AugmentConfig(),
                train=TrainConfig(batch_size=8, seed=3),
            ),
            1,
        )[0]
        for dataset in datasets
    )
    np.testing.assert_array_equal(pixels, wanted)
    for ours, theirs in zip(targets, wanted_targets, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert (targets.class_ids == 0).sum() >= 8


@pytest.mark.slow
@pytest.mark.parametrize("rect", [False, True])
def test_evaluation_finds_every_object_in_its_place(datasets, rect):
    turned, twin = datasets
    for (images, _, _), (wanted, _, _) in zip(
        *(make_eval_dataset(dataset, image_size=(128, 128), batch_size=3, rect=rect) for dataset in datasets), strict=True
    ):
        np.testing.assert_array_equal(images, wanted)
    ours, theirs = (evaluate(find_red, dataset, image_size=(128, 128), rect=rect).metrics["AP"] for dataset in datasets)
    assert ours == theirs > 0.9


def test_prediction_answers_in_the_upright_image(datasets):
    spec = SimpleNamespace(strides=(8, 16, 32), class_names=("thing",), letterbox="center")
    detector = Detector(path=Path("red"), kind="keras", spec=spec, candidates=find_red)
    for record in datasets[0].records:
        result = predict_image(detector, record.path, image_size=128, detect=DetectConfig(score_threshold=0.1))
        assert result.size_hw == SIZE and result.read_image().shape == (*SIZE, 3)
        np.testing.assert_allclose(result.detections.boxes, [BOX], atol=1)


def test_served_bytes_are_those_of_the_twin(datasets):
    files = [[Path(record.path).read_bytes() for record in dataset.records] for dataset in datasets]
    read = tf.function(
        lambda contents: letterbox_encoded(contents, (128, 96)), input_signature=[tf.TensorSpec([None], tf.string)]
    )
    (pixels, placed, status), (wanted, _, _) = (read(tf.constant(contents)) for contents in files)
    assert status.numpy().tolist() == [OK] * 8 and placed.original_size.numpy().tolist() == [list(SIZE)] * 8
    np.testing.assert_array_equal(pixels, wanted)


def write_coco(root, size):
    (x1, y1, x2, y2), (height, width) = BOX_AS_STORED[size == SIZE], size
    images = [{"id": number, "file_name": f"{number}.png", "height": height, "width": width} for number in (6, 8)]
    document = {"images": images, "categories": [{"id": 1, "name": "thing"}]}
    document["annotations"] = [
        {"id": number, "image_id": number, "category_id": 1, "bbox": [x1, y1, x2 - x1, y2 - y1]} for number in (6, 8)
    ]
    (root / "labels.json").write_text(json.dumps(document))
    return f"format: coco\ntrain: labels.json\nimages: {root}/images/turned\n"


def write_voc(root, size):
    (x1, y1, x2, y2), (height, width) = BOX_AS_STORED[size == SIZE], size
    for place in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (root / place).mkdir(parents=True, exist_ok=True)
    for number in (6, 8):
        (root / f"JPEGImages/{number}.png").write_bytes((root / f"images/turned/{number}.png").read_bytes())
        box = f"<bndbox><xmin>{x1 + 1}</xmin><ymin>{y1 + 1}</ymin><xmax>{x2}</xmax><ymax>{y2}</ymax></bndbox>"
        size_words = f"<size><width>{width}</width><height>{height}</height></size>"
        text = f"<annotation>{size_words}<object><name>thing</name>{box}</object></annotation>"
        (root / f"Annotations/{number}.xml").write_text(text)
    (root / "ImageSets/Main/train.txt").write_text("6\n8\n")
    return "format: voc\ntrain: train\nnames: [thing]\n"


BOX_AS_STORED = {True: BOX, False: (50, 20, 70, 33)}  # upright, and in a file stored 64 x 96 px (height x width)


@pytest.mark.parametrize("write", [write_coco, write_voc])
def test_a_stated_size_says_which_pixels_the_labels_are_of(folder, write):
    (folder / "stated.yaml").write_text(write(folder, SIZE))
    upright = read_dataset(read_source(folder / "stated.yaml"), "train")
    assert len(upright.notes) == 1
    for record in upright.records:
        np.testing.assert_allclose(record.boxes, [BOX])
    (folder / "stated.yaml").write_text(write(folder, SIZE[::-1]))
    stored = read_dataset(read_source(folder / "stated.yaml"), "train")
    assert [(record.height, record.width) for record in stored.records] == [SIZE, SIZE]
    # turned by 90 degrees clockwise: x is 64 - y; counterclockwise: y is 96 - x
    np.testing.assert_allclose(stored.records[0].boxes, [[64 - 33, 50, 64 - 20, 70]])
    np.testing.assert_allclose(stored.records[1].boxes, [[20, 96 - 70, 33, 96 - 50]])
    _, note = stored.notes
    assert "6.png and 1 more: the stated size fits the pixels as stored" in note and "the boxes of 2 were turned" in note


def test_a_stated_size_that_fits_either_way_is_said(folder):
    """Turned by 180 degrees, the stored pixels have the size of the upright ones: the labels are taken as upright."""
    (folder / "stated.yaml").write_text(write_coco(folder, SIZE))
    text = (folder / "labels.json").read_text().replace("6.png", "3.png")
    (folder / "labels.json").write_text(text)
    dataset = read_dataset(read_source(folder / "stated.yaml"), "train")
    np.testing.assert_allclose(dataset.records[0].boxes, [BOX])
    _, note = dataset.notes
    assert "3.png: square, mirrored or turned by 180° as the EXIF orientation says" in note
    assert "the boxes of 1 are taken to be of the upright image" in note


def test_shards_packed_before_orientation_was_honoured_are_named(datasets, tmp_path):
    """Their index says the sizes of the stored pixels: of a turned image another one than comes out of the decoder."""
    pack_dataset(datasets[0], tmp_path / "shards")
    index = json.loads((tmp_path / "shards/index.json").read_text())
    index["images"][5].update(height=64, width=96, labels=[[0, 0, 22, 23, 50, 49]])
    (tmp_path / "shards/index.json").write_text(json.dumps(index))
    (tmp_path / "data.yaml").write_text("format: tfrecord\ntrain: shards\n")
    packed = read_dataset(read_source(tmp_path / "data.yaml"), "train")
    assert "(image 6): the image is 64 x 96 px. Expected 96 x 64 px" in scan_images(packed).broken[5]
    with pytest.raises(tf.errors.InvalidArgumentError):
        list(make_eval_dataset(packed, image_size=(128, 128), batch_size=8))
