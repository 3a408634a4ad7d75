import keras
import numpy as np
import pytest
import tensorflow as tf

from yolo_tf.errors import InputError
from yolo_tf.models.backbones import BACKBONES, build_backbone
from yolo_tf.models.backbones.inception_v4 import inception_module


def test_row_and_classifier_make_the_published_count():
    # timm: 42,679,816 parameters, of which the classifier has 1536 * 1000 + 1000
    assert BACKBONES["inception_v4"].trainable_params + 1_537_000 == 42_679_816


def test_pixels_reach_it_between_minus_1_and_1():
    scale, offset = BACKBONES["inception_v4"].pixel_scaling
    np.testing.assert_allclose(np.array([0, 51, 255]) * scale + offset, [-1, -0.6, 1], atol=1e-6)


def module(branches, stride, channels):
    images = keras.Input((None, None, channels))
    return keras.Model(images, inception_module(images, branches, stride, name="m"))


def test_branches_stand_side_by_side_in_order():
    """A module of every kind of step, against TensorFlow's own sums."""
    rng = np.random.default_rng(1)
    network = module(([(1, 1, 4), (1, 7, 5), "fork"], ["average", (3, 1, 7)]), 1, 3)
    for layer in network.layers:
        layer.set_weights([rng.uniform(0.2, 1, weight.shape) - 0.5 * (weight.ndim == 4) for weight in layer.get_weights()])
    layers = {layer.name: layer for layer in network.layers}

    def unit(x, name, kernel_size):
        kernel = layers[f"m_{name}_conv"].kernel
        assert tuple(kernel.shape[:2]) == kernel_size
        gamma, beta, mean, variance = layers[f"m_{name}_batch_norm"].get_weights()
        return tf.nn.relu((tf.nn.conv2d(x, kernel, 1, "SAME") - mean) / np.sqrt(variance + 1e-3) * gamma + beta)

    x = rng.normal(size=(2, 9, 11, 3)).astype(np.float32)
    trunk = unit(unit(x, "branch1_step1", (1, 1)), "branch1_step2", (1, 7))
    sides = [unit(trunk, "branch1_step3_1x3", (1, 3)), unit(trunk, "branch1_step3_3x1", (3, 1))]
    pooled = tf.nn.avg_pool2d(x, 3, 1, "SAME")
    expected = np.concatenate([*sides, unit(pooled, "branch2_step2", (3, 1))], -1)
    assert expected.shape == (2, 9, 11, 256 + 256 + 7) and 0.1 < np.mean(expected > 0) < 0.95
    np.testing.assert_allclose(network(x), expected, atol=1e-4)


def test_strided_windows_start_where_they_do_without_padding():
    x = np.random.default_rng(2).normal(size=(2, 8, 12, 3)).astype(np.float32)
    network = module((["maximum"], [(1, 1, 3), (3, 3, 5)]), 2, 3)
    found = np.asarray(network(x))
    assert found.shape == (2, 4, 6, 8)
    np.testing.assert_allclose(found[:, :3, :5, :3], tf.nn.max_pool2d(x, 3, 2, "VALID"), atol=1e-6)
    inner = keras.Model(network.input, network.get_layer("m_branch2_step1_relu").output)(x)
    unpadded = tf.nn.conv2d(inner, network.get_layer("m_branch2_step2_conv").kernel, 2, "VALID")
    np.testing.assert_allclose(found[:, :3, :5, 3:], tf.nn.relu(unpadded / np.sqrt(1.001)), atol=1e-4)


def test_average_at_the_rim_leaves_the_padding_out():
    network = module((["average"],), 1, 2)
    np.testing.assert_allclose(network(np.ones((1, 4, 6, 2), np.float32)), np.ones((1, 4, 6, 2)), atol=1e-6)


def test_no_published_weights():
    with pytest.raises(InputError, match="inception_v4 has no weights 'imagenet'. Expected none or a .keras file of a"):
        build_backbone("inception_v4", weights="imagenet")
