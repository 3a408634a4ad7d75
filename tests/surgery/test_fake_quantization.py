"""The quantised view: what is rounded, to which steps, and that gradients pass."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from yolo_tf.surgery.fake_quantization import FakeQuantized, fake_quantize, fake_quantize_kernel, fake_quantized_view

PARTS = {"box": slice(0, 4), "score": slice(4, None)}  # of the channels of raw predictions


def test_an_activation_has_256_steps_over_its_range():
    x = tf.constant(np.linspace(-1, 4, 3001), tf.float32)
    rounded = fake_quantize(x).numpy()
    steps = np.unique(rounded)
    assert len(steps) == 256 and 0.0 in steps
    np.testing.assert_allclose(np.diff(steps), 5 / 255, rtol=1e-4)
    assert np.abs(rounded - x).max() < 0.51 * 5 / 255


def test_the_range_of_an_activation_holds_zero():
    """Values 2..4 or -4..-2 alone: 256 steps from 0, so of width 4 / 255, and a tensor of zeros stays one."""
    for values in (np.linspace(2, 4, 3001), np.linspace(-4, -2, 3001)):
        rounded = fake_quantize(tf.constant(values, tf.float32)).numpy()
        np.testing.assert_allclose(np.diff(np.unique(rounded)), 4 / 255, rtol=1e-4)
        np.testing.assert_allclose(rounded, values, atol=0.51 * 4 / 255)
    np.testing.assert_array_equal(fake_quantize(tf.zeros([3, 5])), np.zeros([3, 5]))


def test_every_output_channel_of_a_kernel_has_its_own_scale():
    kernel = np.random.default_rng(0).normal(size=(3, 3, 40, 4)).astype(np.float32) * [0.001, 0.1, 1, 50]
    rounded = fake_quantize_kernel(tf.constant(kernel, tf.float32)).numpy()
    largest = np.abs(kernel).max((0, 1, 2))
    for channel in range(4):
        steps = rounded[..., channel] / (largest[channel] / 127)
        np.testing.assert_allclose(steps, np.round(steps), atol=1e-3)
        assert np.abs(steps).max() == pytest.approx(127, abs=1e-3)
    assert (np.abs(rounded - kernel) <= 0.5001 * largest / 127).all()


def test_a_depthwise_kernel_has_a_scale_per_channel_and_multiplier():
    """[3, 3, 2, 2] with outputs of four sizes: a scale per last axis alone would round the small ones to zero."""
    sizes = np.array([[1e-4, 100.0], [1.0, 1e-3]])
    kernel = np.random.default_rng(1).uniform(0.3, 1, (3, 3, 2, 2)) * sizes
    rounded = fake_quantize_kernel(tf.constant(kernel, tf.float32), depthwise=True).numpy()
    np.testing.assert_allclose(rounded, kernel, rtol=0.02)
    wrong = fake_quantize_kernel(tf.constant(kernel, tf.float32)).numpy()
    assert (wrong[:, :, 0, 0] == 0).all()


def test_gradients_pass_the_rounding_unchanged():
    x = tf.Variable(np.random.default_rng(2).normal(size=(2, 3, 5, 7)), dtype=tf.float32)
    for function in (fake_quantize_kernel, lambda kernel: fake_quantize_kernel(kernel, depthwise=True)):
        with tf.GradientTape() as tape:
            total = tf.reduce_sum(3 * function(x))
        np.testing.assert_array_equal(tape.gradient(total, x), np.full(x.shape, 3.0))
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(3 * fake_quantize(x))
    gradient = tape.gradient(total, x).numpy()
    assert (gradient == 3).mean() > 0.98 and set(np.unique(gradient)) <= {0.0, 3.0}, "all but an end that moved by a step"


def a_network():
    """A convolution in front of a ReLU, SiLU, a depthwise convolution, a sum and a head of 2 anchors and 3 classes."""
    images = keras.Input((None, None, 3), name="images")
    x = keras.layers.Rescaling(1 / 255, name="pixel_scaling")(images)
    x = keras.layers.Conv2D(4, 3, 2, padding="same", name="before_relu")(x)
    x = stem = keras.layers.ReLU(name="relu")(x)
    x = keras.layers.DepthwiseConv2D(3, padding="same", name="depthwise")(x)
    x = keras.layers.Activation("silu", name="silu")(x)
    x = keras.layers.MaxPooling2D(3, 1, padding="same", name="pool")(x)
    x = keras.layers.Add(name="add")([stem, x])
    raw = keras.layers.Conv2D(2 * 8, 1, name="head_p3")(x)
    raw = keras.ops.stack(keras.ops.split(raw, 2, axis=-1), axis=3)
    return keras.Model(images, keras.layers.Activation("linear", name="p3")(raw), name="tiny")


def images_of(batch=2):
    return tf.random.stateless_uniform([batch, 32, 48, 3], (1, 2), 0, 255)


def test_what_is_rounded_and_what_is_not():
    view = fake_quantized_view(a_network(), PARTS)
    rounded = {layer.plain.name: layer for layer in view.layers if isinstance(layer, FakeQuantized)}
    assert set(rounded) == {"pixel_scaling", "before_relu", "relu", "depthwise", "silu", "add", "head_p3"}
    assert {name for name, layer in rounded.items() if not layer.round_output} == {"before_relu", "head_p3"}
    assert {name for name, layer in rounded.items() if layer.kernels} == {"before_relu", "depthwise", "head_p3"}


def test_a_second_view_is_like_the_first():
    network = a_network()
    first, second = fake_quantized_view(network, PARTS), fake_quantized_view(network, PARTS)
    np.testing.assert_array_equal(first(images_of()), second(images_of()))


def test_a_network_inside_the_network_is_rounded_too():
    images, inside = keras.Input((None, None, 3)), keras.Input((None, None, 3))
    part = keras.Model(inside, keras.layers.Conv2D(4, 1, name="conv")(inside), name="part")
    raw = keras.layers.Conv2D(16, 1, name="head_p3")(part(images))
    raw = keras.ops.stack(keras.ops.split(raw, 2, axis=-1), axis=3)
    view = fake_quantized_view(keras.Model(images, raw), PARTS)
    [inner] = [layer for layer in view.layers if isinstance(layer, keras.Model)]
    assert [layer.name for layer in inner.layers if isinstance(layer, FakeQuantized)] == ["rounded_conv"]
    assert len(np.unique(inner(images_of()))) <= 256


def test_the_view_computes_nearly_what_the_network_computes_with_its_variables():
    network = a_network()
    view = fake_quantized_view(network, PARTS)
    ours, theirs = view(images_of()).numpy(), network(images_of()).numpy()
    assert ours.shape == (2, 16, 24, 2, 8)
    assert 0 < np.abs(ours - theirs).max() < 0.05 * np.ptp(theirs)
    assert {id(variable) for variable in view.variables} == {id(variable) for variable in network.variables}
    for part in (ours[..., :4], ours[..., 4:]):
        assert len(np.unique(part)) <= 256
    assert len(np.unique(ours)) > 256, "boxes and scores have ranges of their own"


def test_rounding_a_kernel_by_hand_gives_the_same():
    """One convolution and its output, written out: round(w / s) s with s = max|w| / 127, then 255 steps over the range."""
    images = keras.Input((None, None, 3))
    network = keras.Model(images, keras.layers.Conv2D(5, 1, use_bias=False, name="conv")(images))
    x = tf.random.stateless_normal([2, 4, 6, 3], (3, 4))
    kernel = network.get_layer("conv").kernel.numpy()
    scale = np.abs(kernel).max((0, 1, 2)) / 127
    by_hand = x.numpy() @ (np.round(kernel[0, 0] / scale) * scale)
    low, high = by_hand.min(), by_hand.max()
    layer = FakeQuantized(network.get_layer("conv"), kernels=["kernel"])
    np.testing.assert_allclose(layer(x), by_hand, atol=0.501 * (high - low) / 255)
    bare = FakeQuantized(network.get_layer("conv"), kernels=["kernel"], round_output=False)
    np.testing.assert_allclose(bare(x), by_hand, atol=1e-5)


def test_every_variable_learns_through_the_view():
    network = a_network()
    view = fake_quantized_view(network, PARTS)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.square(view(images_of(), training=True)))
    for variable, gradient in zip(network.trainable_variables, tape.gradient(loss, network.trainable_variables), strict=True):
        assert gradient is not None and np.abs(gradient).max() > 0, variable.path


def test_a_batch_norm_that_is_left_keeps_its_statistics():
    images = keras.Input((None, None, 3))
    x = keras.layers.BatchNormalization(name="batch_norm")(images)
    network = keras.Model(images, keras.layers.Conv2D(16, 1, name="conv")(x))
    before = network.get_layer("batch_norm").moving_mean.numpy()
    view = fake_quantized_view(network, PARTS)
    one, other = (view(images_of(), training=training) for training in (True, False))
    np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(network.get_layer("batch_norm").moving_mean, before)


def test_the_view_is_the_same_under_xla():
    network = a_network()
    view = fake_quantized_view(network, PARTS)

    @tf.function(jit_compile=True)
    def gradients(images):
        with tf.GradientTape() as tape:
            outputs = view(images, training=True)
            loss = tf.reduce_mean(tf.square(outputs))
        return outputs, tape.gradient(loss, network.trainable_variables[-1])

    compiled = gradients(images_of())
    plain = view(images_of(), training=True)
    step = float(tf.reduce_max(plain) - tf.reduce_min(plain)) / 255
    assert np.abs(compiled[0] - plain).max() < 4 * step  # a value on the edge of two steps may fall to either
    assert np.abs(compiled[1]).max() > 0
