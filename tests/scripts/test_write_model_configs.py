"""configs/models is what scripts/write_model_configs.py writes from the table of backbones."""

import dataclasses
import importlib.util

import pytest
import yaml
from places import ROOT

from yolo_tf.models.backbones import BACKBONES

MODELS = ROOT / "configs" / "models"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("write_model_configs", ROOT / "scripts" / "write_model_configs.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def written(script):
    return script.model_configs()


@pytest.mark.parametrize("name", sorted(path.name for path in MODELS.iterdir()))
def test_a_file_is_what_the_script_writes(written, name):
    assert (MODELS / name).read_text(encoding="utf-8") == written.get(name), (
        "write it anew: python scripts/write_model_configs.py"
    )


def test_every_file_that_the_script_writes_is_there(written):
    assert set(written) == {path.name for path in MODELS.iterdir()}


def test_a_new_row_gets_its_file(script, monkeypatch):
    taps = tuple(
        dataclasses.replace(tap, channels=count) for tap, count in zip(BACKBONES["resnet18"].taps, (10, 20, 30), strict=True)
    )
    row = dataclasses.replace(BACKBONES["resnet18"], taps=taps, trainable_params=1_000_000, gflops=2.0)
    monkeypatch.setitem(BACKBONES, "newnet", row)
    text = script.model_configs()["yolov5s_newnet.yaml"]
    # adapters: (10 + 2) * 128 + (20 + 2) * 256 + (30 + 2) * 512 = 23,552 parameters, and 2 * (10 * 128 * 6400 + 20 * 256 * 1600
    # + 30 * 512 * 400) = 0.045 billion operations; neck and head: 3,720,829 and 6.603
    assert text.startswith(
        "# newnet with the neck and head of YOLOv5s: 4,744,381 parameters at 80 classes, 8.6 GFLOPs at 640 x 640.\n"
    )
    assert "model.backbone_weights=FILE.keras" in text
    options = {"name": "yolov5s_newnet", "backbone": "newnet", "depth": 0.33, "width": 0.5}
    assert yaml.safe_load(text) == {"model": options}
