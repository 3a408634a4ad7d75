import keras
import numpy as np
import pytest

from yolo_tf.heads.anchor.anchors import COCO_ANCHORS
from yolo_tf.heads.anchor.layers import detection_head
from yolo_tf.models.necks import NECKS


@pytest.fixture(scope="module")
def model():
    features = [keras.Input((None, None, count)) for count in (128, 256, 512)]
    maps = NECKS["csp_pan_narrow"](features, depth=0.33, width=0.5)
    outputs = detection_head(maps, COCO_ANCHORS, num_classes=80)
    return keras.Model(features, [*maps, *outputs])


def test_published_parameters_with_the_head(model):
    assert sum(int(np.prod(variable.shape)) for variable in model.trainable_variables) == 1_281_469
    assert [output.shape[-1] for output in model.outputs[:3]] == [64, 128, 256]


@pytest.mark.parametrize(
    ("join", "first", "second"),
    [
        ("neck_p4_topdown_join", "neck_p5_upsample", 1),
        ("neck_p3_join", "neck_p4_upsample", 0),
        ("neck_p4_join", "neck_p3_downsample_activation", "neck_p4_topdown_csp_merge_activation"),
        ("neck_p5_join", "neck_p4_downsample_activation", "neck_sppf_merge_activation"),
    ],
)
def test_the_way_up_takes_the_merged_maps(model, join, first, second):
    found = model.get_layer(join).input
    assert found[0] is model.get_layer(first).output
    assert found[1] is (model.inputs[second] if isinstance(second, int) else model.get_layer(second).output)
