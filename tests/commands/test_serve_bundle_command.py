"""`yolo-tf serve-bundle`; what it writes is looked at in tests/serving/."""

import detector_files
import pytest
from PIL import Image

from yolo_tf.cli import main

pytest.importorskip("tensorflow_serving", reason="needs pip install 'yolo_tf[serving]'")


@pytest.mark.slow
def test_what_is_printed(tmp_path, capsys):
    Image.fromarray(detector_files.images()[0]).save(tmp_path / "photo.png")
    command = ["serve-bundle", detector_files.keras_file(), "--name", "cells", "--out", tmp_path, "--version", 7]
    command += ["--image-size", 64, "--images", tmp_path / "photo.png", "detect.max_detections=9"]
    assert main([str(word) for word in command]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"{tmp_path / 'models' / 'cells' / '7'}: ") and "MB. Reopened and compared with" in lines[0]
    assert lines[0].endswith(" on given images:") and " 9 detections: 100.00% and 100.00% agree," in lines[1]
    assert lines[-2] == f"Served by {tmp_path / 'serving' / 'models.config'}: stable = version 7."
    assert lines[-1] == f"How to run it: {tmp_path / 'README.md'}"
    assert (tmp_path / "README.md").read_text().startswith("# cells in TensorFlow Serving")


@pytest.mark.parametrize(
    "words, message",
    [
        (["--name", "a/b"], "--name: got 'a/b'. Expected 1..40 letters, digits"),
        (["--version", "0"], "--version: got 0. Expected a whole number from 1"),
        (["train.epochs=3"], "'train.epochs=3': is no option of an export. Expected detect.key=value"),
        (["--image-size", "100"], "100 is no positive multiple of 32"),
        (["--images", "none.jpg"], "none.jpg: stands for no image"),
        (["--out", "/dev/null/out"], "/dev/null/out"),
    ],
)
def test_bad_arguments(words, message, tmp_path, capsys):
    command = ["serve-bundle", str(detector_files.keras_file()), "--name", "tiny", "--out", str(tmp_path / "out"), *words]
    assert main(command) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line and not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_no_network_file(tmp_path, capsys):
    assert main(["serve-bundle", str(tmp_path / "none.keras"), "--name", "tiny", "--out", str(tmp_path / "out")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "none.keras" in line and not [path for path in tmp_path.rglob("*") if path.is_file()]
