import json
import math
import re

import keras
import pytest
import yaml

from yolo_tf.cli import main
from yolo_tf.config import Config
from yolo_tf.config.reader import config_to_dict
from yolo_tf.models.backbones import BACKBONES


@pytest.fixture
def show(tmp_path, capsys):
    """Returns a function that runs `yolo-tf show ...` and gives (exit code, JSON, output, error output)."""

    def run(*arguments):
        path = tmp_path / "result.json"
        code = main(["show", *arguments, "--json", str(path)])
        printed, result = capsys.readouterr(), json.loads(path.read_text()) if path.exists() else None
        if result:
            assert result.pop("schema_version") == 1
        return code, result, printed.out, printed.err

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
    assert ["2", "-1", "880", "8", "backbone_stem"] in [line.split() for line in output.splitlines()]


@pytest.mark.slow
def test_model_needs_no_download(show):
    code, report, _, _ = show("model", "model.backbone=mobilenetv3small", "model.backbone_weights=imagenet")
    assert code == 0
    assert report["initial_weights"]["backbone"] == "imagenet"


def test_backbones(show):
    code, result, output, _ = show("backbones")
    rows = {row["name"]: row for row in result["backbones"]}
    assert code == 0
    assert list(rows) == list(BACKBONES)
    assert rows["efficientnetb7"] == {
        "name": "efficientnetb7",
        "family": "EfficientNet",
        "trainable_params": 62_143_440,
        "gflops_640": 82.883,
        "gmacs_640": 41.4415,
        "scalable": False,
        "taps": [
            {"layer": "block3g_add", "stride": 8, "channels": 80},
            {"layer": "block5j_add", "stride": 16, "channels": 224},
            {"layer": "block7d_add", "stride": 32, "channels": 640},
        ],
        "licence": "Apache-2.0 (Keras)",
        "weights": "ImageNet, keras.applications",
        "weights_licence": "Apache-2.0 (tensorflow/tpu)",
    }
    [line] = [line for line in output.splitlines() if line.startswith("efficientnetb7 ")]
    cells = ["efficientnetb7", "EfficientNet", "62,143,440", "82.883", "41.441", "80 / 224 / 640"]
    cells += ["block3g_add, block5j_add, block7d_add", "Apache-2.0 (Keras)", "ImageNet, keras.applications"]
    assert re.split("  +", line) == [*cells, "Apache-2.0 (tensorflow/tpu)"]
    assert "csp_darknet, csp_darknet_v5, csp_darknet_yolox, yolov4_csp at depth and width 1." in output


def test_backbones_as_markdown(show):
    code, _, output, _ = show("backbones", "--format", "markdown")
    table, counted = output.split("\n\n")
    heading, rule, *lines = [line.removeprefix("| ").removesuffix(" |").split(" | ") for line in table.splitlines()]
    assert code == 0 and counted.startswith("Trainable parameters")
    assert [line[0] for line in lines] == list(BACKBONES)
    assert {len(line) for line in (heading, rule, *lines)} == {10} and set("".join(rule)) == {"-", ":"}
    weights = {line[0]: line[-2:] for line in lines}
    assert weights["vgg16"] == ["ImageNet, keras.applications", "CC BY 4.0 (VGG, Oxford)"]
    assert weights["resnet18"] == ["none published", "-"]
    assert weights["resnet50v2"][1] == "BSD (facebook/fb.resnet.torch)"


def test_backbones_as_json(show):
    code, result, output, _ = show("backbones", "--format", "json")
    assert code == 0
    assert json.loads(output) == result and len(result["backbones"]) == len(BACKBONES)


@pytest.mark.parametrize("kind", ["text", "markdown", "json"])
def test_scaling(show, kind):
    options = ["--backbone", "csp_darknet", "--phi", "0.5", "--alpha", "1.3", "--format", kind]
    code, result, output, _ = show("scaling", *options)
    assert code == 0
    assert [(row["phi"], row["depth"], row["width"]) for row in result["rows"]] == [(0, 0.33, 0.25), (0.5, 0.3763, 0.2622)]
    assert result["rows"][0]["trainable_params"]["total"] == 1_872_157
    if kind == "json":
        assert json.loads(output) == result
    else:
        first = {"text": "  0    0.33    0.25  640    881,760", "markdown": "| 0 | 0.33 | 0.25 | 640 | 881,760 |"}[kind]
        assert any(line.startswith(first) for line in output.splitlines())


@pytest.mark.long
def test_scaling_writes_the_largest_backbone(show, tmp_path):
    path = tmp_path / "scaled.keras"
    code, result, output, _ = show("scaling", "--phi", "0", "--image-size", "224", "--write", str(path))
    assert code == 0
    assert result["rows"][0]["config"]["model.backbone_file"] == str(path)
    backbone = keras.models.load_model(path)
    assert sum(math.prod(variable.shape) for variable in backbone.trainable_variables) == 3_595_388
    assert f"model.backbone_file={path}" in output


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
        (
            ["model", "model.backbone=efficientnet_b0"],
            "config.model.backbone: unknown backbone 'efficientnet_b0'. Did you mean 'efficientnetb0'?",
        ),
        (["model", "model.neck=csp_pam"], "unknown neck 'csp_pam'. Did you mean 'csp_pan'?"),
        (["model", "--num-classes", "0"], "--num-classes: got 0. Expected 1 or more."),
        (
            ["scaling", "--phi", "1", "--backbone", "efficientnets"],
            "--backbone: unknown scalable family 'efficientnets'. Did you mean",
        ),
        (["scaling", "--phi", "1", "--gamma", "0.5"], "--gamma: got 0.5. Expected 1 or more. Leave it out for 1.15"),
        (["scaling", "--phi", "0", "--write", "b.h5"], "--write: got b.h5 for efficientnet. Expected a .keras file"),
        (["config", "train.epoch=3"], "config.train: unknown key 'epoch'. Did you mean 'epochs'?"),
    ],
)
def test_bad_input_is_one_line_and_code_2(show, arguments, message):
    code, result, _, error = show(*arguments)
    assert code == 2
    assert result is None
    assert message in error
    assert len([line for line in error.splitlines() if line.startswith("yolo-tf")]) == 1
