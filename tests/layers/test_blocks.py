import keras
import numpy as np
import pytest
import tensorflow as tf

from yolo_tf.errors import InputError
from yolo_tf.layers.blocks import (
    activation_layer,
    conv_block,
    csp_block,
    scaled_channels,
    scaled_repeats,
    spatial_pyramid_pool,
)


def model_of(block, channels, *arguments, **keywords):
    x = keras.Input((None, None, channels))
    return keras.Model(x, block(x, *arguments, name="block", **keywords))


def trainable_params(model):
    return sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)


def test_channels_round_up_to_eights_and_repeats_to_the_nearest():
    assert [scaled_channels(64, width) for width in (0.25, 0.5, 0.7, 1.0, 1.25)] == [16, 32, 48, 64, 80]
    assert [scaled_repeats(9, depth) for depth in (0.01, 0.33, 0.67, 1.0, 1.33)] == [1, 3, 6, 9, 12]


def test_strided_convolution_pads_both_sides_alike():
    # Ones under a 3 x 3 kernel of ones, windows centred on pixels 0, 2, 4: the first misses a row or column.
    model = model_of(conv_block, 1, 1, 3, 2)
    model.get_layer("block_conv").set_weights([np.ones((3, 3, 1, 1))])
    sums = keras.Model(model.input, model.get_layer("block_conv").output)(np.ones((1, 4, 6, 1)))
    np.testing.assert_array_equal(sums[0, :, :, 0], [[4, 6, 6], [6, 9, 9]])


def test_stem_convolution_pads_two_on_each_side():
    # 6 wide windows from columns -2, 0, 2 of 6 see 4, 6, 4 of them; from rows -2, 0 of 4 see 4, 4.
    model = model_of(conv_block, 1, 1, 6, 2)
    model.get_layer("block_conv").set_weights([np.ones((6, 6, 1, 1))])
    sums = keras.Model(model.input, model.get_layer("block_conv").output)(np.ones((1, 4, 6, 1)))
    np.testing.assert_array_equal(sums[0, :, :, 0], [[16, 24, 16], [16, 24, 16]])


def test_conv_block_is_normalised_silu():
    # Kernel 2, batch norm mean 1, variance 4 - 1e-3, gamma 3, beta 0.5: x = 4 gives 3 * (8 - 1) / 2 + 0.5 = 11.
    model = model_of(conv_block, 1, 1)
    model.get_layer("block_conv").set_weights([np.full((1, 1, 1, 1), 2.0)])
    model.get_layer("block_batch_norm").set_weights([np.array([value]) for value in (3.0, 0.5, 1.0, 4 - 1e-3)])
    assert float(model(np.full((1, 2, 3, 1), 4.0))[0, 1, 2, 0]) == pytest.approx(11 / (1 + np.exp(-11)), rel=1e-5)


