import keras
import pytest

from yolo_tf.config import ModelConfig
from yolo_tf.heads.anchor.anchors import COCO_ANCHORS
from yolo_tf.models.network import build_network
from yolo_tf.models.parts import PARTS
from yolo_tf.models.reports.cost import count_macs, format_report, network_report


@pytest.fixture(scope="module")
def network():
    return build_network(ModelConfig(), num_classes=80, anchors=COCO_ANCHORS)


@pytest.fixture(scope="module")
def yolov5n(network):
    return network_report(network, model=ModelConfig(), num_classes=80, image_size=(640, 640))


def test_parts_of_yolov5n(yolov5n):
    assert yolov5n.trainable_params == {
        "backbone": 881_760,
        "adapters": 0,
        "neck": 875_392,
        "head": 115_005,
        "total": 1_872_157,
    }
    assert yolov5n.flops["backbone"] / 1e9 == pytest.approx(2.635, abs=1e-3)
    assert yolov5n.flops["total"] / 1e9 == pytest.approx(4.468, abs=1e-3)
    assert yolov5n.flops == {part: 2 * count for part, count in yolov5n.macs.items()}
    assert yolov5n.macs["total"] == sum(yolov5n.macs[part] for part in PARTS)


def test_what_was_asked_stands_in_the_report(yolov5n):
    assert (yolov5n.name, yolov5n.image_size, yolov5n.num_classes) == ("yolov5n", (640, 640), 80)
    assert yolov5n.to_json()["taps"][1] == {
        "layer": "backbone_stage3_csp_merge_activation",
        "stride": 16,
        "channels": 128,
    }


def test_arithmetic_grows_with_the_area_of_the_image(network):
    half = count_macs(network, image_size=(320, 640))
    assert {part: 2 * count for part, count in half.items()} == count_macs(network, image_size=(640, 640))


def test_worked_counts_of_each_kind_of_layer():
    x = images = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(4, 3, 2, padding="same")(x)  # 4 x 6 cells, 3 * 3 * 3 * 4 each: 2592
    x = keras.layers.DepthwiseConv2D(5, padding="same", name="neck_depthwise")(x)  # 24 cells, 5 * 5 * 4: 2400
    x = keras.layers.Conv2D(6, 3, padding="same", groups=2, name="head_grouped")(x)  # 24 cells, 3 * 3 * 2 * 6: 2592
    x = keras.layers.Dense(5, name="head_dense")(x)  # 24 cells, 6 * 5: 720
    network = keras.Model(images, keras.layers.BatchNormalization()(x))
    macs = count_macs(network, image_size=(8, 12))
    assert macs == {"backbone": 2592, "adapters": 0, "neck": 2400, "head": 2592 + 720, "total": 2592 + 2400 + 3312}


def test_worked_counts_of_layers_with_two_kernels_or_any_axes():
    x = images = keras.Input((None, None, 3))
    # 4 x 6 cells: 3 * 3 * 3 * 2 depthwise = 54 and 6 * 5 pointwise = 30
    x = keras.layers.SeparableConv2D(5, 3, 2, padding="same", depth_multiplier=2)(x)
    # 24 cells, each of 7 * 2 outputs sums 5 channels: 24 * 70
    x = keras.layers.EinsumDense("bhwc,cmn->bhwmn", output_shape=(None, None, 7, 2), name="neck_einsum")(x)
    # 24 cells, each of 9 outputs sums 7 * 2 channels: 24 * 126
    x = keras.layers.EinsumDense("...mn,mnd->...d", output_shape=9, name="head_einsum")(x)
    macs = count_macs(keras.Model(images, x), image_size=(8, 12))
    assert macs == {"backbone": 24 * 84, "adapters": 0, "neck": 24 * 70, "head": 24 * 126, "total": 24 * (84 + 70 + 126)}


def test_no_layer_is_passed_over():
    images = keras.Input((None, None, 3))
    x = keras.layers.Conv2DTranspose(4, 2, 2, name="mixer")(images)
    with pytest.raises(TypeError, match=r"no rule for layer 'mixer' \(Conv2DTranspose\)"):
        count_macs(keras.Model(images, x), image_size=(8, 12))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (dict(), dict(backbone="random", adapters="absent", neck="random", head="random")),
        (dict(backbone_weights="a.keras"), dict(backbone="a.keras", adapters="absent", neck="random", head="random")),
        (dict(weights="b.keras"), dict.fromkeys(PARTS, "b.keras")),
    ],
)
def test_initial_weights(network, options, expected):
    report = network_report(network, model=ModelConfig(**options), num_classes=80, image_size=(64, 96))
    assert report.initial_weights == expected


def test_text_gives_each_part_a_line(yolov5n):
    lines = format_report(yolov5n).splitlines()
    assert lines[0] == "yolov5n: 80 classes, 640 x 640 px"
    assert [line.split() for line in lines[2:4]] == [
        ["part", "parameters", "GMACs", "GFLOPs", "initial", "weights"],
        ["backbone", "881,760", "1.317", "2.635", "random"],
    ]
    assert lines[7].split() == ["total", "1,872,157", "2.234", "4.468"]
    assert lines[2].index("parameters") + len("parameters") == lines[3].index("881,760") + len("881,760"), "to the right"
    assert [line.split() for line in lines[8:]] == [
        [],
        ["feature", "stride", "channels"],
        ["backbone_stage2_csp_merge_activation", "8", "64"],
        ["backbone_stage3_csp_merge_activation", "16", "128"],
        ["backbone_stage4_csp_merge_activation", "32", "256"],
    ]
