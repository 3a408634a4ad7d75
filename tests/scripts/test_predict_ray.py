"""scripts/predict_ray.py finds what the detector finds, on a cluster of this machine."""

import json
import subprocess
import sys
from pathlib import Path

import detector_files
import numpy as np
import pytest
from PIL import Image
from places import ROOT

from yolo_tf.inference.detector import open_detector
from yolo_tf.inference.prediction import predict_image

SCRIPT = ROOT / "scripts" / "predict_ray.py"


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    pytest.importorskip("ray", reason="needs pip install 'yolo_tf[ray]'")
    folder = tmp_path_factory.mktemp("images")
    for index, image in enumerate(detector_files.images()):
        Image.fromarray(image[: 96 - 10 * index]).save(folder / f"{index}.png")
    (folder / "3.png").write_bytes((folder / "0.png").read_bytes()[:200])
    return folder


def rows_of(out, kind):
    import pyarrow.parquet

    if kind == "parquet":
        return [row for part in out.glob("*.parquet") for row in pyarrow.parquet.read_table(part).to_pylist()]
    return [json.loads(line) for part in out.glob("*.json*") for line in part.read_text().splitlines()]


@pytest.mark.long
@pytest.mark.parametrize("kind, workers", [("parquet", 2), ("jsonl", 1)])
def test_rows_are_what_the_detector_finds(kind, workers, images, tmp_path):
    words = [detector_files.saved_model(), images, "--out", tmp_path, "--format", kind, "--workers", workers, "--batch", 2]
    done = subprocess.run([sys.executable, SCRIPT, *map(str, words)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    rows = sorted(rows_of(tmp_path, kind), key=lambda row: row["path"])
    assert [Path(row["path"]).name for row in rows] == ["0.png", "1.png", "2.png", "3.png"]
    assert rows[3]["detections"] == [] and rows[3]["error"] == "the image does not decode"

    detector = open_detector(detector_files.saved_model())
    for row in rows[:3]:
        expected = predict_image(detector, row["path"], detect=detector_files.DETECT).detections
        found = row["detections"]
        assert row["error"] is None and len(found) == len(expected) > 3
        assert [one["class_id"] for one in found] == expected.class_ids.tolist()
        assert [one["class_name"] for one in found] == [detector_files.CLASS_NAMES[index] for index in expected.class_ids]
        np.testing.assert_allclose([one["box"] for one in found], expected.boxes, atol=1e-2)
        np.testing.assert_allclose([one["score"] for one in found], expected.scores, atol=1e-4)
