"""The demo from end to end, as small as it goes."""

import json

import pytest

from yolo_tf import cli
from yolo_tf.commands.demo import format_summary


@pytest.mark.long
def test_the_demo_leaves_a_network_pictures_and_equal_exports(tmp_path, capsys):
    assert cli.main(["demo", "--out", str(tmp_path / "d"), "--epochs", "1", "--images", "12", "--image-size", "64"]) == 0
    out = capsys.readouterr().out
    assert "images/s" in out and "pictures:" in out
    assert out.splitlines()[-4] == "go on with:" and f"predict {tmp_path / 'd' / 'train' / 'best.keras'} PICTURES" in out
    summary = json.loads((tmp_path / "d" / "summary.json").read_text())
    files = summary["files"]
    assert set(files) == {"keras", "saved_model", "tflite"}
    assert len({round(row["AP"], 4) for row in files.values()}) == 1, "the files find the same"
    assert all(files[name]["score_difference"] < 1e-3 for name in ("saved_model", "tflite"))
    assert len(list((tmp_path / "d" / "predictions").glob("*.jpg"))) == summary["num_pictures"] == 10


def test_too_few_images_is_one_line(tmp_path, capsys):
    assert cli.main(["demo", "--out", str(tmp_path / "d"), "--images", "3"]) == 2
    assert "--images: got 3. Expected 10 or more." in capsys.readouterr().err
    assert not (tmp_path / "d").exists()


def test_the_summary_names_every_file(tmp_path):
    row = {"AP": 0.5, "AP50": 0.75, "bytes": 2_000_000, "images_per_second": 10.0}
    difference = {"box_difference": 0.001, "score_difference": 1e-6}
    files = {"keras": {"path": "a.keras", **row}, "tflite": {"path": "a.tflite", **difference, **row}}
    text = format_summary({"minutes": 2.0, "files": files, "run": "r", "num_pictures": 4}, tmp_path)
    assert "a.keras" in text and "0.750" in text and "0.001 px, 1e-06 in score" in text
