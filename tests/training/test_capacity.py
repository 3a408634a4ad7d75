"""The places for boxes that a run chooses, and what it says of them."""

import dataclasses

import numpy as np
import pytest
from PIL import Image

from yolo_tf.config import DataConfig, TrainConfig
from yolo_tf.config.reader import read_config
from yolo_tf.data.pipeline import make_train_dataset
from yolo_tf.files.spec import detector_spec
from yolo_tf.sources import read_dataset, read_source
from yolo_tf.training.capacity import choose_max_boxes, share_left_out

PER_IMAGE = 64  # objects, as on a shelf


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    """Six images of 128 x 128 px with 64 boxes of 12 x 12 px each."""
    root = tmp_path_factory.mktemp("shelf")
    for folder in ("images", "labels"):
        (root / folder).mkdir()
    rows = [f"0 {(16 * x + 8) / 128} {(16 * y + 8) / 128} {12 / 128} {12 / 128}\n" for x in range(8) for y in range(8)]
    for number in range(6):
        Image.new("RGB", (128, 128), (number, 90, 90)).save(root / "images" / f"{number}.png")
        (root / "labels" / f"{number}.txt").write_text("".join(rows))
    (root / "data.yaml").write_text("train: images\nval: images\nnames: [a]\n")
    return read_dataset(read_source(root / "data.yaml"), "train")


@pytest.fixture
def spec(tiny_anchors):
    """The DetectorSpec of such images."""
    return detector_spec(class_names=("a",), image_size=(128, 128), anchors=tiny_anchors)


def config_of(max_boxes, **augment):
    config = read_config(None, [f"augment.{name}={value}" for name, value in augment.items()])
    data, train = DataConfig(image_size=(128, 128), max_boxes=max_boxes), TrainConfig(batch_size=4, epochs=3)
    return dataclasses.replace(config, data=data, train=train)


@pytest.mark.slow
def test_all_boxes_have_a_place(shelf, spec, capsys):
    config = choose_max_boxes(config_of("auto"), shelf, spec)
    assert config.data.max_boxes == 300  # 4 * 64 = 256
    line = capsys.readouterr().out
    assert line.startswith("boxes: up to 64 in a training image, 256 after mosaic: data.max_boxes=300 (about ") and "MB" in line
    images, targets = next(iter(make_train_dataset(shelf, data=config.data, augment=config.augment, train=config.train)))
    assert targets.boxes.shape == (4, 300, 4)
    assert share_left_out(shelf, 300, data=config.data, augment=config.augment, train=config.train)[0] == 0.0


@pytest.mark.slow
def test_a_smaller_number_tells_the_share_that_is_lost(shelf, spec, capsys):
    """Without mosaic or zoom nearly all 64 boxes stay in view, of which 16 have a place."""
    config = config_of(16, level="none")
    assert choose_max_boxes(config, shelf, spec) is config
    line = capsys.readouterr().out
    assert line.startswith("warning: data.max_boxes=16 leaves out 75.0% of the boxes of 128 images after mosaic")
    assert "Set data.max_boxes=150 or auto (about " in line and line.count("\n") == 1
    assert share_left_out(shelf, 16, data=config.data, augment=config.augment, train=config.train) == (0.75, 128)


@pytest.mark.slow
def test_what_is_counted_is_what_a_batch_would_hold(shelf):
    """The share by the counts is that of the batches themselves."""
    config = config_of("auto")
    sections = dict(augment=config.augment, train=config.train)
    share, images = share_left_out(shelf, 40, data=config.data, **sections)
    assert images == 128
    counts = []
    for _, targets in make_train_dataset(shelf, data=config.data, **sections).take(32):
        counts += np.count_nonzero(targets.class_ids.numpy() >= 0, axis=1).tolist()
    assert share == pytest.approx(sum(max(0, count - 40) for count in counts) / sum(counts)) and share > 0.2


def test_places_that_are_enough_in_fact_need_no_word(shelf, spec, capsys):
    choose_max_boxes(config_of(64, level="none"), shelf, spec)
    assert not capsys.readouterr().out


def test_many_more_places_than_boxes_tell_what_they_cost(shelf, spec, capsys):
    config = config_of(90_000)
    assert choose_max_boxes(config, shelf, spec) is config
    line = capsys.readouterr().out
    assert line.startswith("warning: no training image has more than 256 boxes after mosaic, so most of data.max_boxes=90000")
    assert "Set data.max_boxes=300 or auto (about " in line and line.count("\n") == 1
