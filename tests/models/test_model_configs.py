"""Every file in configs/models is built and held against published figures."""

import re
from pathlib import Path

import keras
import numpy as np
import pytest

from yolo_tf.config_reader import read_config
from yolo_tf.models.backbones import BACKBONES, STRIDES, feature_channels
from yolo_tf.models.network import build_network, network_anchors
from yolo_tf.models.report import network_report

MODELS = Path(__file__).parents[2] / "configs" / "models"
# Trainable parameters with 80 classes and GFLOPs at 640 x 640. Yolov5: the logs of its releases. The others:
# 1 x 1 adapters with bias; batch norm instead of bias adds 128 + 256 + 512 = 896 parameters.
FIGURES = {
    "yolov5n": (1_872_157, 4.468),
    "yolov5s": (7_235_389, 16.434),
    "yolov5m": (21_190_557, 48.872),
    "yolov5l": (46_563_709, 108.994),
    "yolov5x": (86_749_405, 205.448),
    "yolov5s_v5": (7_276_605, 16.958),
    "yolov5l_v5": (47_056_765, 115.285),
    "yolov5s_efficientnetb0": (7_514_745, 12.833),
    "yolov5s_efficientnetb1": (10_020_381, 15.827),
    "yolov5s_efficientnetb2": (11_141_375, 17.245),
    "yolov5s_efficientnetb3": (14_062_629, 22.145),
    "yolov5s_efficientnetb4": (20_741_445, 30.844),
    "yolov5s_efficientnetb5": (31_325_229, 44.589),
    "yolov5s_efficientnetb6": (43_481_045, 60.774),
    "yolov5s_efficientnetb7": (66_260_429, 90.063),
    "yolov5s_convnext_tiny": (32_056_413, 80.278),
    "yolov5s_convnext_small": (53_690_973, 149.309),
    "yolov5s_convnext_base": (91_974_269, 258.534),
    "yolov5s_convnext_large": (200_981_181, 569.469),
    "yolov5s_convnext_xlarge": (353_241_853, 1003.715),
}
HEAVY = {"yolov5x", *(f"yolov5s_efficientnetb{variant}" for variant in "1234567")}
HEAVY |= {f"yolov5s_convnext_{variant}" for variant in ("small", "base", "large", "xlarge")}


@pytest.fixture(scope="module", params=[pytest.param(name, marks=[pytest.mark.slow] * (name in HEAVY)) for name in FIGURES])
def built(request):
    """(name, ModelConfig, network, report) of one file, built once for all tests of it."""
    model = read_config(MODELS / f"{request.param}.yaml").model
    network = build_network(model, num_classes=80, anchors=network_anchors(model))
    report = network_report(network, model=model, num_classes=80, image_size=(640, 640))
    return request.param, model, network, report


def test_every_file_and_every_backbone_has_figures():
    assert {path.stem for path in MODELS.glob("*.yaml")} == set(FIGURES)
    assert {read_config(path).model.backbone for path in MODELS.glob("*.yaml")} == set(BACKBONES)


def test_cost_is_the_published_one(built):
    name, model, _, report = built
    params, gflops = FIGURES[name]
    batch_norm = 0 if BACKBONES[model.backbone].scalable else 896
    assert report["trainable_params"]["total"] == params + batch_norm
    assert report["flops"]["total"] / 1e9 == pytest.approx(gflops, abs=1e-3)


def test_header_states_the_cost(built):
    name, _, _, report = built
    header = (MODELS / f"{name}.yaml").read_text()
    params, gflops = re.search(r"([\d,]+) parameters at 80 classes, ([\d.]+) GFLOPs at 640 x 640", header).groups()
    assert int(params.replace(",", "")) == report["trainable_params"]["total"]
    assert float(gflops) == pytest.approx(report["flops"]["total"] / 1e9, abs=0.05)
    assert f"yolo-tf show model --config configs/models/{name}.yaml" in header


def test_taps_have_the_declared_strides_and_channels(built):
    _, model, network, _ = built
    spec = BACKBONES[model.backbone]
    features = keras.Model(network.inputs, [network.get_layer(tap.layer).output for tap in spec.taps])
    channels = feature_channels(spec, width=model.width)
    assert features.compute_output_shape([(4, 96, 160, 3)]) == [
        (4, 96 // stride, 160 // stride, count) for stride, count in zip(STRIDES, channels, strict=True)
    ]
    assert tuple(tap.stride for tap in spec.taps) == STRIDES


def test_table_states_the_cost_of_the_backbone(built):
    _, model, _, report = built
    spec = BACKBONES[model.backbone]
    if not spec.scalable or (model.depth, model.width) == (1, 1):
        assert report["trainable_params"]["backbone"] == spec.trainable_params
        assert report["flops"]["backbone"] / 1e9 == pytest.approx(spec.gflops, abs=1e-3)


def test_one_flat_graph_with_names_by_part(built):
    _, model, network, _ = built
    assert not [layer for layer in network.layers if isinstance(layer, keras.Model)]
    names = {layer.name for layer in network.layers}
    assert {"images", "pixel_scaling", "neck_p5_reduce_conv", "neck_p3_csp_merge_silu", "head_p4", "p5"} <= names
    adapters = {"adapter_p3_conv", "adapter_p5_batch_norm"}
    assert adapters & names == (set() if BACKBONES[model.backbone].scalable else adapters)
    assert not [layer.name for layer in network.layers if getattr(layer, "groups", 1) > 1]  # slow on a CPU


def test_pixels_are_scaled_inside_and_once(built):
    _, model, network, _ = built
    pixel = np.array([255, 51, 0], np.float32).reshape(1, 1, 1, 3)
    scaled = keras.Model(network.inputs, network.get_layer("pixel_scaling").output)([pixel])
    # ImageNet: (1 - 0.485) / 0.229, (0.2 - 0.456) / 0.224, (0 - 0.406) / 0.225
    expected = [1, 0.2, 0] if BACKBONES[model.backbone].scalable else [2.2489, -1.1429, -1.8044]
    np.testing.assert_allclose(np.ravel(scaled), expected, atol=1e-4)
    kinds = (keras.layers.Rescaling, keras.layers.Normalization)
    assert [layer.name for layer in network.layers if isinstance(layer, kinds)] == ["pixel_scaling"]
