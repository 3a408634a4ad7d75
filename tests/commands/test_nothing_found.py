"""`yolo-tf predict` that finds nothing says how near it came and what is known of the network."""

import json
import shutil

import detector_files
import pytest
from PIL import Image

from yolo_tf.cli import main


@pytest.fixture
def pictures(tmp_path):
    for number, pixels in enumerate(detector_files.images()[:2]):
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    return [str(tmp_path / f"{number}.png") for number in range(2)]


def lines_of(capsys, *words):
    assert main(["predict", *map(str, words), "--score-threshold", "0.9999", "--no-pictures"]) == 0
    return capsys.readouterr().out.splitlines()


@pytest.mark.parametrize("outputs", [["--save-json"], ["--save-jsonl"]])
def test_the_best_score_and_that_there_is_no_record(pictures, tmp_path, capsys, outputs):
    model = detector_files.keras_file()
    best, record = lines_of(capsys, model, *pictures, "--out", tmp_path / "out", *outputs)[-2:]
    assert best.startswith("nothing reaches --score-threshold 0.9999: the best score in 2 images looked at again is 0.")
    assert record == f"no accuracy is recorded beside {model}: yolo-tf evaluate {model} --data DATASET.yaml measures it"


@pytest.mark.parametrize(
    ("metrics", "told"),
    [({"AP": 0.0004, "AP50": 0.01}, "AP 0.000, AP50 0.010"), ({"AP": None}, "AP none"), ({"AP": 0.5, "AP50": 0.75}, "AP 0.500")],
)
def test_the_record_of_its_run(pictures, tmp_path, capsys, metrics, told):
    model = tmp_path / "run" / "best.keras"
    model.parent.mkdir()
    shutil.copy(detector_files.keras_file(), model)
    (model.parent / "metrics.json").write_text(json.dumps(metrics))
    record = lines_of(capsys, model, *pictures, "--out", tmp_path / "out", "--save-txt")[-1]
    assert record.startswith(f"recorded accuracy of the best network of its run: {told}") and "metrics.json" in record
    assert ("learned too little" in record) == (metrics["AP"] == 0.0004)


def test_no_word_where_something_is_found(pictures, tmp_path, capsys):
    words = [str(detector_files.keras_file()), *pictures, "--out", str(tmp_path / "out"), "--score-threshold", "0.0001"]
    assert main(["predict", *words]) == 0
    assert "nothing reaches" not in capsys.readouterr().out
