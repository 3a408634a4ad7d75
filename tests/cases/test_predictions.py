"""What becomes of the pictures that people give `predict`, several runs at a time among them."""

import json
import subprocess
import sys

import detector_files
import pytest
from PIL import Image


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
