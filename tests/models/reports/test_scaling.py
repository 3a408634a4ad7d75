import math

import numpy as np
import pytest

from yolo_tf.config import ModelConfig
from yolo_tf.errors import InputError
from yolo_tf.heads.anchor.anchors import COCO_ANCHORS
from yolo_tf.models.backbones import BACKBONES, build_backbone
from yolo_tf.models.network import build_network
from yolo_tf.models.reports.scaling import (
    EFFICIENTNETS,
    SIZES,
    CompoundScaling,
    efficientnet_taps,
    format_scaling,
    nearest_size,
    scaled_detector,
    scaled_efficientnet,
    scaling_table,
)


def parameters(network):
    return sum(math.prod(variable.shape) for variable in network.trainable_variables)


@pytest.fixture(scope="module")
def table():
    return scaling_table("csp_darknet", [1.5], image_size=96, num_classes=7)


QUICK = "efficientnetb1"


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.long] * (name != QUICK)) for name in EFFICIENTNETS])
def test_the_published_multiples_give_the_published_networks(name):
    backbone = scaled_efficientnet(*EFFICIENTNETS[name])
    assert parameters(backbone) == BACKBONES[name].trainable_params
    assert [output.shape[-1] for output in backbone.outputs] == [tap.channels for tap in BACKBONES[name].taps]


@pytest.mark.parametrize("name", EFFICIENTNETS)
def test_taps_are_the_last_blocks_at_every_depth(name):
    assert efficientnet_taps(EFFICIENTNETS[name][0]) == tuple(tap.layer for tap in BACKBONES[name].taps)


@pytest.mark.slow
def test_a_scaled_backbone_trains_from_its_file(tmp_path):
    """Of the same pixels, network and file give the same features; no second pixel scaling, no layer named twice."""
    backbone = scaled_efficientnet(0.3, 0.25)
    backbone.save(tmp_path / "scaled.keras")
    model = ModelConfig(
        backbone="keras_model",
        backbone_file=str(tmp_path / "scaled.keras"),
        taps=efficientnet_taps(0.3),
        pixels="imagenet",
        width=0.125,
    )
    network = build_network(model, num_classes=5, anchors=COCO_ANCHORS)
    images = np.random.default_rng(0).uniform(0, 255, (2, 64, 96, 3)).astype(np.float32)
    scaled = (images / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    for tap, expected in zip(model.taps, backbone(scaled.astype(np.float32)), strict=True):
        feature = type(network)(network.input, network.get_layer(tap).output)(images)
        largest = np.abs(expected).max()
        assert largest > 1e-4
        np.testing.assert_allclose(feature, expected, atol=1e-3 * largest)


def test_scaled_efficientnet_stands_under_the_neck_of_yolov5s():
    network, model = scaled_detector("efficientnet", 0.3, 0.25, num_classes=80)
    heads = [layer for layer in network.layers if layer.name.startswith(("neck_", "head_"))]
    assert sum(parameters(layer) for layer in heads) == 3_720_829
    assert model.taps == ("block3a_project_bn", "block5a_project_bn", "block7a_project_bn")


def test_csp_darknet_is_scaled_with_its_neck():
    network, _ = scaled_detector("csp_darknet", 0.67, 0.75, num_classes=80)
    assert parameters(network) == 21_190_557  # YOLOv5m


def test_rows_are_phi_0_whole_steps_and_what_was_asked(table):
    rows = table.rows
    assert [row.phi for row in rows] == [0, 1, 1.5]
    assert [(row.depth, row.width) for row in rows] == [(0.33, 0.25), (0.396, 0.275), (0.4338, 0.2884)]
    assert [row.image_size for row in rows] == [96, 96, 128]  # 96, 110.4 and 118.4 to multiples of 32
    assert rows[2].config == {"model.depth": 0.4338, "model.width": 0.2884, "data.image_size": 128}
    assert [row.nearest for row in rows] == ["yolov5n"] * 3


def test_a_row_counts_the_network_that_it_names(table):
    row = table.rows[2]
    backbone = build_backbone("csp_darknet", depth=row.depth, width=row.width)
    assert row.trainable_params["backbone"] == parameters(backbone)
    assert row.flops["backbone"] == 2 * row.macs["backbone"]
    first = table.rows[0]
    assert row.flops_ratio["backbone"] == row.flops["backbone"] / first.flops["backbone"]
    assert row.flops_ratio["total"] == row.flops["total"] / first.flops["total"]
    assert row.doublings == pytest.approx(2.8284, abs=1e-4)


def test_growth_is_the_papers():
    assert CompoundScaling().growth == pytest.approx(1.2 * 1.1**2 * 1.15**2)  # 1.92, "about 2"
    assert scaling_table("csp_darknet", [0], scaling=CompoundScaling(alpha=2.0, gamma=1.0)).to_json()["growth"] == pytest.approx(
        2.42
    )


def test_nearest_size_goes_by_ratios():
    assert nearest_size(SIZES["efficientnet"], 1.3145, 1.1537) == "efficientnetb3"
    assert nearest_size(SIZES["efficientnet"], 9.0, 9.0) == "efficientnetb7"
    assert nearest_size(SIZES["csp_darknet"], 0.4, 0.36) == "yolov5s"  # the plain difference would say n


def test_text_and_markdown_name_what_trains_the_largest(table):
    text, markdown = format_scaling(table), format_scaling(table, kind="markdown")
    assert text.splitlines()[-1] == "Train phi 1.5: model.depth=0.4338 model.width=0.2884 data.image_size=128"
    rows = [line for line in markdown.splitlines() if line.startswith("|")]
    assert len(rows) == 2 + 3 and {row.count("|") for row in rows} == {14}
    assert "| 1.5 | 0.4338 | 0.2884 | 128 |" in rows[4] and rows[4].endswith("| yolov5n (0.33, 0.25) |")


@pytest.mark.parametrize(
    ("family", "phis", "options", "message"),
    [
        ("resnet", [1], {}, "unknown scalable family 'resnet'. .*efficientnet"),
        ("efficientnet", [-1.0], {}, r"phi: got -1. Expected 0..10. The base network has 0"),
        ("efficientnet", [11.0], {}, r"phi: got 11. Expected 0..10"),
        ("csp_darknet", [1], dict(image_size=100), "image_size: got 100. Expected a multiple of 32. Leave it out for 640"),
    ],
)
def test_what_cannot_be_scaled(family, phis, options, message):
    with pytest.raises(InputError, match=message):
        scaling_table(family, phis, **options)


def test_scaling_that_shrinks():
    with pytest.raises(InputError, match="beta: got 0.9. Expected 1 or more. Leave it out for 1.1"):
        CompoundScaling(beta=0.9)


def test_too_deep_an_efficientnet():
    with pytest.raises(InputError, match="makes EfficientNet 7 times as deep. Expected at most 6.5. Lower phi or alpha"):
        scaled_efficientnet(7.0, 1.0)
