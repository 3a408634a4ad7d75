"""State dicts of PyTorch that hold the weights of networks of this package, for the writers of torch_writer.py."""

import numpy as np
from torch_writer import Tensor


def unit_tensors(weights, units):
    """Returns tensor name -> Tensor: of each unit the kernel, what its batch norm holds, and the counter that goes unused.

    Args:
        weights: layer name -> arrays of the Keras layer.
        units: (name here, name of the kernel there, prefix of the batch norm there) each.
    """
    state = {}
    for name, kernel, batch_norm in units:
        [array] = weights[f"{name}_conv"]
        state[f"{kernel}.weight"] = Tensor(array.transpose((2, 3, 0, 1) if name.endswith("depthwise") else (3, 2, 0, 1)))
        parts = ("weight", "bias", "running_mean", "running_var")
        state |= {f"{batch_norm}.{part}": Tensor(array) for part, array in zip(parts, weights[f"{name}_batch_norm"])}
        state[f"{batch_norm}.num_batches_tracked"] = Tensor(np.array(7, np.int64))
    return state


def lively(network, seed=1):
    """Gives the batch norms of a network random statistics, and returns layer name -> arrays of all its layers with weights."""
    rng = np.random.default_rng(seed)
    for layer in network.layers:
        if type(layer).__name__ == "BatchNormalization":
            layer.set_weights([rng.uniform(0.5, 1.5, weight.shape) for weight in layer.get_weights()])
    return {layer.name: layer.get_weights() for layer in network.layers if layer.weights}


def efficientnet_lite_state(network):
    """Returns the state dict of an EfficientNet-Lite as published, classifier included, with the weights of a backbone."""
    weights = lively(network)
    units = [("efficientnet_lite_stem", "_conv_stem", "_bn0")]
    for block in sorted({int(name.split("block")[1].split("_")[0]) for name in weights if "block" in name}):
        here, there = f"efficientnet_lite_block{block}", f"_blocks.{block}"
        if f"{here}_expand_conv" in weights:
            units.append((f"{here}_expand", f"{there}._expand_conv", f"{there}._bn0"))
        units.append((f"{here}_depthwise", f"{there}._depthwise_conv", f"{there}._bn1"))
        units.append((f"{here}_project", f"{there}._project_conv", f"{there}._bn2"))
    classifier = {"_conv_head.weight": (5, 4, 1, 1), "_bn1.weight": (5,), "_bn1.running_mean": (5,), "_fc.bias": (3,)}
    return unit_tensors(weights, units) | {name: Tensor(np.zeros(shape, np.float32)) for name, shape in classifier.items()}
