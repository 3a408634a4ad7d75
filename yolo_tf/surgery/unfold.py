"""Batch norms get the statistics of what they see, and a network that was folded trains as it did before."""

import keras
import numpy as np

from yolo_tf.surgery.fold import batch_norm_factor_and_shift

BATCH = 4  # images in one call: the outputs of all convolutions are held at once


def unfold_batch_norm(network, images):
    """Gives each batch norm the mean and variance of its input over some images, and the gamma and beta that undo it.

    In inference a batch norm is y = x * factor + shift; with the new statistics gamma = factor * sqrt(variance + epsilon) and
    beta = shift + mean * factor give the same y, so no answer changes. In training it normalises by the statistics of
    its batch: where folding has left mean 0 and variance 1, that would be another network altogether.

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
    for layer, total, square, count in zip(batch_norms, sums, squares, counts, strict=True):
        factor, shift = batch_norm_factor_and_shift(layer)
        mean = total / count
        variance = np.maximum(square / count - np.square(mean), 0)
        layer.set_weights([factor * np.sqrt(variance + layer.epsilon), shift + mean * factor, mean, variance])
