"""Pictures of cameras with 12 bits, stored in 16: the network sees next to nothing, and that is said once."""

import numpy as np
import pytest
from PIL import Image

from yolo_tf.data.images import read_record_image
from yolo_tf.sources import read_dataset, read_source


@pytest.mark.parametrize("largest, factor", [(4080, 16), (8191, 8)])
def test_values_below_an_eighth_of_the_range_are_said_once(tmp_path, largest, factor):
    (tmp_path / "images").mkdir()
    (tmp_path / "labels").mkdir()
    ramp = np.linspace(0, 1, 48 * 30).reshape(30, 48)
    for number in range(10):
        values = (ramp * (largest if number < 9 else 65535)).astype(np.uint16)
        Image.fromarray(values).save(tmp_path / f"images/{number}.png")
        (tmp_path / f"labels/{number}.txt").write_text("0 0.5 0.5 0.4 0.3\n")
    (tmp_path / "data.yaml").write_text("train: images\nval: images\nnames: [thing]\n")
    dataset = read_dataset(read_source(tmp_path / "data.yaml"), "train")
    assert read_record_image(dataset.records[0]).max() == largest // 256
    _, note = dataset.notes
    assert f"0.png: the largest value is {largest} of 65535, which the network sees as {largest // 256} of 255" in note
    assert f"in 8 of the first 8 16-bit images. If they are too dark, multiply the values by {factor}." in note


def test_a_full_range_and_eight_bits_say_nothing(tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "labels").mkdir()
    Image.fromarray(np.full((30, 48), 8192, np.uint16)).save(tmp_path / "images/a.png")
    Image.fromarray(np.full((30, 48), 3, np.uint8)).save(tmp_path / "images/b.png")
    (tmp_path / "labels/a.txt").write_text("0 0.5 0.5 0.4 0.3\n")
    (tmp_path / "data.yaml").write_text("train: images\nval: images\nnames: [thing]\n")
    dataset = read_dataset(read_source(tmp_path / "data.yaml"), "train")
    assert not [note for note in dataset.notes if "65535" in note]
