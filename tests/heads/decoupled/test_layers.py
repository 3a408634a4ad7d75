"""The layers: names, widths, prior, depthwise form."""

import keras
import numpy as np
import pytest

from yolo_tf.config import ModelConfig
from yolo_tf.heads.decoupled.layers import decoupled_head
from yolo_tf.heads.decoupled.layout import cell_grid

CHANNELS, CLASSES = (12, 20, 36), 7


def head_model(num_classes=CLASSES, **options):
    features = [keras.Input((None, None, channels)) for channels in CHANNELS]
    model = ModelConfig(head="decoupled", **options)
    return keras.Model(features, decoupled_head(features, cell_grid((8, 16, 32)), num_classes=num_classes, model=model))


def test_every_level_is_as_wide_as_the_finest_feature():
    """Stem c x 12, four 3 x 3 of 12 x 12, each with a batch norm; 4 + 1 + C predictions with a bias."""
    of_level = [c * 12 + 24 + 4 * (9 * 12 * 12 + 24) + (12 + 1) * (4 + 1 + CLASSES) for c in CHANNELS]
    assert sum(int(np.prod(v.shape)) for v in head_model().trainable_variables) == sum(of_level)
    assert [tuple(raw.shape) for raw in head_model().outputs] == [
        (None, None, None, n) for n in (4, 1, CLASSES) for _ in CHANNELS
    ]


def test_depthwise_convolutions_come_before_pointwise_ones():
    model = head_model(depthwise=True)
    of_level = [c * 12 + 24 + 4 * (9 * 12 + 24 + 12 * 12 + 24) + (12 + 1) * (4 + 1 + CLASSES) for c in CHANNELS]
    assert sum(int(np.prod(v.shape)) for v in model.trainable_variables) == sum(of_level)
    assert isinstance(model.get_layer("head_p4_box_branch1_depthwise_conv"), keras.layers.DepthwiseConv2D)
    assert model.get_layer("head_p4_box_branch1_pointwise_conv").kernel_size == (1, 1)


def test_only_one_layer_of_a_level_depends_on_the_classes():
    shapes = [{v.path: tuple(v.shape) for v in head_model(count).trainable_variables} for count in (CLASSES, 3)]
    assert shapes[0].keys() == shapes[1].keys()
    different = {path.split("/")[0] for path in shapes[0] if shapes[0][path] != shapes[1][path]}
    assert different == {"head_p3_class", "head_p4_class", "head_p5_class"}
    assert {path.split("/")[0] for path in shapes[0] if path.startswith("head_p3") and "_branch" not in path} == {
        "head_p3_stem_conv", "head_p3_stem_batch_norm", "head_p3_class", "head_p3_box", "head_p3_objectness"
    }  # fmt: skip


@pytest.mark.parametrize("part", ["objectness", "class"])
def test_an_untrained_cell_holds_nothing_for_likely(part):
    bias = head_model().get_layer(f"head_p4_{part}").bias.numpy()
    np.testing.assert_allclose(1 / (1 + np.exp(-bias)), 0.01, rtol=1e-5)


def test_the_activation_is_that_of_the_network():
    layers = [layer for layer in head_model(activation="relu6").layers if layer.name.endswith("_activation")]
    assert len(layers) == 3 * 5 and {layer.activation for layer in layers} == {keras.activations.relu6}


def test_outputs_are_float32_under_half_precision_and_named_by_part_and_level():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = head_model()
    finally:
        keras.config.set_dtype_policy("float32")
    assert {raw.dtype for raw in model.outputs} == {"float32"}
    assert model.output_names == [f"{part}_p{level}" for part in ("box", "objectness", "class") for level in (3, 4, 5)]


def test_boxes_and_classes_share_nothing_but_the_stem():
    model = head_model()
    features = [np.random.default_rng(0).normal(size=(1, 4, 5, c)).astype(np.float32) for c in CHANNELS]
    before = [raw.numpy() for raw in model(features)]
    layer = model.get_layer("head_p3_class_branch1_conv")
    layer.kernel.assign(layer.kernel * -1)
    changed = [np.abs(raw - old).max() > 1e-6 for raw, old in zip(model(features), before, strict=True)]
    assert changed == [False] * 6 + [True, False, False]
