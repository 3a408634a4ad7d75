"""Every file in configs/models is built and held against published figures."""

import dataclasses
import re

import keras
import numpy as np
import pytest
from places import ROOT

from yolo_tf.config.reader import read_config
from yolo_tf.models.backbones import BACKBONES
from yolo_tf.models.backbones.application_rows import V2_PIXELS
from yolo_tf.models.backbones.efficientnet_lite import PIXELS as LITE_PIXELS
from yolo_tf.models.backbones.spec import CAFFE_PIXELS, IMAGENET_PIXELS, RAW_PIXELS, TF_PIXELS, UNIT_PIXELS
from yolo_tf.models.network import build_network, network_layout
from yolo_tf.models.reports.cost import network_report

MODELS = ROOT / "configs" / "models"
# Trainable parameters with 80 classes and GFLOPs at 640 x 640. Yolov5: the logs of its releases. The others: as
# configured, but for batch norm adapters: with a bias in place of the batch norm, 128 + 256 + 512 = 896 parameters less.
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
    "yolov5s_efficientnetb7_plain": (66_260_429, 90.063),
    "yolov5s_convnext_tiny": (32_056_413, 80.278),
    "yolov5s_convnext_small": (53_690_973, 149.309),
    "yolov5s_convnext_base": (91_974_269, 258.534),
    "yolov5s_convnext_large": (200_981_181, 569.469),
    "yolov5s_convnext_xlarge": (353_241_853, 1003.715),
    "yolov4_csp_s": (9_329_581, 21.165),
    "yolov4_csp_l": (52_924_765, 120.240),
    "yolov4_l_efficientnetb0": (30_468_217, 48.573),
    "yolov4_l_efficientnetb1": (32_973_853, 51.568),
    "yolov4_l_efficientnetb2": (34_295_807, 53.146),
    "yolov4_l_efficientnetb3": (37_426_213, 58.213),
    "yolov4_l_efficientnetb4": (44_547_909, 67.266),
    "yolov4_l_efficientnetb5": (55_607_341, 81.391),
    "yolov4_l_efficientnetb6": (68_271_573, 97.983),
    "yolov4_l_efficientnetb7": (91_592_141, 127.704),
    "yolov5s_efficientnetb0_narrow": (5_075_385, 8.404),
    "yolov5s_efficientnetb1_narrow": (7_581_021, 11.399),
    "yolov5s_efficientnetb2_narrow": (8_702_015, 12.816),
    "yolov5s_efficientnetb3_narrow": (11_623_269, 17.716),
    "yolov5s_efficientnetb4_narrow": (18_302_085, 26.415),
    "yolov5s_efficientnetb5_narrow": (28_885_869, 40.160),
    "yolov5s_efficientnetb6_narrow": (41_041_685, 56.345),
    "yolov5s_efficientnetb7_narrow": (63_821_069, 85.634),
    "fpn_resnet18": (13_373_501, 41.349),
    "fpn_repvgg_a1": (15_204_861, 54.758),
    "yolov5s_resnet18": (15_242_301, 36.841),
    "yolov5s_ghostnet_050": (4_430_833, 7.339),
    "yolov5s_ghostnet": (6_353_345, 8.945),
    "yolov5s_ghostnet_130": (8_088_761, 10.307),
    "yolov5s_repvgg_a0": (12_266_493, 32.116),
    "yolov5s_repvgg_a1": (17_270_269, 50.407),
    "yolov5s_repvgg_a2": (31_367_101, 100.608),
    "yolov5s_repvgg_b0": (18_995_965, 62.990),
    "yolov5s_repvgg_b1": (60_300_157, 222.584),
    "yolov5s_repvgg_b1g2": (48_667_517, 168.058),
    "yolov5s_repvgg_b1g4": (42_851_197, 140.795),
    "yolov5s_repvgg_b2": (91_698_621, 342.016),
    "yolov5s_repvgg_b2g2": (73_522_621, 256.820),
    "yolov5s_repvgg_b2g4": (64_434_621, 214.221),
    "yolov5s_repvgg_b3": (125_802_493, 484.308),
    "yolov5s_repvgg_b3g2": (99_629_053, 361.625),
    "yolov5s_repvgg_b3g4": (86_542_333, 300.283),
    "yolov5s_inception_v4": (45_962_269, 141.617),
    "yolov5s_efficientnet_lite0": (6_878_205, 12.794),
    "yolov5s_efficientnet_lite1": (7_642_877, 14.709),
    "yolov5s_efficientnet_lite2": (8_296_765, 15.953),
    "yolov5s_efficientnet_lite3": (10_381_309, 20.434),
    "yolov5s_efficientnet_lite4": (15_148_797, 28.482),
    "yolov5s_efficientnetv2b0": (9_465_229, 18.344),
    "yolov5s_efficientnetv2b1": (10_466_577, 23.203),
    "yolov5s_efficientnetv2b2": (12_257_515, 25.682),
    "yolov5s_efficientnetv2b3": (16_344_475, 32.843),
    "yolov5s_efficientnetv2s": (23_749_197, 53.137),
    "yolov5s_efficientnetv2m": (56_239_601, 93.948),
    "yolov5s_efficientnetv2l": (120_531_549, 205.906),
    "yolov5s_mobilenet": (7_616_829, 17.130),
    "yolov5s_mobilenetv2": (5_725_949, 11.427),
    "yolov5s_mobilenetv3small": (4_656_797, 7.566),
    "yolov5s_mobilenetv3large": (6_653_869, 10.177),
    "yolov5s_densenet121": (11_527_549, 54.955),
    "yolov5s_densenet169": (17_451_389, 63.999),
    "yolov5s_densenet201": (23_321_981, 79.728),
    "yolov5s_resnet50": (28_632_573, 72.074),
    "yolov5s_resnet101": (47_650_813, 132.682),
    "yolov5s_resnet152": (63_317_501, 193.289),
    "yolov5s_resnet50v2": (28_617_341, 65.940),
    "yolov5s_resnet101v2": (47_626_877, 126.547),
    "yolov5s_resnet152v2": (63_285_885, 187.155),
    "yolov5s_xception": (25_796_389, 83.202),
    "yolov5s_inceptionv3": (26_772_125, 70.530),
    "yolov5s_inceptionresnetv2": (59_103_837, 153.347),
    "yolov5s_nasnetmobile": (8_664_335, 17.089),
    "yolov5s_vgg16": (18_895_165, 258.628),
    "yolov5s_vgg19": (24_204_861, 326.576),
    # arXiv:2107.08430, tables 5 and 6: 0.91 M and 1.08 (at 416 px) to 99.1 M and 281.9, these with some of the batch norms
    "yolox_nano": (912_159, 2.474),
    "yolox_tiny": (5_055_855, 15.178),
    "yolox_s": (8_968_255, 26.686),
    "yolox_m": (25_326_495, 73.530),
    "yolox_l": (54_208_895, 155.293),
    "yolox_x": (99_071_455, 281.410),
}
# Names that files had: "seed0" read like a random seed.
OLD_NAMES = {name.replace("_narrow", "_seed0"): name for name in FIGURES if name.endswith("_narrow")}
# One of every neck, and the lighter backbones; tests/models/reports/test_backbones.py has a backbone of every family.
QUICK = {"yolov5n", "yolov5s", "yolov5s_v5", "yolov4_csp_s", "fpn_resnet18", "yolov5s_efficientnetb0_narrow", "yolox_nano"}
QUICK |= {f"yolov5s_{backbone}" for backbone in ("resnet18", "repvgg_a0", "mobilenetv3small", "vgg16")}

