"""What becomes of the pictures that people give `predict`, several runs at a time among them."""

import json
import subprocess
import sys

import detector_files
import pytest
from PIL import Image

from yolo_tf.cli import main


@pytest.fixture
def photo(tmp_path):
    Image.fromarray(detector_files.images()[0]).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def test_two_runs_at_once_without_a_directory(photo, tmp_path):
    """Each ends with its own results, whoever comes first."""
    command = [sys.executable, "-m", "yolo_tf", "predict", detector_files.keras_file(), photo, "--save-json", "--no-pictures"]
    runs = [
        subprocess.Popen([*command, "--score-threshold", threshold], cwd=tmp_path, stdout=subprocess.PIPE, text=True)
        for threshold in ("0.3", "0.9")
    ]
    said = [run.communicate()[0] for run in runs]
    assert [run.returncode for run in runs] == [0, 0]
    folders = [tmp_path / lines.splitlines()[-1].partition(" -> ")[2] for lines in said]
    assert {folder.name for folder in folders} == {"predict", "predict-2"}
    found = [json.loads((folder / "detections.json").read_text())["images"][0]["detections"] for folder in folders]
    assert len(found[0]) > len(found[1]) and min(one["score"] for one in found[0]) < 0.9


def test_a_limit_that_leaves_candidates_out_is_told(photo, tmp_path, capsys):
    """The network has 630 candidates for this input."""

    def found(*words):
        command = ["predict", detector_files.keras_file(), photo, "--out", tmp_path / "out", "--save-json", "--no-pictures"]
        assert main([str(word) for word in [*command, "--score-threshold", 0.2, *words]]) == 0
        images = json.loads((tmp_path / "out" / "detections.json").read_text())["images"]
        return images[0]["detections"], capsys.readouterr().out.splitlines()[2:]

    every, said = found("--max-detections", 5000)
    assert not said
    some, said = found("--max-detections", 5000, "--max-candidates", 20)
    assert len(some) <= 20 < len(every)
    (line,) = said
    needed = line.rpartition(" ")[2].rstrip(".")
    assert line.startswith(f"1 of 1 images had more than the 20 candidates that enter suppression, up to {needed}: objects may")
    assert found("--max-detections", 5000, "--max-candidates", needed) == (every, [])
