import keras
import numpy as np
import pytest
import tensorflow as tf

from yolo_tf.layers.conv_batch_norm import conv_batch_norm, depthwise_batch_norm


def normalized(x, batch_norm):
    gamma, beta, mean, variance = batch_norm.get_weights()
    return (x - mean) / np.sqrt(variance + 1e-5) * gamma + beta


def weights_at_random(network):
    rng = np.random.default_rng(0)
    for layer in network.layers:
        layer.set_weights([rng.uniform(0.2, 1, weight.shape) - 0.5 * (weight.ndim == 4) for weight in layer.get_weights()])
    return {layer.name: layer for layer in network.layers}


@pytest.fixture
def x():
    return np.random.default_rng(1).normal(size=(2, 8, 12, 6)).astype(np.float32)


@pytest.mark.parametrize("kernel, stride", [(1, 1), (1, 2), (3, 1), (3, 2), (7, 2)])
def test_both_sides_are_padded_alike(x, kernel, stride):
    images = keras.Input((None, None, 6))
    network = keras.Model(images, conv_batch_norm(images, 5, kernel, stride, activation="relu", name="c"))
    layers = weights_at_random(network)
    side = kernel // 2
    expected = tf.nn.conv2d(x, layers["c_conv"].kernel, stride, [[0, 0], [side, side], [side, side], [0, 0]])
    assert expected.shape == (2, 8 // stride, 12 // stride, 5)
    np.testing.assert_allclose(network(x), tf.nn.relu(normalized(expected, layers["c_batch_norm"])), atol=1e-4)
    assert ("c_pad" in layers, "c_subsample" in layers) == ((kernel > 1 and stride > 1), (kernel == 1 and stride > 1))


@pytest.mark.parametrize("kernel, stride", [(3, 1), (5, 2)])
def test_depthwise(x, kernel, stride):
    images = keras.Input((None, None, 6))
    network = keras.Model(images, depthwise_batch_norm(images, kernel, stride, name="d"))
    layers = weights_at_random(network)
    side = kernel // 2
    padded = np.pad(x, [(0, 0), (side, side), (side, side), (0, 0)])
    expected = tf.nn.depthwise_conv2d(padded, layers["d_depthwise"].kernel, [1, stride, stride, 1], "VALID")
    assert expected.shape == (2, 8 // stride, 12 // stride, 6)
    np.testing.assert_allclose(network(x), normalized(expected, layers["d_batch_norm"]), atol=1e-4)


def test_groups_do_not_mix(x):
    images = keras.Input((None, None, 6))
    network = keras.Model(images, conv_batch_norm(images, 4, 3, groups=2, name="c"))
    weights_at_random(network)
    x_other = x.copy()
    x_other[..., 3:] += 1
    changed = np.abs(network(x_other) - network(x)).max((0, 1, 2))
    assert (changed[:2] == 0).all() and (changed[2:] > 0.1).all()


def test_a_strided_1x1_convolution_learns_from_the_pixels_that_it_reads():
    """Three channels in: where TensorFlow's own strided kernel writes beyond its memory."""
    x = np.random.default_rng(2).normal(size=(2, 64, 96, 3)).astype(np.float32)
    images = keras.Input((None, None, 3))
    network = keras.Model(images, conv_batch_norm(images, 8, 1, 2, name="c"))
    kernel = network.get_layer("c_conv").kernel
    assert network.get_layer("c_conv").strides == (1, 1)
    target = np.random.default_rng(3).normal(size=(2, 32, 48, 8)).astype(np.float32)
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(network(x, training=False) * target)
    expected = np.einsum("byxi,byxo->io", x[:, ::2, ::2], target) / np.sqrt(1 + 1e-5)
    np.testing.assert_allclose(tape.gradient(total, kernel.value)[0, 0], expected, atol=1e-2)


def test_first_weights_are_those_of_pytorch():
    """U(+-1 / sqrt(inputs of one output)); a depthwise output has 25 of them, however many channels there are."""
    keras.utils.set_random_seed(4)
    images = keras.Input((None, None, 40))
    x = conv_batch_norm(images, 64, 3, groups=2, name="c")
    network = keras.Model(images, depthwise_batch_norm(x, 5, name="d"))
    for name, inputs in (("c_conv", 9 * 20), ("d_depthwise", 25)):
        kernel = np.asarray(network.get_layer(name).kernel)
        assert np.abs(kernel).max() == pytest.approx(inputs**-0.5, rel=0.01)
        assert np.std(kernel) == pytest.approx((3 * inputs) ** -0.5, rel=0.03)
