import keras
import numpy as np
import pytest
import tensorflow as tf

from yolo_tf.errors import InputError
from yolo_tf.models.backbones import BACKBONES, build_backbone
from yolo_tf.models.backbones.ghostnet import ghost_bottleneck, ghost_module, rounded_channels, squeeze_excite


def weights_at_random(network, seed=1):
    rng = np.random.default_rng(seed)
    for layer in network.layers:
        layer.set_weights([rng.uniform(0.2, 1, weight.shape) - 0.5 * (weight.ndim == 4) for weight in layer.get_weights()])
    return {layer.name: layer for layer in network.layers}


def normalized(x, batch_norm):
    gamma, beta, mean, variance = batch_norm.get_weights()
    return (x - mean) / np.sqrt(variance + 1e-5) * gamma + beta


def depthwise(x, kernel, stride):
    side = kernel.shape[0] // 2
    padded = tf.pad(x, [[0, 0], [side, side], [side, side], [0, 0]])
    return tf.nn.depthwise_conv2d(padded, kernel, [1, stride, stride, 1], "VALID")


@pytest.mark.parametrize(
    "name, wide, published",
    [("ghostnet", 960, 5_182_508), ("ghostnet_050", 480, 2_587_292), ("ghostnet_130", 1248, 7_358_820)],
)
def test_row_and_classifier_make_the_published_count(name, wide, published):
    """A 1 x 1 convolution with batch norm, a layer of 1280 with bias and 1000 classes: 5.2, 2.6, 7.3 million in the paper."""
    spec = BACKBONES[name]
    last = spec.taps[-1].channels
    assert spec.trainable_params + last * wide + 2 * wide + (wide + 1) * 1280 + 1281 * 1000 == published


def test_batch_norms_have_the_constants_of_pytorch():
    images = keras.Input((None, None, 4))
    block = keras.Model(images, ghost_bottleneck(images, 6, 5, 2, expanded=8, excited=True, name="b"))
    batch_norms = [layer for layer in block.layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert {(layer.epsilon, layer.momentum) for layer in batch_norms} == {(1e-5, 0.9)} and len(batch_norms) == 7


@pytest.mark.parametrize("channels, rounded", [(8, 8), (20.8, 20), (1.2, 4), (5.7, 8), (145.6, 144), (46, 48), (4.5, 8)])
def test_channels_are_rounded_to_multiples_of_4_but_never_far_down(channels, rounded):
    assert rounded_channels(channels) == rounded


@pytest.mark.parametrize("activation", ["relu", None])
def test_half_of_a_ghost_module_is_made_from_the_other_half(activation):
    x = np.random.default_rng(2).normal(size=(2, 6, 9, 5)).astype(np.float32)
    images = keras.Input((None, None, 5))
    module = keras.Model(images, ghost_module(images, 8, activation=activation, name="g"))
    layers = weights_at_random(module)
    activate = tf.nn.relu if activation else tf.identity
    primary = activate(normalized(x @ layers["g_primary_conv"].kernel[0, 0], layers["g_primary_batch_norm"]))
    cheap = activate(normalized(depthwise(primary, layers["g_cheap_depthwise"].kernel, 1), layers["g_cheap_batch_norm"]))
    assert 0.05 < np.mean(primary > 0) < 0.95
    np.testing.assert_allclose(module(x), np.concatenate([primary, cheap], -1), atol=1e-4)


def test_squeeze_and_excitation_by_hand():
    x = np.random.default_rng(3).normal(2, 3, size=(2, 6, 9, 5)).astype(np.float32)
    images = keras.Input((None, None, 5))
    block = keras.Model(images, squeeze_excite(images, 4, name="s"))
    layers = weights_at_random(block)
    reduce, expand = ([np.squeeze(w) for w in layers[f"s_{name}"].get_weights()] for name in ("reduce", "expand"))
    hidden = np.maximum(x.mean((1, 2)) @ reduce[0] + reduce[1], 0)
    factors = np.clip(hidden @ expand[0] + expand[1] + 3, 0, 6) / 6
    assert 0 < factors.min() and factors.max() < 1
    np.testing.assert_allclose(block(x), x * factors[:, None, None], atol=1e-4)


def test_strided_bottleneck_sums_branch_and_shortcut():
    x = np.random.default_rng(4).normal(size=(2, 8, 12, 5)).astype(np.float32)
    images = keras.Input((None, None, 5))
    options = dict(expanded=8, excited=True, name="b")
    block = keras.Model(images, ghost_bottleneck(images, 6, 5, 2, **options))
    layers = weights_at_random(block)
    expanded = keras.Model(images, layers["b_expand_concat"].output)(x)
    down = normalized(depthwise(expanded, layers["b_down_depthwise"].kernel, 2), layers["b_down_batch_norm"])
    np.testing.assert_allclose(keras.Model(images, layers["b_down_batch_norm"].output)(x), down, atol=1e-4)
    assert "b_project_primary_relu" not in layers and layers["b_excite_reduce"].kernel.shape[-1] == 4  # 8 / 4, at least 4
    shortcut = normalized(depthwise(x, layers["b_shortcut_down_depthwise"].kernel, 2), layers["b_shortcut_down_batch_norm"])
    shortcut = normalized(shortcut @ layers["b_shortcut_conv"].kernel[0, 0], layers["b_shortcut_batch_norm"])
    branch = keras.Model(images, layers["b_project_concat"].output)(x)
    assert branch.shape == (2, 4, 6, 6)
    np.testing.assert_allclose(block(x), branch + shortcut, atol=1e-4)


def test_bottleneck_of_the_same_shape_adds_its_input():
    x = np.random.default_rng(5).normal(size=(2, 6, 9, 4)).astype(np.float32)
    images = keras.Input((None, None, 4))
    block = keras.Model(images, ghost_bottleneck(images, 4, 5, 1, expanded=8, excited=False, name="b"))
    layers = weights_at_random(block)
    assert not [name for name in layers if "shortcut" in name or "down" in name or "excite" in name]
    branch = keras.Model(images, layers["b_project_concat"].output)(x)
    np.testing.assert_allclose(block(x), x + branch, atol=1e-5)


def test_no_published_weights():
    with pytest.raises(InputError, match="ghostnet_130 has no weights 'imagenet'. Expected none or a .keras file of a detector"):
        build_backbone("ghostnet_130", weights="imagenet")
