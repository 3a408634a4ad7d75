import keras
import numpy as np
import pytest
import tensorflow as tf

from yolo_tf.errors import InputError
from yolo_tf.models.backbones import BACKBONES, build_backbone
from yolo_tf.models.backbones.repvgg import build_repvgg, repvgg_block

# trainable parameters with a classifier of 1000 classes, as timm counts
PUBLISHED = {
    "repvgg_a0": 9_108_968,
    "repvgg_a1": 14_092_264,
    "repvgg_a2": 28_210_600,
    "repvgg_b0": 15_817_960,
    "repvgg_b1": 57_415_016,
    "repvgg_b2": 89_022_376,
    "repvgg_b3": 123_085_288,
    "repvgg_b1g2": 45_782_376,
    "repvgg_b1g4": 39_966_056,
    "repvgg_b2g2": 70_846_376,
    "repvgg_b2g4": 61_758_376,
    "repvgg_b3g2": 96_911_848,
    "repvgg_b3g4": 83_825_128,
}


def test_rows_and_classifier_make_the_published_counts():
    rows = {name: spec for name, spec in BACKBONES.items() if name.startswith("repvgg_")}
    assert {name: spec.trainable_params + (spec.taps[-1].channels + 1) * 1000 for name, spec in rows.items()} == PUBLISHED


def small(groups=1):
    images = keras.Input((None, None, 3))
    features = build_repvgg(images, widths=(8, 16, 24, 40), blocks=(2, 3, 2, 1), groups=groups)
    return keras.Model(images, list(features))


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


def test_batch_norms_have_the_constants_of_pytorch():
    batch_norms = [layer for layer in small().layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert {(layer.epsilon, layer.momentum) for layer in batch_norms} == {(1e-5, 0.9)}


def test_no_published_weights():
    with pytest.raises(InputError, match="repvgg_b3g4 has no weights 'imagenet'. Expected none or a .keras file of a detector"):
        build_backbone("repvgg_b3g4", weights="imagenet")
