import keras
import numpy as np
import pytest
import tensorflow as tf

from yolo_tf.errors import InputError
from yolo_tf.models.backbones import BACKBONES, build_backbone
from yolo_tf.models.backbones.resnet18 import basic_block


def test_row_and_classifier_make_the_published_count():
    # torchvision: 11,689,512 parameters, of which the classifier has 512 * 1000 + 1000
    assert BACKBONES["resnet18"].trainable_params + 513_000 == 11_689_512


def torch_convolution(x, kernel, stride):
    side = kernel.shape[0] // 2
    return tf.nn.conv2d(x, kernel, stride, [[0, 0], [side, side], [side, side], [0, 0]])


def normalized(x, batch_norm):
    gamma, beta, mean, variance = batch_norm.get_weights()
    return (x - mean) / np.sqrt(variance + 1e-5) * gamma + beta


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


def test_batch_norms_have_the_constants_of_pytorch():
    batch_norms = [layer for layer in build_backbone("resnet18").layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert {(layer.epsilon, layer.momentum) for layer in batch_norms} == {(1e-5, 0.9)} and len(batch_norms) == 20


def test_no_published_weights():
    with pytest.raises(InputError, match="resnet18 has no weights 'imagenet'. Expected none or a .keras file of a detector"):
        build_backbone("resnet18", weights="imagenet")
