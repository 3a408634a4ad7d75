"""Which share of the kernels of a network is exactly zero."""

import numpy as np

from yolo_tf.models.parts import PARTS, is_kernel, part_of


def sparsity(network):
    """Returns the share of kernel weights that are exactly zero, 0..1: {part: share}, and of all as "total".

    A part without kernels has 0.
    """
    zeros, counts = dict.fromkeys(PARTS, 0), dict.fromkeys(PARTS, 0)
    for layer in network.layers:
        for variable in filter(is_kernel, layer.trainable_variables):
            values = variable.numpy()
            zeros[part_of(layer)] += int(np.count_nonzero(values == 0))
            counts[part_of(layer)] += values.size
    shares = {part: zeros[part] / max(counts[part], 1) for part in PARTS}
    return {**shares, "total": sum(zeros.values()) / max(sum(counts.values()), 1)}
