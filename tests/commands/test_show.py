import json

import pytest
import yaml

from yolo_tf.cli import main
from yolo_tf.config import Config
from yolo_tf.config_reader import config_to_dict
from yolo_tf.models.backbones import BACKBONES


@pytest.fixture
def show(tmp_path, capsys):
    """Returns a function that runs `yolo-tf show ...` and gives (exit code, JSON, output, error output)."""

    def run(*arguments):
        path = tmp_path / "result.json"
        code = main(["show", *arguments, "--json", str(path)])
        printed = capsys.readouterr()
        return code, json.loads(path.read_text()) if path.exists() else None, printed.out, printed.err

    return run


def test_model(show, tmp_path):
    config = tmp_path / "narrow.yaml"
    config.write_text("model: {name: narrow, width: 0.25}\ndata: {image_size: [320, 640]}\n")
    code, report, output, _ = show("model", "--config", str(config), "--num-classes", "20", "model.depth=0.33")
    assert code == 0
    assert (report["name"], report["image_size"], report["num_classes"]) == ("narrow", [320, 640], 20)
    assert set(report) == {"name", "image_size", "num_classes", "trainable_params", "macs", "flops", "taps", "initial_weights"}
    assert report["trainable_params"]["total"] == 1_790_977
    assert output.startswith("narrow: 20 classes, 640 x 320 px")


def test_model_with_rows(show):
    code, report, output, _ = show("model", "--rows", "--num-classes", "4", "model.width=0.125")
    assert code == 0
    assert report["rows"][2] == {"block": "backbone_stem", "from": [1], "params": 880, "channels": 8}
    assert sum(row["params"] for row in report["rows"]) == report["trainable_params"]["total"]
    assert "  2          -1           880         8  backbone_stem" in output.splitlines()


def test_model_needs_no_download(show):
    code, report, _, _ = show("model", "model.backbone=efficientnetb0", "model.backbone_weights=imagenet")
    assert code == 0
    assert report["initial_weights"]["backbone"] == "imagenet"


def test_backbones(show):
    code, result, output, _ = show("backbones")
    rows = {row["name"]: row for row in result["backbones"]}
    assert code == 0
    assert list(rows) == list(BACKBONES)
    assert rows["efficientnetb7"]["trainable_params"] == 62_143_440
    assert rows["efficientnetb7"]["taps"][1] == {"layer": "block5j_add", "stride": 16, "channels": 224}
    assert "62,143,440    82.883  80/224/640      block3g_add, block5j_add, block7d_add" in output


def test_config(show):
    code, values, output, _ = show("config", "train.epochs=3", "data.image_size=[96, 160]")
    expected = config_to_dict(Config())
    expected["train"]["epochs"] = 3
    expected["data"]["image_size"] = [96, 160]
    assert code == 0
    assert values == expected
    assert yaml.safe_load(output) == expected


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["model", "model.backbone=efficientnet_b0"], "unknown backbone 'efficientnet_b0'. Did you mean 'efficientnetb0'?"),
        (["model", "model.neck=csp_pam"], "unknown neck 'csp_pam'. Did you mean 'csp_pan'?"),
        (["model", "--num-classes", "0"], "--num-classes: got 0. Expected 1 or more."),
        (["config", "train.epoch=3"], "config.train: unknown key 'epoch'. Did you mean 'epochs'?"),
    ],
)
def test_bad_input_is_one_line_and_code_2(show, arguments, message):
    code, result, _, error = show(*arguments)
    assert code == 2
    assert result is None
    assert message in error
    assert len([line for line in error.splitlines() if line.startswith("yolo-tf")]) == 1
