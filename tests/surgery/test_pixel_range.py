"""The range of the pixels moves into the first kernels: the same numbers, gradients of another size."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from yolo_tf.surgery.pixel_range import move_pixel_range

IMAGES = np.random.default_rng(0).uniform(0, 255, (2, 8, 12, 3)).astype(np.float32)


def network_of(scale, offset, *, reader=keras.layers.Conv2D):
    keras.utils.set_random_seed(0)
    images = keras.Input((None, None, 3))
    pixels = keras.layers.Rescaling(scale, offset, name="pixel_scaling")(images)
    x = keras.layers.Conv2D(5, 3, 2, name="stem")(keras.layers.ZeroPadding2D(1)(pixels))
    beside = reader(5, 1, strides=2, name="beside")(pixels) if reader is keras.layers.Conv2D else reader(2)(pixels)
    return keras.Model(images, [x, beside])


@pytest.mark.parametrize(("scale", "offset", "largest"), [(1.0, 0.0, 255.0), (1.0, (-123.68, -116.779, -103.939), 255 - 103.939)])
def test_the_network_computes_the_same_on_smaller_pixels(scale, offset, largest):
    network = network_of(scale, offset)
    expected, before = network(IMAGES), network.get_layer("stem").kernel.numpy()
    assert move_pixel_range(network) == pytest.approx(largest)
    for one, other in zip(network(IMAGES), expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(network.get_layer("stem").kernel, before * largest, rtol=1e-6)
    seen = keras.Model(network.input, network.get_layer("pixel_scaling").output)(IMAGES)
    assert 0.9 < np.abs(seen).max() <= 1.0
    assert move_pixel_range(network) == 1.0


def test_the_gradient_of_the_first_kernel_shrinks_by_as_much():
    gradients = []
    for moved in (False, True):
        network = network_of(1.0, 0.0)
        if moved:
            move_pixel_range(network)
        with tf.GradientTape() as tape:
            total = tf.add_n([tf.reduce_sum(output) for output in network(IMAGES)])
        gradients.append(tape.gradient(total, network.get_layer("stem").kernel.value).numpy())
    np.testing.assert_allclose(gradients[0], 255 * gradients[1], rtol=1e-4)


@pytest.mark.parametrize("network", [network_of(1 / 255, 0.0), network_of(1.0, 0.0, reader=keras.layers.MaxPooling2D)])
def test_small_pixels_and_other_readers_are_left_alone(network):
    before = network.get_weights()
    assert move_pixel_range(network) == 1.0
    for one, other in zip(network.get_weights(), before, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_network_without_a_layer_of_that_name_is_left_alone():
    images = keras.Input((None, None, 3))
    assert move_pixel_range(keras.Model(images, keras.layers.Conv2D(2, 1)(images))) == 1.0
