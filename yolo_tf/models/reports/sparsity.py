"""Which share of the kernels of a network is exactly zero."""

import math

import numpy as np

from yolo_tf.models.parts import is_kernel
from yolo_tf.models.reports.cost import sum_by_part


def sparsity(network):
    """Returns the share of kernel weights that are exactly zero, 0..1: {part: share}, and of all as "total".

    A part without kernels has 0.
    """
    kernels = [(layer, variable) for layer in network.layers for variable in filter(is_kernel, layer.trainable_variables)]
    zeros = sum_by_part((layer, int(np.count_nonzero(variable.numpy() == 0))) for layer, variable in kernels)
    counts = sum_by_part((layer, math.prod(variable.shape)) for layer, variable in kernels)
    return {part: zeros[part] / max(counts[part], 1) for part in zeros}
