"""Unstructured pruning: the smallest kernel weights become zero; the network keeps its structure."""

import numpy as np


def zero_smallest_weights(kernels, amount):
    """Sets the smallest share of all weights of some kernels to zero, whichever kernel they are in.

    Weights that are zero already are the smallest, so a second call with the same amount changes nothing.

    Args:
        kernels: variables; changed in place. Of a network as a rule all, see `models.parts.kernels_of`.
        amount: share of their weights, 0..1. Exactly floor(amount * weights) are zero afterwards, or more where
            more were before.

    Source: Han et al., Learning both Weights and Connections for Efficient Neural Networks, arXiv:1506.02626, section 3,
    with one threshold for all layers.
    """
    values = [kernel.numpy() for kernel in kernels]
    flat = np.concatenate([value.ravel() for value in values])
    count = int(amount * flat.size)
    flat[np.argpartition(np.abs(flat), count - 1)[:count] if count else []] = 0
    ends = np.cumsum([value.size for value in values])
    for kernel, value, end in zip(kernels, values, ends, strict=True):
        kernel.assign(flat[end - value.size : end].reshape(value.shape))
