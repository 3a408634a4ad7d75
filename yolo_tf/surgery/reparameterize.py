"""Blocks of several linear branches become one convolution: the same numbers, less to compute and to store."""

import keras
import numpy as np

from yolo_tf.surgery.fold import batch_norm_factor_and_shift
from yolo_tf.surgery.graph import maker_of

# Layer names, behind the name of their block: the batch norms that end the branches, and what else is left out.
BRANCHES = ("_3x3_batch_norm", "_1x1_batch_norm", "_identity_batch_norm")
DROPPED = (*BRANCHES, "_1x1_subsample", "_1x1_conv")


def deploy_form(network):
    """Copies a network, each RepVGG block of three branches merged into one 3 x 3 convolution with bias.

    In inference all branches are linear, and so is their sum. A 1 x 1 convolution is a 3 x 3 one whose kernel is zero
    around its centre, the identity one whose centre is the unit matrix; each takes in its batch norm (see fold.py).
    The convolution of a block `b` is named `b_conv`; the activation behind it keeps its name.

    Args:
        network: functional keras.Model; a block is what `models.backbones.repvgg.repvgg_block` names as one.

    Returns:
        keras.Model with the same input and outputs; `network` itself where it has no such block.

    Source: Ding et al., RepVGG, arXiv:2101.03697, section 3.3.
    """
    blocks = _find_blocks(network)
    if not blocks:
        return network
    sums = {f"{block}_add" for block in blocks}
    dropped = {f"{block}{suffix}" for block in blocks for suffix in DROPPED}
    merged = {f"{block}_3x3_conv": f"{block}_conv" for block in blocks}

    def clone(layer):
        config = layer.get_config()
        if layer.name in merged:
            config.update(name=merged[layer.name], use_bias=True)
        return layer.__class__.from_config(config)

    def call(layer, *args, **kwargs):
        if layer.name in sums:
            return args[0][0]  # the 3 x 3 branch, as its batch norm lets it through
        return args[0] if layer.name in dropped else layer(*args, **kwargs)

    copy = keras.models.clone_model(network, clone_function=clone, call_function=call)
    weights = {f"{block}_conv": _merged_weights(network, block) for block in blocks}
    for layer in copy.layers:
        if layer.weights:
            layer.set_weights(weights.get(layer.name) or network.get_layer(layer.name).get_weights())
    return copy


def _find_blocks(network):
    """Returns the names of all blocks: X where `X_add` sums the batch norms of two or three branches of X."""
    blocks = []
    for layer in network.layers:
        block = layer.name.removesuffix("_add")
        if isinstance(layer, keras.layers.Add) and block.startswith("repvgg_"):
            summed = [maker_of(tensor).name for tensor in layer.input]
            expected = [f"{block}{branch}" for branch in BRANCHES]
            if summed in (expected, expected[:2]):
                blocks.append(block)
    return blocks


def _merged_weights(network, block):
    """Returns [kernel [3, 3, c / groups, filters], bias [filters]] of a block; float64 inside, where it costs nothing."""
    batch_norms = [maker_of(tensor) for tensor in network.get_layer(f"{block}_add").input]
    factors, shifts = zip(*[batch_norm_factor_and_shift(batch_norm) for batch_norm in batch_norms], strict=True)
    kernel = np.asarray(network.get_layer(f"{block}_3x3_conv").kernel, np.float64) * factors[0]
    kernel[1, 1] += np.asarray(network.get_layer(f"{block}_1x1_conv").kernel, np.float64)[0, 0] * factors[1]
    if len(factors) == 3:
        fan_in, filters = kernel.shape[2:]  # of a grouped convolution, the channels of one group
        outputs = np.arange(filters)
        kernel[1, 1, outputs % fan_in, outputs] += factors[2]
    return [kernel, sum(shifts)]
