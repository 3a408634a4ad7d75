"""YOLOv4-CSP and its EfficientNet forms, with the four classes of the study that printed their tables."""

import math

import pytest
from places import ROOT

from yolo_tf.config.reader import read_config
from yolo_tf.errors import InputError
from yolo_tf.models.backbones import BACKBONES, build_backbone, feature_channels
from yolo_tf.models.network import build_network, network_layout
from yolo_tf.models.reports.blocks import block_rows
from yolo_tf.models.reports.cost import network_report

MODELS = ROOT / "configs" / "models"
NUM_CLASSES = 4
# (backbone, neck_sppcsp, rest of the neck and head, total) and GFLOPs at 640 x 640.
PUBLISHED = {
    "yolov4_csp_s": (3_650_608, 1_904_640, 3_569_361, 9_124_609, 20.512),
    "yolov4_csp_l": (26_596_192, 7_610_368, 18_308_945, 52_515_505, 118.932),
    "yolov4_l_efficientnetb0": (4_007_548, 7_872_512, 18_178_897, 30_058_957, 47.266),
    "yolov4_l_efficientnetb1": (6_513_184, 7_872_512, 18_178_897, 32_564_593, 50.261),
    "yolov4_l_efficientnetb2": (7_700_994, 8_003_584, 18_181_969, 33_886_547, 51.838),
    "yolov4_l_efficientnetb3": (10_696_232, 8_134_656, 18_186_065, 37_016_953, 56.905),
    "yolov4_l_efficientnetb4": (17_548_616, 8_396_800, 18_193_233, 44_138_649, 65.958),
    "yolov4_l_efficientnetb5": (28_340_784, 8_658_944, 18_198_353, 55_198_081, 80.084),
    "yolov4_l_efficientnetb6": (40_735_704, 8_921_088, 18_205_521, 67_862_313, 96.675),
    "yolov4_l_efficientnetb7": (63_786_960, 9_183_232, 18_212_689, 91_182_881, 126.396),
}
HEAVY = {"yolov4_csp_l", *(f"yolov4_l_efficientnetb{variant}" for variant in range(8))}
# Parameters of the rows of the published tables, in their order.
ROWS = {
    "yolov4_csp_s": [464, 4672, 5216, 18560, 19904, 73984, 161152, 295424, 641792, 1180672, 1248768, 1904640],
    "yolov4_csp_l": [928, 18560, 20672, 73984, 119936, 295424, 1463552, 1180672, 5843456, 4720640, 12858368, 7610368]
    + [131584, 131584, 1642496, 33024, 33024, 411648, 295424, 1642496, 1180672, 6561792, 295424, 1180672, 4720640]
    + [6939, 13851, 27675],
    "yolov4_l_efficientnetb0": [928, 1448, 16714, 46640, 242930, 543148, 2026348, 717232, 412160, 7872512],
    "yolov4_l_efficientnetb1": [928, 2060, 27424, 77930, 345830, 751720, 2614300, 2280832, 412160, 7872512],
    "yolov4_l_efficientnetb2": [928, 2060, 27424, 103134, 421550, 862768, 3048878, 2735820, 498432, 8003584],
    "yolov4_l_efficientnetb3": [1160, 3504, 48118, 110912, 638700, 1387760, 4628964, 3284218, 592896, 8134656],
    "yolov4_l_efficientnetb4": [1392, 4146, 66238, 197586, 1059898, 2306724, 8636228, 4470004, 806400, 8396800],
    "yolov4_l_efficientnetb5": [1392, 5352, 122846, 329514, 1632464, 3286344, 12165292, 9744908, 1052672, 8658944],
    "yolov4_l_efficientnetb6": [1624, 8094, 156922, 493444, 2379438, 4840930, 19186878, 12336662, 1331712, 8921088],
    "yolov4_l_efficientnetb7": [1856, 10920, 253424, 716068, 3721660, 7615904, 28390712, 21432896, 1643520, 9183232],
}


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.long] * (name in HEAVY)) for name in PUBLISHED])
def test_every_published_number(name):
    model = read_config(MODELS / f"{name}.yaml").model
    network = build_network(model, num_classes=NUM_CLASSES, anchors=network_layout(model))
    report = network_report(network, model=model, num_classes=NUM_CLASSES, image_size=(640, 640))
    backbone, pyramid, rest, total, gflops = PUBLISHED[name]
    sppcsp = [layer for layer in network.layers if layer.name.startswith("neck_sppcsp_")]
    params = report.trainable_params
    assert sum(math.prod(variable.shape) for layer in sppcsp for variable in layer.trainable_variables) == pyramid
    assert (params["backbone"], params["adapters"]) == (backbone, 0)
    assert (params["neck"] - pyramid + params["head"], params["total"]) == (rest, total)
    assert report.flops["total"] / 1e9 == pytest.approx(gflops, abs=1e-3)
    rows = [row.params for row in block_rows(network) if row.params]
    assert rows[: len(ROWS[name])] == ROWS[name]
    assert network_layout(model).sizes[2, 2].tolist() == [459, 401]


def test_backbone_scales_with_depth_and_width():
    backbone = build_backbone("yolov4_csp", depth=0.5, width=0.125, activation="leaky_relu")
    assert [tuple(output.shape) for output in backbone.outputs] == [(None, None, None, count) for count in (32, 64, 128)]
    assert feature_channels(BACKBONES["yolov4_csp"], width=0.125) == (32, 64, 128)
    names = {layer.name for layer in backbone.layers}
    for stage, bottlenecks in {2: 1, 3: 4, 4: 4, 5: 2}.items():
        added = {f"backbone_stage{stage}_csp_bottleneck{index}_add" for index in range(9)}
        assert len(added & names) == bottlenecks
    assert "backbone_stage1_bottleneck_add" in names


def test_no_weights_are_published():
    with pytest.raises(InputError, match="yolov4_csp has no weights 'imagenet'. Expected none or a .keras"):
        build_backbone("yolov4_csp", weights="imagenet")
