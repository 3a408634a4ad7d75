import keras
import numpy as np
import pytest
import tensorflow as tf

from yolo_tf.errors import InputError
from yolo_tf.models.backbones import BACKBONES, build_backbone
from yolo_tf.models.backbones.resnet18 import basic_block
from yolo_tf.models.report import count_macs


@pytest.fixture(scope="module")
def backbone():
    keras.utils.set_random_seed(0)
    return build_backbone("resnet18")


def torch_convolution(x, kernel, stride):
    side = kernel.shape[0] // 2
    return tf.nn.conv2d(x, kernel, stride, [[0, 0], [side, side], [side, side], [0, 0]])


def normalized(x, batch_norm):
    gamma, beta, mean, variance = batch_norm.get_weights()
    return (x - mean) / np.sqrt(variance + 1e-5) * gamma + beta


def test_cost_is_the_published_one(backbone):
    # torchvision: 11,689,512 parameters, of which the classifier has 512 * 1000 + 1000
    assert sum(np.prod(variable.shape) for variable in backbone.trainable_variables) == 11_689_512 - 513_000 == 11_176_512
    assert backbone.count_params() == 11_186_112
    assert 2 * count_macs(backbone, image_size=(640, 640))["backbone"] / 1e9 == pytest.approx(29.609, rel=1e-3)


def test_features_have_the_grid_of_each_stride(backbone):
    features = backbone(np.random.default_rng(0).uniform(0, 255, (2, 96, 160, 3)).astype(np.float32))
    assert [tuple(feature.shape) for feature in features] == [(2, 12, 20, 128), (2, 6, 10, 256), (2, 3, 5, 512)]
    for feature, tap in zip(backbone.outputs, BACKBONES["resnet18"].taps, strict=True):
        assert backbone.get_layer(tap.layer).output is feature


@pytest.mark.parametrize("stride, filters", [(2, 7), (1, 5), (1, 7)])
def test_block_equals_the_sums_of_the_paper(stride, filters):
    """With a projection where stride or channels change, with the input itself otherwise; padded on both sides."""
    rng = np.random.default_rng(1)
    images = keras.Input((None, None, 5))
    block = keras.Model(images, basic_block(images, filters, stride, name="b"))
    for layer in block.layers:
        layer.set_weights([rng.uniform(0.2, 1, weight.shape) - 0.4 * (weight.ndim == 4) for weight in layer.get_weights()])
    x = rng.normal(size=(2, 8, 12, 5)).astype(np.float32)
    layers = {layer.name: layer for layer in block.layers}
    y = torch_convolution(x, layers["b_first_conv"].kernel, stride)
    y = tf.nn.relu(normalized(y, layers["b_first_batch_norm"]))
    y = normalized(torch_convolution(y, layers["b_second_conv"].kernel, 1), layers["b_second_batch_norm"])
    projected = (stride, filters) != (1, 5)
    assert ("b_shortcut_conv" in layers) == projected
    if projected:
        x_projected = torch_convolution(x, layers["b_shortcut_conv"].kernel, stride)
        x_projected = normalized(x_projected, layers["b_shortcut_batch_norm"])
    expected = tf.nn.relu(y + (x_projected if projected else x))
    assert 0.1 < np.mean(expected > 0) < 0.99 or not projected
    np.testing.assert_allclose(block(x), expected, atol=1e-4)


def test_batch_norms_have_the_constants_of_pytorch(backbone):
    batch_norms = [layer for layer in backbone.layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert {(layer.epsilon, layer.momentum) for layer in batch_norms} == {(1e-5, 0.9)} and len(batch_norms) == 20


def test_every_variable_gets_a_gradient(backbone):
    rng = np.random.default_rng(2)
    with tf.GradientTape() as tape:
        features = backbone(rng.uniform(0, 255, (2, 64, 96, 3)).astype(np.float32), training=True)
        total = tf.add_n([tf.reduce_sum(feature * rng.normal(size=feature.shape)) for feature in features])
    for variable, gradient in zip(backbone.trainable_variables, tape.gradient(total, backbone.trainable_variables)):
        assert np.isfinite(gradient).all() and np.abs(gradient).max() > 0, variable.path


def test_no_published_weights():
    with pytest.raises(InputError, match="resnet18 has no weights 'imagenet'. Expected none or a .keras file of a detector"):
        build_backbone("resnet18", weights="imagenet")
