import detector_files
import keras
import numpy as np
import pytest

from yolo_tf.surgery.fold import float32_copy, fold_batch_norm

SIZE = (2, 32, 48, 3)


def randomized(images, outputs):
    network = keras.Model(images, outputs)
    detector_files.disturb_batch_norms(network, np.random.default_rng(1))
    return network


def batch_norms(network):
    nested = [layer for layer in network.layers if isinstance(layer, keras.Model)]
    own = [layer for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization)]
    return len(own) + sum(batch_norms(layer) for layer in nested)


def assert_equal_outputs(network, folded, tolerance=1e-4):
    images = np.random.default_rng(2).uniform(0, 255, SIZE).astype(np.float32)
    expected, found = (keras.tree.flatten(model(images, training=False)) for model in (network, folded))
    assert len(expected) == len(found)
    for one, other in zip(expected, found, strict=True):
        np.testing.assert_allclose(other, one, atol=tolerance, rtol=tolerance)


def inputs():
    images = keras.Input((None, None, 3))
    return images, keras.layers.Rescaling(1 / 255)(images)


def test_folding_one_channel_by_hand():
    """Convolution y = 2 x + 1, batch norm (y - 3) / sqrt(4) * 10 + 5: together 10 x - 5."""
    images = keras.Input((None, None, 1))
    convolution = keras.layers.Conv2D(1, 1)
    batch_norm = keras.layers.BatchNormalization()
    network = keras.Model(images, batch_norm(convolution(images)))
    convolution.set_weights([np.full([1, 1, 1, 1], 2.0), np.array([1.0])])
    batch_norm.set_weights([np.array([10.0]), np.array([5.0]), np.array([3.0]), np.array([4 - batch_norm.epsilon])])
    folded = fold_batch_norm(network)
    assert [layer.name for layer in folded.layers[1:]] == [convolution.name]
    kernel, bias = folded.layers[1].get_weights()
    np.testing.assert_allclose(kernel.ravel(), [10], rtol=1e-6)
    np.testing.assert_allclose(bias, [-5], rtol=1e-6)


def test_a_detector_loses_every_batch_norm():
    network = detector_files.build_network()
    before = [weight.copy() for weight in network.get_weights()]
    folded = fold_batch_norm(network)
    assert batch_norms(network) == 5 and batch_norms(folded) == 0
    assert_equal_outputs(network, folded)
    assert folded.input_shape == network.input_shape and folded.output_shape == network.output_shape
    for weight, old in zip(network.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, old)


@pytest.mark.parametrize("multiplier", [1, 3])
@pytest.mark.parametrize("scale, center", [(True, True), (False, True), (True, False)])
def test_depthwise_with_squeeze_and_excitation(multiplier, scale, center):
    """The block of EfficientNet, whose depthwise kernel has its channels on another axis."""
    images, x = inputs()
    x = keras.layers.Conv2D(6, 1, use_bias=False)(x)
    shortcut = x = keras.layers.BatchNormalization()(x)
    x = keras.layers.ZeroPadding2D(1)(x)
    x = keras.layers.DepthwiseConv2D(3, depth_multiplier=multiplier, use_bias=False)(x)
    x = keras.layers.BatchNormalization(scale=scale, center=center)(x)
    x = keras.layers.Activation("silu")(x)
    squeezed = keras.layers.GlobalAveragePooling2D(keepdims=True)(x)
    x = keras.layers.Multiply()([x, keras.layers.Conv2D(6 * multiplier, 1, activation="sigmoid")(squeezed)])
    x = keras.layers.Conv2D(6, 1, use_bias=False)(x)
    x = keras.layers.Add()([keras.layers.BatchNormalization()(x), shortcut])
    network = randomized(images, x)
    folded = fold_batch_norm(network)
    assert batch_norms(network) == 3 and batch_norms(folded) == 0
    assert_equal_outputs(network, folded)


def test_grouped_convolution_with_bias():
    images, x = inputs()
    x = keras.layers.Conv2D(6, 1)(x)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.BatchNormalization()(keras.layers.Conv2D(4, 3, groups=2)(x))
    network = randomized(images, x)
    folded = fold_batch_norm(network)
    assert batch_norms(folded) == 0
    assert_equal_outputs(network, folded)


