"""Batch norms get the statistics of what they see, and a network that was folded trains as it did before."""

import keras
import numpy as np

from yolo_tf.surgery.fold import batch_norm_factor_and_shift, find_folds, scaled_filters

BATCH = 4  # images in one call: the outputs of all convolutions are held at once
NEW_FILTER = 3**-0.5  # norm of a filter that begins anew (variance 1 / 3 fan-in), which learning rates are made for


def is_folded(network):
    """Tells whether all batch norms of a network were folded, as an import leaves them: mean 0, variance + epsilon 1.

    One that was never trained has the variance 1.
    """
    batch_norms = [layer for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization)]

    def computes_nothing(layer):
        mean, variance = np.asarray(layer.moving_mean), np.asarray(layer.moving_variance)
        return not mean.any() and np.allclose(variance + layer.epsilon, 1, rtol=0, atol=min(1e-6, layer.epsilon / 10))

    return bool(batch_norms) and all(map(computes_nothing, batch_norms))


def unfold_batch_norm(network, images):
    """Gives each batch norm the mean and variance of its input over some images, and the gamma and beta that undo it.

    In inference a batch norm is y = x * factor + shift; with the new statistics gamma = factor * sqrt(variance + epsilon) and
    beta = shift + mean * factor give the same y, so no answer changes. In training it normalises by the statistics of
    its batch: where folding has left mean 0 and variance 1, that would be another network altogether.

    Folding also shrinks filters whose outputs are large, most of all those that see pixels of 0..255. In front of a batch
    norm the length of a filter changes no answer, but an update turns it by 1 / length^2: at a thousandth of a new filter's it
    would lose what it knows in one. So filters shorter than new ones are made as long as these.

    Args:
        network: functional keras.Model, images [B, H, W, 3] -> anything; changed in place.
        images: float32 or uint8 [n, H, W, 3], one at least, as the network sees them; some dozens of photographs are enough.

    Source: batch norm, arXiv:1502.03167, algorithm 2, backwards.
    """
    batch_norms = [layer for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization)]
    batch_norms = [layer for layer in batch_norms if layer.scale and layer.center]  # the others cannot undo it
    inside = keras.Model(network.inputs, [layer.input for layer in batch_norms])
    sums, squares, counts = [0.0] * len(batch_norms), [0.0] * len(batch_norms), [0] * len(batch_norms)
    for start in range(0, len(images), BATCH):
        batch = np.asarray(images[start : start + BATCH], np.float32)
        for index, seen in enumerate(keras.tree.flatten(inside([batch], training=False))):
            seen = np.asarray(seen, np.float64).reshape(-1, seen.shape[-1])
            sums[index], squares[index] = sums[index] + seen.sum(0), squares[index] + np.square(seen).sum(0)
            counts[index] += len(seen)
    behind = {batch_norm.name: network.get_layer(name) for name, batch_norm in find_folds(network).items()}
    for layer, total, square, count in zip(batch_norms, sums, squares, counts, strict=True):
        factor, shift = batch_norm_factor_and_shift(layer)
        mean = total / count
        variance = np.maximum(square / count - np.square(mean), 0)
        longer = _lengthen_filters(behind.get(layer.name))
        factor, mean, variance = factor / longer, mean * longer, variance * np.square(longer)
        layer.set_weights([factor * np.sqrt(variance + layer.epsilon), shift + mean * factor, mean, variance])


def _lengthen_filters(convolution):
    """Makes filters that are shorter than NEW_FILTER as long; returns by how much, float64 [channels] or 1.

    `convolution` is the one that a batch norm alone reads; None where something else stands in front of it.
    """
    if convolution is None or convolution.use_bias:
        return 1.0
    kernel = scaled_filters(convolution, np.ones(convolution.output.shape[-1]))
    depthwise = isinstance(convolution, keras.layers.DepthwiseConv2D)
    squares = np.square(kernel).sum(axis=(0, 1) if depthwise else (0, 1, 2)).reshape(-1)
    longer = np.where(squares > 0, np.maximum(NEW_FILTER / np.sqrt(np.maximum(squares, 1e-30)), 1), 1)
    convolution.set_weights([scaled_filters(convolution, longer)])
    return longer