# What becomes of red 255, green 51, blue 0. ImageNet: (1 - 0.485) / 0.229, (0.2 - 0.456) / 0.224, (0 - 0.406) / 0.225.
SCALED_PIXELS = {
    RAW_PIXELS: [255, 51, 0],
    UNIT_PIXELS: [1, 0.2, 0],
    IMAGENET_PIXELS: [2.2489, -1.1429, -1.8044],
    TF_PIXELS: [1, -0.6, -1],
    CAFFE_PIXELS: [131.32, -65.779, -103.939],
    LITE_PIXELS: [1, -0.59375, -0.9921875],
    V2_PIXELS: [0.99219, -0.60156, -1],
}


@pytest.fixture(scope="module", params=[pytest.param(name, marks=[pytest.mark.long] * (name not in QUICK)) for name in FIGURES])
def built(request):
    """(name, ModelConfig, network, report) of one file, built once for all tests of it."""
    model = read_config(MODELS / f"{request.param}.yaml").model
    network = build_network(model, num_classes=80, anchors=network_layout(model))
    report = network_report(network, model=model, num_classes=80, image_size=(640, 640))
    return request.param, model, network, report


def test_every_file_and_every_backbone_has_figures():
    assert {path.stem for path in MODELS.glob("*.yaml")} == set(FIGURES) | set(OLD_NAMES)
    assert {read_config(path).model.backbone for path in MODELS.glob("*.yaml")} == set(BACKBONES)


