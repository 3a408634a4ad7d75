"""400 objects a picture, as on a shop shelf: all of them reach the loss."""

import numpy as np
import pytest
from PIL import Image

from yolo_tf.config import AugmentConfig, DataConfig, TrainConfig
from yolo_tf.config.reader import read_config
from yolo_tf.data.pipeline import make_train_dataset
from yolo_tf.sources import read_dataset, read_source


@pytest.mark.slow
def test_every_object_reaches_the_loss(tmp_path):
    side = 320
    for folder in ("images", "labels"):
        (tmp_path / folder).mkdir()
    rows = [
        f"0 {(x + 8) / side} {(y + 8) / side} {12 / side} {12 / side}\n" for y in range(0, side, 16) for x in range(0, side, 16)
    ]
    for index in range(6):
        Image.new("RGB", (side, side), (90, 120, index)).save(tmp_path / "images" / f"{index}.png")
        (tmp_path / "labels" / f"{index}.txt").write_text("".join(rows))
    (tmp_path / "data.yaml").write_text("train: images\nval: images\nnames: [a]\n")
    dataset = read_dataset(read_source(tmp_path / "data.yaml"), "train")
    train, data = TrainConfig(batch_size=4), DataConfig(image_size=(side, side))
    still = read_config(None, ["augment.level=none"]).augment
    _, targets = next(iter(make_train_dataset(dataset, data=data, augment=still, train=train)))
    assert np.count_nonzero(targets.class_ids.numpy() >= 0, axis=1).tolist() == [400] * 4
    zoomed_out = AugmentConfig(level="none", mosaic=1.0, scale=0.5)
    _, targets = next(iter(make_train_dataset(dataset, data=data, augment=zoomed_out, train=train)))
    counts = np.count_nonzero(targets.class_ids.numpy() >= 0, axis=1)
    assert targets.boxes.shape[1] == 1600 and counts.max() > 400 and counts.max() < 1600
