import keras
import numpy as np
import pytest
import tensorflow as tf

from yolo_tf.heads.anchor.anchors import COCO_ANCHORS
from yolo_tf.heads.anchor.layers import detection_head
from yolo_tf.models.necks.fpn import fpn


def neck_model(channels, *, width=1.0):
    features = [keras.Input((None, None, count)) for count in channels]
    return keras.Model(features, list(fpn(features, depth=0.33, width=width)))


@pytest.mark.parametrize(
    ("channels", "backbone", "total"),
    [((128, 256, 1280), 12_811_264, 15_066_081), ((128, 256, 512), 11_176_512, 13_234_721)],
    ids=["repvgg_a1", "resnet18"],
)
def test_published_totals_with_20_classes(channels, backbone, total):
    neck = neck_model(channels)
    outputs = detection_head(neck.outputs, COCO_ANCHORS, num_classes=20)
    model = keras.Model(neck.inputs, outputs)
    assert backbone + sum(int(np.prod(variable.shape)) for variable in model.trainable_variables) == total


def test_channels_follow_the_width():
    assert [output.shape[-1] for output in neck_model((5, 6, 7), width=0.125).outputs] == [32, 32, 32]


def test_coarse_features_are_added_to_every_cell_they_cover():
    model = neck_model((1, 1, 1), width=0.03125)
    for level in (3, 4, 5):
        model.get_layer(f"neck_p{level}_lateral_conv").set_weights([np.ones((1, 1, 1, 8)), np.full(8, level)])
        centre = np.zeros((3, 3, 8, 8))
        centre[1, 1] = np.eye(8)
        model.get_layer(f"neck_p{level}_output_conv").set_weights([centre, np.zeros(8)])
    rng = np.random.default_rng(0)
    p3, p4, p5 = (rng.normal(size=(2, rows, 2 * rows, 1)).astype(np.float32) for rows in (12, 6, 3))
    expected5 = p5 + 5
    expected4 = p4 + 4 + expected5.repeat(2, 1).repeat(2, 2)
    expected3 = p3 + 3 + expected4.repeat(2, 1).repeat(2, 2)
    for output, expected in zip(model([p3, p4, p5]), (expected3, expected4, expected5), strict=True):
        np.testing.assert_allclose(output, expected.repeat(8, -1), rtol=1e-5)


def test_a_level_depends_on_its_own_and_coarser_features_only():
    model, rng = neck_model((5, 6, 7), width=0.125), np.random.default_rng(0)
    sides = [(12, 20, 5), (6, 10, 6), (3, 5, 7)]
    features = [tf.constant(rng.normal(size=(2, *side)), tf.float32) for side in sides]
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(features)
        totals = [tf.reduce_sum(output * output) for output in model(features)]
    for level, total in enumerate(totals):
        reached = [gradient is not None and np.abs(gradient).max() > 0 for gradient in tape.gradient(total, features)]
        assert reached == [source >= level for source in range(3)]
