"""Pictures of cameras with 12 bits, stored in 16: the network sees next to nothing, and that is said once."""

import detector_files
import numpy as np
import pytest
from PIL import Image

from yolo_tf.cli import main
from yolo_tf.data.images import read_record_image
from yolo_tf.sources import read_dataset, read_source
from yolo_tf.sources.image_files import deep_images


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


def test_predict_says_it_too(tmp_path, capsys):
    for number, (largest, kind) in enumerate(((4080, np.uint16), (65535, np.uint16), (200, np.uint8))):
        Image.fromarray(np.linspace(0, largest, 48 * 30).reshape(30, 48).astype(kind)).save(tmp_path / f"{number}.png")
    (tmp_path / "3.png").write_bytes((tmp_path / "0.png").read_bytes()[:60])  # damaged: for the decoder to tell
    paths = [tmp_path / f"{number}.png" for number in range(3)]
    assert deep_images([*paths, tmp_path / "3.png", tmp_path / "gone.png"]) == {str(paths[0]): 4080, str(paths[1]): 65535}
    assert main(["predict", str(detector_files.keras_file()), *map(str, paths), "--out", str(tmp_path / "out")]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if "65535" in line]
    assert len(lines) == 1 and lines[0].startswith(f"{paths[0]}: the largest value is 4080 of 65535, which the network sees as")
    assert "in 1 of the first 2 16-bit images. If they are too dark, multiply the values by 16." in lines[0]