@pytest.mark.parametrize(
    ("kind", "at_minus_two", "at_three"),
    [
        ("silu", -2 / (1 + np.exp(2)), 3 / (1 + np.exp(-3))),
        ("mish", -2 * np.tanh(np.log1p(np.exp(-2))), 3 * np.tanh(np.log1p(np.exp(3)))),
        ("leaky_relu", -0.2, 3),
        ("relu", 0, 3),
    ],
)
def test_activations_by_hand(kind, at_minus_two, at_three):
    layer = activation_layer(kind, name="block_activation")
    np.testing.assert_allclose(layer(np.array([-2.0, 3.0], np.float32)), [at_minus_two, at_three], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(("kind", "expected"), [("relu6", [0, 0, 1, 6]), ("hard_silu", [0, -1 / 3, 2 / 3, 7])])
def test_activations_for_int8_by_hand(kind, expected):
    layer = activation_layer(kind, name="block_activation")
    np.testing.assert_allclose(layer(np.array([-4.0, -2.0, 1.0, 7.0], np.float32)), expected, rtol=1e-5, atol=1e-7)


def test_unknown_activation():
    with pytest.raises(InputError, match="unknown activation 'mich'. Did you mean 'mish'"):
        model_of(conv_block, 3, 4, activation="mich")


@pytest.mark.parametrize(
    ("block", "keywords"), [(conv_block, {}), (csp_block, dict(repeats=1, shortcut=True)), (spatial_pyramid_pool, {})]
)
def test_activation_of_every_convolution_of_a_block(block, keywords):
    model = model_of(block, 8, 8, activation="leaky_relu", **keywords)
    batch_norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    activations = [layer for layer in model.layers if layer.name.endswith("_activation")]
    assert len(activations) == len(batch_norms) > 0
    assert all(isinstance(layer, keras.layers.LeakyReLU) and layer.negative_slope == 0.1 for layer in activations)


def test_kernels_start_within_the_bound_of_their_fan_in():
    kernel = model_of(conv_block, 8, 64, 3).get_layer("block_conv").kernel.numpy()
    bound = 1 / np.sqrt(8 * 9)
    assert bound * 0.98 < np.abs(kernel).max() <= bound
    assert kernel.std() == pytest.approx(bound / np.sqrt(3), rel=0.05)


@pytest.mark.parametrize(
    ("channels", "filters", "repeats", "params"), [(32, 32, 1, 4_800), (64, 64, 2, 29_184), (256, 128, 1, 90_880)]
)
def test_csp_block_has_the_published_parameters(channels, filters, repeats, params):
    assert trainable_params(model_of(csp_block, channels, filters, repeats=repeats, shortcut=True)) == params


@pytest.mark.parametrize("shortcut", [True, False])
def test_bottleneck_adds_its_input_only_with_a_shortcut(shortcut):
    model = model_of(csp_block, 8, 16, repeats=1, shortcut=shortcut)
    last = model.get_layer("block_bottleneck0_3x3_batch_norm")
    last.set_weights([np.zeros(8), np.zeros(8), np.zeros(8), np.ones(8)])  # the branch is silu(0) = 0
    ends = [model.get_layer(name).output for name in ("block_main_activation", "block_concat")]
    main, joined = keras.Model(model.input, ends)(np.random.default_rng(0).normal(size=(2, 3, 5, 8)))
    np.testing.assert_allclose(joined[..., :8], main if shortcut else np.zeros_like(main))
    assert np.abs(main).max() > 0.1


def test_pyramid_pool_sees_neighbourhoods_of_5_9_and_13():
    model = model_of(spatial_pyramid_pool, 8, 16)
    ends = [model.get_layer(name).output for name in ("block_reduce_activation", "block_concat")]
    x, joined = keras.Model(model.input, ends)(np.random.default_rng(0).normal(size=(2, 9, 14, 8)))
    expected = [x] + [tf.nn.max_pool2d(x, side, 1, "SAME") for side in (5, 9, 13)]
    np.testing.assert_array_equal(joined, np.concatenate(expected, -1))


def test_pyramid_pool_has_the_published_parameters():
    assert trainable_params(model_of(spatial_pyramid_pool, 256, 256)) == 164_608


def test_a_depthwise_block_is_two_convolutions_and_pads_as_the_plain_one():
    """3 x 3 on each of 4 channels, then 1 x 1 to 10; where one pixel goes tells where a strided kernel stands."""
    images = keras.Input((None, None, 4))
    model = keras.Model(images, conv_block(images, 10, 3, 2, depthwise=True, name="a"))
    assert model.count_params() == 9 * 4 + 4 * 4 + 4 * 10 + 4 * 10
    assert [layer.name for layer in model.layers[1:]] == [
        "a_depthwise_pad", "a_depthwise_conv", "a_depthwise_batch_norm", "a_depthwise_activation",
        "a_pointwise_conv", "a_pointwise_batch_norm", "a_pointwise_activation",
    ]  # fmt: skip
    one = np.zeros((1, 6, 8, 4), np.float32)
    one[0, 1, 2] = 1
    depthwise = keras.Model(images, model.get_layer("a_depthwise_conv").output)
    plain = keras.Model(images, keras.layers.Conv2D(5, 3, 2, use_bias=False)(keras.layers.ZeroPadding2D(1)(images)))
    reached = [np.abs(network(one)).max((0, 3)) > 0 for network in (depthwise, plain)]
    np.testing.assert_array_equal(*reached)
    pointwise = keras.Model(images, conv_block(images, 10, 1, depthwise=True, name="b"))
    assert [layer.name for layer in pointwise.layers[1:]] == ["b_conv", "b_batch_norm", "b_activation"], "1 x 1 is 1 x 1"
