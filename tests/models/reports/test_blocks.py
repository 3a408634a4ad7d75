import keras
import pytest

from yolo_tf.config import ModelConfig
from yolo_tf.heads.anchor.anchors import COCO_ANCHORS
from yolo_tf.models.network import build_network
from yolo_tf.models.reports.blocks import block_of, block_rows, format_block_rows

# YOLOv5n's published rows, without those that have none.
PARAMS = [1760, 4672, 4800, 18560, 29184, 73984, 156928, 295424, 296448, 164608, 33024, 90880, 8320, 22912, 36992, 74496]
PARAMS += [147712, 296448, 85 * 3 * 65, 85 * 3 * 129, 85 * 3 * 257]


@pytest.fixture(scope="module")
def rows():
    return block_rows(build_network(ModelConfig(), num_classes=80, anchors=COCO_ANCHORS))


def test_every_block_of_yolov5n_has_its_published_parameters(rows):
    assert [row.params for row in rows if row.params] == PARAMS
    assert sum(row.params for row in rows) == 1_872_157
    assert rows[2].to_json() == {"block": "backbone_stem", "from": [1], "params": 1760, "channels": 16}


def test_rows_tell_what_they_read(rows):
    named = {row.block: row for row in rows}
    assert rows[0].to_json() == {"block": "images", "from": [], "params": 0, "channels": 3}
    for block, sources in {
        "neck_p4_topdown_join": ["backbone_stage3_csp", "neck_p5_upsample"],
        "neck_p5_join": ["neck_p5_reduce", "neck_p4_downsample"],
        "head_p3": ["neck_p3_csp"],
    }.items():
        assert [rows[number].block for number in named[block].sources] == sources
    assert named["neck_p4_topdown_join"].channels == 256


def test_text_counts_from_the_row_above(rows):
    lines = format_block_rows(rows).splitlines()
    assert lines[0].split() == ["row", "from", "parameters", "channels", "block"]
    assert [lines[1 + number].split(maxsplit=2) for number in (0, 2)] == [
        ["0", "-", "0         3  images"],
        ["2", "-1", "1,760        16  backbone_stem"],
    ]
    assert lines[15].split() == ["14", "8,", "-1", "0", "256", "neck_p4_topdown_join"]


@pytest.mark.parametrize(
    ("layer", "block"),
    [
        ("neck_p3_csp_bottleneck0_3x3_conv", "neck_p3_csp"),
        ("neck_sppcsp_before_3x3_batch_norm", "neck_sppcsp"),
        ("adapter_p5_batch_norm", "adapter_p5"),
        ("block3a_se_reduce", "block3"),
        ("convnext_tiny_stage_0_block_2_add", "convnext_tiny_stage_0"),
        ("conv4_block23_2_conv", "conv4"),
        ("resnet18_stage1_block2_first_conv", "resnet18_stage1"),
        ("repvgg_stage2_down_3x3_conv", "repvgg_stage2"),
        ("stem_conv_pad", "stem"),
        ("repvgg_stem_1x1_subsample", "repvgg_stem"),
        ("top_conv", "top"),
        ("conv2d_94", "conv2d_94"),
    ],
)
def test_block_of_a_layer(layer, block):
    assert block_of(layer) == block


def test_layers_of_another_network_are_no_rows():
    x = images = keras.Input((None, None, 3), name="images")
    x = middle = keras.layers.Conv2D(4, 1, name="stem_conv")(x)
    x = keras.layers.Conv2D(5, 3, name="head_p3")(x)
    keras.Model(images, keras.layers.Conv2D(7, 1, name="head_p4")(middle))  # shares the stem
    rows = block_rows(keras.Model(images, keras.layers.Activation("linear", name="p3")(x)))
    assert [(row.block, list(row.sources), row.params) for row in rows] == [
        ("images", [], 0),
        ("stem", [0], 16),
        ("head_p3", [1], 185),
    ]
