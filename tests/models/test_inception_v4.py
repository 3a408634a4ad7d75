import keras
import numpy as np
import pytest
import tensorflow as tf

from yolo_tf.errors import InputError
from yolo_tf.models.backbones import BACKBONES, build_backbone
from yolo_tf.models.backbones.inception_v4 import inception_module
from yolo_tf.models.report import count_macs


@pytest.fixture(scope="module")
def backbone():
    keras.utils.set_random_seed(0)
    return build_backbone("inception_v4")


def module(branches, stride, channels):
    images = keras.Input((None, None, channels))
    return keras.Model(images, inception_module(images, branches, stride, name="m"))


def test_cost_is_the_published_one(backbone):
    # timm: 42,679,816 parameters, of which the classifier has 1536 * 1000 + 1000
    assert sum(np.prod(variable.shape) for variable in backbone.trainable_variables) == 42_679_816 - 1_537_000 == 41_142_816
    assert backbone.count_params() == 41_205_984
    assert 2 * count_macs(backbone, image_size=(640, 640))["backbone"] / 1e9 == pytest.approx(132.917, rel=1e-3)


def test_features_lie_on_the_grids_of_a_detector(backbone):
    """Without padding 640 px would give 77, 38 and 18 cells."""
    shapes = backbone.compute_output_shape((2, 96, 640, 3))
    assert [tuple(shape) for shape in shapes] == [(2, 12, 80, 384), (2, 6, 40, 1024), (2, 3, 20, 1536)]
    for feature, tap in zip(backbone.outputs, BACKBONES["inception_v4"].taps, strict=True):
        assert backbone.get_layer(tap.layer).output is feature


def test_pixels_reach_it_between_minus_1_and_1(backbone):
    pixel = np.array([0, 51, 255], np.float32).reshape(1, 1, 1, 3)
    scaled = keras.Model(backbone.inputs, backbone.get_layer("pixel_scaling").output)([pixel])
    np.testing.assert_allclose(np.ravel(scaled), [-1, -0.6, 1], atol=1e-6)


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


@pytest.mark.slow
def test_every_variable_gets_a_gradient(backbone):
    rng = np.random.default_rng(3)
    with tf.GradientTape() as tape:
        features = backbone(rng.uniform(0, 255, (2, 64, 96, 3)).astype(np.float32), training=True)
        total = tf.add_n([tf.reduce_sum(feature * rng.normal(size=feature.shape)) for feature in features])
    for variable, gradient in zip(backbone.trainable_variables, tape.gradient(total, backbone.trainable_variables)):
        assert np.isfinite(gradient).all() and np.abs(gradient).max() > 0, variable.path


def test_no_published_weights():
    with pytest.raises(InputError, match="inception_v4 has no weights 'imagenet'. Expected none or a .keras file of a"):
        build_backbone("inception_v4", weights="imagenet")
