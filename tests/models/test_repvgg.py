import keras
import numpy as np
import pytest
import tensorflow as tf

from yolo_tf.errors import InputError
from yolo_tf.models.backbones import BACKBONES, build_backbone
from yolo_tf.models.backbones.repvgg import build_repvgg, repvgg_block
from yolo_tf.models.report import count_macs

# trainable parameters, parameters with running statistics, GFLOPs at 640 x 640, parameters with a classifier (timm)
FIGURES = {
    "repvgg_a0": (7_827_968, 7_851_616, 24.674, 9_108_968),
    "repvgg_a1": (12_811_264, 12_841_088, 42.861, 14_092_264),
    "repvgg_a2": (26_801_600, 26_844_160, 92.799, 28_210_600),
    "repvgg_b0": (14_536_960, 14_572_160, 55.443, 15_817_960),
    "repvgg_b1": (55_366_016, 55_434_112, 214.303, 57_415_016),
    "repvgg_b2": (86_461_376, 86_546_432, 333.316, 89_022_376),
    "repvgg_b3": (120_524_288, 120_624_256, 475.398, 123_085_288),
    "repvgg_b1g2": (43_733_376, 43_801_472, 159.777, 45_782_376),
    "repvgg_b1g4": (37_917_056, 37_985_152, 132.514, 39_966_056),
    "repvgg_b2g2": (68_285_376, 68_370_432, 248.119, 70_846_376),
    "repvgg_b2g4": (59_197_376, 59_282_432, 205.521, 61_758_376),
    "repvgg_b3g2": (94_350_848, 94_450_816, 352.715, 96_911_848),
    "repvgg_b3g4": (81_264_128, 81_364_096, 291.373, 83_825_128),
}


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.slow] * (name != "repvgg_a0")) for name in FIGURES])
def test_cost_is_the_published_one(name):
    params, with_statistics, gflops, with_classifier = FIGURES[name]
    backbone = build_backbone(name)
    assert sum(np.prod(variable.shape) for variable in backbone.trainable_variables) == params
    assert backbone.count_params() == with_statistics
    assert params + (backbone.outputs[-1].shape[-1] + 1) * 1000 == with_classifier
    assert 2 * count_macs(backbone, image_size=(640, 640))["backbone"] / 1e9 == pytest.approx(gflops, rel=1e-3)
    for feature, tap in zip(backbone.outputs, BACKBONES[name].taps, strict=True):
        assert backbone.get_layer(tap.layer).output is feature and feature.shape[-1] == tap.channels


def test_every_row_has_figures():
    assert set(FIGURES) == {name for name in BACKBONES if name.startswith("repvgg_")}


def small(groups=1):
    images = keras.Input((None, None, 3))
    features = build_repvgg(images, widths=(8, 16, 24, 40), blocks=(2, 3, 2, 1), groups=groups, weights="none")
    return keras.Model(images, list(features))


def test_features_have_the_grid_of_each_stride():
    features = small()(np.random.default_rng(0).normal(size=(2, 96, 160, 3)).astype(np.float32))
    assert [tuple(feature.shape) for feature in features] == [(2, 12, 20, 16), (2, 6, 10, 24), (2, 3, 5, 40)]


def test_every_second_block_is_grouped():
    groups = {layer.name: layer.groups for layer in small(groups=4).layers if isinstance(layer, keras.layers.Conv2D)}
    grouped = ["stage1_block2", "stage2_block2", "stage3_block1", "stage4_block1"]
    expected = {f"repvgg_{block}_{kernel}_conv" for block in grouped for kernel in ("3x3", "1x1")}
    assert {name for name, count in groups.items() if count == 4} == expected
    assert set(groups.values()) == {1, 4} and len(groups) == 2 * 9


@pytest.mark.parametrize("stride, filters", [(1, 5), (1, 7), (2, 5)])
def test_block_sums_branches_that_are_centred_on_one_pixel(stride, filters):
    rng = np.random.default_rng(1)
    images = keras.Input((None, None, 5))
    block = keras.Model(images, repvgg_block(images, filters, stride, name="repvgg_b"))
    for layer in block.layers:
        layer.set_weights([rng.uniform(0.2, 1, weight.shape) - 0.5 * (weight.ndim == 4) for weight in layer.get_weights()])
    layers = {layer.name: layer for layer in block.layers}

    def normalized(x, branch):
        gamma, beta, mean, variance = layers[f"repvgg_b_{branch}_batch_norm"].get_weights()
        return (x - mean) / np.sqrt(variance + 1e-5) * gamma + beta

    x = rng.normal(size=(2, 8, 12, 5)).astype(np.float32)
    expected = normalized(tf.nn.conv2d(x, layers["repvgg_b_3x3_conv"].kernel, stride, [[0, 0], [1, 1], [1, 1], [0, 0]]), "3x3")
    expected += normalized(x[:, ::stride, ::stride] @ layers["repvgg_b_1x1_conv"].kernel[0, 0], "1x1")
    same_shape = (stride, filters) == (1, 5)
    assert ("repvgg_b_identity_batch_norm" in layers) == same_shape
    if same_shape:
        expected += normalized(x, "identity")
    assert 0.02 < np.mean(expected > 0) < 0.98
    np.testing.assert_allclose(block(x), np.maximum(expected, 0), atol=1e-4)


def test_every_variable_gets_a_gradient():
    keras.utils.set_random_seed(0)
    backbone, rng = small(), np.random.default_rng(2)
    with tf.GradientTape() as tape:
        features = backbone(rng.normal(size=(4, 64, 96, 3)).astype(np.float32), training=True)
        total = tf.add_n([tf.reduce_sum(feature * rng.normal(size=feature.shape)) for feature in features])
    for variable, gradient in zip(backbone.trainable_variables, tape.gradient(total, backbone.trainable_variables)):
        assert np.isfinite(gradient).all() and np.abs(gradient).max() > 0, variable.path


def test_batch_norms_have_the_constants_of_pytorch():
    batch_norms = [layer for layer in small().layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert {(layer.epsilon, layer.momentum) for layer in batch_norms} == {(1e-5, 0.9)}


def test_no_published_weights():
    with pytest.raises(InputError, match="repvgg has no weights 'imagenet'. Expected none or a .keras file of a detector"):
        build_backbone("repvgg_b3g4", weights="imagenet")