@pytest.mark.parametrize(("old", "new"), OLD_NAMES.items())
def test_an_old_name_builds_the_same_network(old, new):
    of_old, of_new = (read_config(MODELS / f"{name}.yaml") for name in (old, new))
    assert (of_old.model.name, of_new.model.name) == (old, new)
    assert dataclasses.replace(of_old, model=dataclasses.replace(of_old.model, name=new)) == of_new
    assert (MODELS / f"{old}.yaml").read_text().startswith(f"# The old name of {new}.yaml.\n")


def test_cost_is_the_published_one(built):
    name, model, _, report = built
    params, gflops = FIGURES[name]
    batch_norm = model.adapters == "batch_norm" and not BACKBONES[model.backbone].scalable
    assert report.trainable_params["total"] == params + 896 * batch_norm
    assert report.flops["total"] / 1e9 == pytest.approx(gflops, abs=1e-3)


def test_header_states_the_cost(built):
    name, _, _, report = built
    header = (MODELS / f"{name}.yaml").read_text()
    params, gflops = re.search(r"([\d,]+) parameters at 80 classes, ([\d.]+) GFLOPs at 640 x 640", header).groups()
    assert int(params.replace(",", "")) == report.trainable_params["total"]
    assert float(gflops) == pytest.approx(report.flops["total"] / 1e9, abs=0.05)
    assert f"yolo-tf show model --config configs/models/{name}.yaml" in header


def test_one_flat_graph_with_names_by_part(built):
    _, model, network, _ = built
    assert not [layer for layer in network.layers if isinstance(layer, keras.Model)]
    names = {layer.name for layer in network.layers}
    assert {"images", "pixel_scaling"} <= names
    assert {"anchor": {"head_p4", "p5"}, "decoupled": {"head_p4_class", "class_p5"}}[model.head] <= names
    assert {"neck_p5_reduce_conv", "neck_p3_csp_merge_activation"} <= names or {"neck_p3_output_conv"} <= names  # the FPN
    adapters = "none" if BACKBONES[model.backbone].scalable else model.adapters
    expected = {"none": set(), "plain": {"conv"}, "batch_norm": {"conv", "batch_norm"}}[adapters]
    assert {name for name in names if name.startswith("adapter_")} == {
        f"adapter_p{level}_{kind}" for level in (3, 4, 5) for kind in expected
    }
    grouped = [layer for layer in network.layers if getattr(layer, "groups", 1) > 1]
    assert not [layer.name for layer in grouped if layer.groups == layer.filters]  # slower than DepthwiseConv2D on a CPU


def test_pixels_are_scaled_inside_and_once(built):
    _, model, network, _ = built
    pixel = np.array([255, 51, 0], np.float32).reshape(1, 1, 1, 3)
    scaled = keras.Model(network.inputs, network.get_layer("pixel_scaling").output)([pixel])
    expected = SCALED_PIXELS[BACKBONES[model.backbone].pixel_scaling]
    np.testing.assert_allclose(np.ravel(scaled), expected, atol=1e-4)
    kinds = (keras.layers.Rescaling, keras.layers.Normalization)
    of_pixels = [layer.name for layer in network.layers if isinstance(layer, kinds) and layer.output.shape[-1] == 3]
    assert of_pixels == ["pixel_scaling"]
