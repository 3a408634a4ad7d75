"""A folded network gets its batch norms back: the same answers, and again those of the original in training."""

import detector_files
import keras
import numpy as np
import pytest

from yolo_tf.surgery.unfold import unfold_batch_norm

IMAGES = np.random.default_rng(2).uniform(0, 255, (7, 32, 48, 3)).astype(np.float32)


def networks():
    """(a network with batch norms of its images' statistics, its twin with these folded into the convolutions)."""
    built = []
    for _ in range(2):
        images = keras.Input((None, None, 3))
        x = keras.layers.Rescaling(1 / 255)(images)
        for filters in (4, 6):
            x = keras.layers.Conv2D(filters, 3, 2, padding="same", use_bias=False)(x)
            x = keras.layers.Activation("silu")(keras.layers.BatchNormalization()(x))
        x = keras.layers.DepthwiseConv2D(3, padding="same", use_bias=False)(x)
        built.append(keras.Model(images, keras.layers.BatchNormalization()(x)))
    own, folded = built
    detector_files.disturb_batch_norms(own, np.random.default_rng(1))
    unfold_batch_norm(own, IMAGES)
    for one, other in zip(own.layers, folded.layers, strict=True):
        other.set_weights(one.get_weights())
    for convolution, batch_norm in zip(folded.layers, folded.layers[1:]):
        if isinstance(batch_norm, keras.layers.BatchNormalization):
            gamma, beta, mean, variance = batch_norm.get_weights()
            factor = gamma / np.sqrt(variance + batch_norm.epsilon)
            [kernel] = convolution.get_weights()
            depthwise = isinstance(convolution, keras.layers.DepthwiseConv2D)
            convolution.set_weights([kernel * (factor[:, None] if depthwise else factor)])
            rest = [np.zeros_like(mean), np.full_like(variance, 1 - batch_norm.epsilon)]
            batch_norm.set_weights([np.ones_like(beta), beta - mean * factor, *rest])
    return own, folded


def test_answers_stay_and_training_is_as_before_the_folding():
    own, folded = networks()
    expected, trained = own(IMAGES, training=False), own(IMAGES, training=True)
    np.testing.assert_allclose(folded(IMAGES, training=False), expected, atol=1e-4)
    assert np.abs(folded(IMAGES, training=True) - trained).max() > 0.5  # another network
    for layer in folded.layers:  # what the training step above has moved
        if isinstance(layer, keras.layers.BatchNormalization):
            *first, mean, variance = layer.get_weights()
            layer.set_weights([*first, np.zeros_like(mean), np.full_like(variance, 1 - layer.epsilon)])
    unfold_batch_norm(folded, IMAGES.astype(np.uint8))
    np.testing.assert_allclose(folded(IMAGES, training=False), expected, atol=1e-3)
    np.testing.assert_allclose(folded(IMAGES, training=True), trained, atol=0.05)


def test_one_channel_by_hand():
    """Inputs 1, 3, 5, 7: mean 4, variance 5. The batch norm computes 2 x + 1 = 2 (x - 4) + 9, so beta 9, gamma 2 sqrt(5)."""
    images = keras.Input((None, None, 3))
    layer = keras.layers.BatchNormalization(epsilon=1e-9)
    network = keras.Model(images, layer(images))
    layer.set_weights([np.full(3, 2.0), np.full(3, 1.0), np.zeros(3), np.ones(3)])
    unfold_batch_norm(network, np.repeat(np.float32([1, 3, 5, 7]).reshape(2, 2, 1, 1), 3, -1))
    gamma, beta, mean, variance = (weights[0] for weights in layer.get_weights())
    assert (gamma, beta, mean, variance) == pytest.approx((2 * 5**0.5, 9, 4, 5), rel=1e-6)


def test_a_batch_norm_that_could_not_undo_it_stays_as_it_is():
    images = keras.Input((None, None, 3))
    layer = keras.layers.BatchNormalization(scale=False)
    network = keras.Model(images, keras.layers.BatchNormalization()(layer(images)))
    expected = network(IMAGES)
    unfold_batch_norm(network, IMAGES)
    np.testing.assert_allclose(network(IMAGES), expected, atol=1e-3)
    assert layer.moving_mean.numpy().tolist() == [0, 0, 0]


def test_filters_that_folding_made_short_are_as_long_as_new_ones_and_answer_the_same():
    """Else an update, which turns a filter by 1 / length^2, throws away what filters of pixels 0..255 know."""
    _, folded = networks()
    first, *_, depthwise = (
        layer for layer in folded.layers if isinstance(layer, keras.layers.Conv2D | keras.layers.DepthwiseConv2D)
    )
    long = np.zeros_like(first.get_weights()[0])
    long[0, 0, 0] = 1e-4, 0.1, 0, 2  # filters of these lengths, one of them dead
    first.set_weights([long])
    depthwise.set_weights([depthwise.get_weights()[0] * 1e-3])
    expected = folded(IMAGES, training=False)
    unfold_batch_norm(folded, IMAGES)
    np.testing.assert_allclose(folded(IMAGES, training=False), expected, atol=1e-3)
    np.testing.assert_allclose(first.get_weights()[0][0, 0, 0], [3**-0.5, 3**-0.5, 0, 2], rtol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(depthwise.get_weights()[0], axis=(0, 1)), 3**-0.5, rtol=1e-6)
