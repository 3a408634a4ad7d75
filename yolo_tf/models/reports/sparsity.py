"""Which share of the kernels of a network is exactly zero."""

import numpy as np

from yolo_tf.models.reports.cost import PARTS, part_of

KERNELS = ("kernel", "depthwise_kernel", "pointwise_kernel")  # names of the variables of convolutions and dense layers


def is_kernel(variable):
    """Returns whether a variable is the kernel of a convolution or dense layer, by its name."""
    return variable.path.rsplit("/", 1)[-1] in KERNELS


def kernels_of(network):
    """Lists the kernel variables of a network, in the order of its layers."""
    return [variable for layer in network.layers for variable in layer.trainable_variables if is_kernel(variable)]


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
