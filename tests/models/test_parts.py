"""Stages, freezing and learning rates by part, on a network small enough to list."""

import keras
import pytest

from yolo_tf.config import ModelConfig
from yolo_tf.errors import InputError
from yolo_tf.heads.anchor.anchors import COCO_ANCHORS
from yolo_tf.models.network import build_network
from yolo_tf.models.parts import backbone_stages, frozen_layers, learning_rate_factors


@pytest.fixture(scope="module")
def network():
    return build_network(ModelConfig(width=0.05), num_classes=3, anchors=COCO_ANCHORS)


def test_a_stage_is_the_stride_of_the_output(network):
    stages = backbone_stages(network)
    assert stages["pixel_scaling"] == stages["backbone_stem_pad"] == stages["backbone_stem_conv"] == 1
    assert stages["backbone_stage1_down_conv"] == stages["backbone_stage1_csp_merge_batch_norm"] == 2
    assert stages["backbone_stage4_down_conv"] == stages["backbone_stage4_csp_bypass_conv"] == 5
    assert set(stages.values()) == {1, 2, 3, 4, 5}
    assert not [name for name in stages if name.startswith(("neck_", "head_"))]


def test_a_squeeze_belongs_where_its_map_is():
    images = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(4, 3, 8, padding="same", name="wide")(images)
    squeezed = keras.layers.GlobalAveragePooling2D(keepdims=True, name="squeeze")(x)
    squeezed = keras.layers.Conv2D(4, 1, name="excite")(squeezed)
    network = keras.Model(images, keras.layers.Multiply(name="scaled")([x, squeezed]))
    assert backbone_stages(network) == {"wide": 3, "squeeze": 3, "excite": 3, "scaled": 3}


@pytest.mark.parametrize(
    ("freeze", "included", "excluded"),
    [
        (("backbone",), "backbone_stage4_csp_merge_conv", "neck_sppf_reduce_conv"),
        (("stage1", "stage2"), "backbone_stage1_csp_merge_batch_norm", "backbone_stage2_down_conv"),
        (("neck", "head"), "head_p4", "backbone_stem_conv"),
    ],
)
def test_parts_and_stages_are_frozen(network, freeze, included, excluded):
    names = {layer.name for layer in frozen_layers(network, freeze)}
    assert included in names and excluded not in names


def test_nothing_is_frozen_by_default(network):
    assert frozen_layers(network, ()) == []


def test_unusable_freezing(network):
    with pytest.raises(InputError, match="config.transfer.freeze: unknown part 'backbon'. Did you mean 'backbone'"):
        frozen_layers(network, ("backbon",))
    with pytest.raises(InputError, match="leaves nothing to train. Expected fewer parts"):
        frozen_layers(network, ("backbone", "neck", "head"))


def test_factors_fall_from_the_neck_down(network):
    factors = learning_rate_factors(network, backbone=0.1, layer_decay=0.5)
    assert factors["backbone_stage4_down_conv/kernel"] == pytest.approx(0.1 * 0.5)  # stage 5
    assert factors["backbone_stage3_down_conv/kernel"] == pytest.approx(0.1 * 0.25)
    assert factors["backbone_stem_batch_norm/gamma"] == pytest.approx(0.1 * 0.5**5)
    assert not [path for path in factors if path.startswith(("neck_", "head_"))]
    assert learning_rate_factors(network, backbone=1.0, layer_decay=1.0) == {}