def network_without_folds():
    """Each batch norm here has a reason to stay."""
    images, x = inputs()
    x = keras.layers.BatchNormalization()(x)  # no convolution before it
    read_twice = keras.layers.Conv2D(4, 1)(x)
    x = keras.layers.Add()([keras.layers.BatchNormalization()(read_twice), read_twice])
    x = keras.layers.BatchNormalization()(keras.layers.Conv2D(4, 1, activation="relu")(x))  # something between
    twice = keras.layers.Conv2D(4, 1)
    x = keras.layers.BatchNormalization()(twice(twice(x)))  # one kernel, two uses
    an_output = keras.layers.Conv2D(4, 1)(x)
    shared = keras.layers.BatchNormalization()
    x = keras.layers.Add()([shared(keras.layers.Conv2D(4, 1)(x)), shared(keras.layers.Conv2D(4, 1)(x))])
    return randomized(images, [keras.layers.BatchNormalization()(an_output), an_output, x])


def test_what_cannot_be_folded_stays():
    network = network_without_folds()
    folded = fold_batch_norm(network)
    assert batch_norms(folded) == batch_norms(network) == 6
    assert_equal_outputs(network, folded)


def test_networks_used_as_layers_are_folded_inside():
    """As ConvNeXt's stem is a Sequential, and a backbone may be one layer of a network."""
    images, x = inputs()
    inner_images = keras.Input((None, None, 3))
    inner = keras.layers.BatchNormalization()(keras.layers.Conv2D(4, 3, use_bias=False)(inner_images))
    inner = keras.Model(inner_images, inner, name="backbone")
    detector_files.disturb_batch_norms(inner, np.random.default_rng(3))
    stem = keras.Sequential([keras.layers.Conv2D(5, 3), keras.layers.BatchNormalization()], name="stem")
    network = keras.Model(images, stem(inner(x)))
    detector_files.disturb_batch_norms(stem, np.random.default_rng(4))
    folded = fold_batch_norm(network)
    assert batch_norms(network) == 2 and batch_norms(folded) == 0
    assert_equal_outputs(network, folded)


def test_taps_of_a_larger_network():
    """A layer behind the tap reads the convolution too, but stands outside the network."""
    images, x = inputs()
    convolution = keras.layers.Conv2D(4, 3)(x)
    tap = keras.layers.BatchNormalization()(convolution)
    keras.Model(images, [tap, keras.layers.ReLU()(convolution)])
    network = randomized(images, tap)
    folded = fold_batch_norm(network)
    assert batch_norms(folded) == 0
    assert_equal_outputs(network, folded)


def test_convnext_block_keeps_its_numbers():
    images, x = inputs()
    x = keras.layers.Conv2D(8, 4, strides=4)(x)
    y = keras.layers.DepthwiseConv2D(7, padding="same")(x)
    y = keras.layers.LayerNormalization(epsilon=1e-6)(y)
    y = keras.layers.Dense(8)(keras.layers.Activation("gelu")(keras.layers.Dense(32)(y)))
    network = keras.Model(images, keras.layers.Add()([x, keras.layers.Dropout(0.5)(y)]))
    assert_equal_outputs(network, fold_batch_norm(network), tolerance=1e-6)


def test_adapted_normalization_keeps_its_statistics():
    """As at the input of EfficientNet."""
    images, x = inputs()
    normalization = keras.layers.Normalization()
    network = keras.Model(images, normalization(x))
    normalization.adapt(np.random.default_rng(5).normal(2, 3, (50, 4, 4, 3)))
    assert_equal_outputs(network, fold_batch_norm(network), tolerance=1e-6)


def test_half_precision_becomes_float32():
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        network = detector_files.build_network()
    finally:
        keras.config.set_dtype_policy(policy)
    plain = detector_files.build_network()
    plain.set_weights(network.get_weights())
    for copy in (float32_copy(network), fold_batch_norm(network)):
        assert {layer.compute_dtype for layer in copy.layers} == {"float32"}
        assert_equal_outputs(plain, copy)
    assert batch_norms(float32_copy(network)) == 5


@pytest.mark.long
@pytest.mark.parametrize("name", ["EfficientNetB0", "EfficientNetV2B0", "MobileNetV2", "ConvNeXtTiny"])
def test_whole_backbones(name):
    network = getattr(keras.applications, name)(weights=None, include_top=False, input_shape=(96, 160, 3))
    detector_files.disturb_batch_norms(network, np.random.default_rng(6))
    folded = fold_batch_norm(network)
    assert batch_norms(folded) == 0
    images = np.random.default_rng(7).uniform(0, 255, (1, 96, 160, 3)).astype(np.float32)
    expected = np.asarray(network(images, training=False))
    np.testing.assert_allclose(folded(images, training=False), expected, atol=1e-4 * np.abs(expected).max())
