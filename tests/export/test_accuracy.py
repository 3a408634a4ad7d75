import dataclasses
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from yolo_tf.errors import InputError
from yolo_tf.export.accuracy import check_accuracy
from yolo_tf.export.parity import ParityError
from yolo_tf.inference.detector import Detector
from yolo_tf.sources import read_dataset, read_source

TRUTH = np.array([[16, 32, 48, 48]], np.float32)  # xyxy px, in each of the images


@pytest.fixture
def dataset(tmp_path):
    """Five images of 96 x 64 px (w x h), one box of the first of three classes in each."""
    (tmp_path / "images").mkdir()
    (tmp_path / "labels").mkdir()
    for index in range(5):
        Image.new("RGB", (96, 64), (index, 50, 90)).save(tmp_path / "images" / f"{index}.png")
        (tmp_path / "labels" / f"{index}.txt").write_text(f"0 {32 / 96} {40 / 64} {32 / 96} {16 / 64}\n")
    (tmp_path / "data.yaml").write_text("train: images\nval: images\nnames: [car, bus, tram]\n")
    return read_dataset(read_source(tmp_path / "data.yaml"), "val")


def finds(width):
    """Returns candidates that find the box with `width` of its 32 px."""

    def candidates(images):
        boxes = np.tile(TRUTH, (len(images), 1, 1))
        boxes[..., 2] = boxes[..., 0] + width
        return tf.constant(boxes), tf.constant(np.tile(np.float32([[0.9, 0, 0]]), (len(images), 1, 1)))

    return candidates


def detector(width):
    return Detector(path=Path("export"), kind="tflite", spec=SimpleNamespace(letterbox="center"), candidates=finds(width))


def test_the_numbers_of_both(dataset):
    """A box of 20 of 32 px has IoU 0.625: found at the thresholds .5, .55 and .6 of ten."""
    numbers = check_accuracy(finds(32), detector(20), dataset, image_size=(64, 96))
    assert numbers["network"] == pytest.approx({"AP": 1.0, "AP50": 1.0})
    assert numbers["file"] == pytest.approx({"AP": 0.3, "AP50": 1.0})


@pytest.mark.slow
def test_the_largest_drop(dataset):
    assert check_accuracy(finds(32), detector(20), dataset, image_size=(64, 96), max_ap_drop=0.71)["file"]["AP"] < 0.31
    assert check_accuracy(finds(20), detector(32), dataset, image_size=(64, 96), max_ap_drop=0)["file"]["AP"] > 0.99
    with pytest.raises(ParityError, match="AP falls from 1.0000 to 0.3000 on 5 images. Expected at most 0.69 less. Choose a"):
        check_accuracy(finds(32), detector(20), dataset, image_size=(64, 96), max_ap_drop=0.69)


def test_without_boxes_there_is_no_drop(dataset):
    nothing = dict(boxes=TRUTH[:0], class_ids=np.zeros(0, np.int32), is_crowd=np.zeros(0, bool))
    records = [dataclasses.replace(record, **nothing) for record in dataset.records]
    background = dataclasses.replace(dataset, records=tuple(records))
    assert check_accuracy(finds(32), detector(20), background, image_size=(64, 96))["file"] == {"AP": None, "AP50": None}
    with pytest.raises(InputError, match="max_ap_drop: the data set has no box. .* Name another `data` or `split`"):
        check_accuracy(finds(32), detector(20), background, image_size=(64, 96), max_ap_drop=0.1)
