"""State dicts of PyTorch that hold the weights of networks of this package, for the writers of torch_writer.py."""

import numpy as np
from onnx_writer import focus_kernel
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


def yolox_state(network, *, repeats, depthwise):
    """Returns the state dict of a YOLOX as its authors publish it, with the weights of a network of this package."""
    weights = {layer.name: layer.get_weights() for layer in network.layers if layer.weights}
    pairs = [("backbone_stem", "backbone.backbone.stem.conv")]

    def wide(ours, theirs):  # a 3 x 3 convolution
        halves = (("depthwise", "dconv"), ("pointwise", "pconv"))
        return [(f"{ours}_{here}", f"{theirs}.{there}") for here, there in halves] if depthwise else [(ours, theirs)]

    def csp(ours, theirs, count):
        found = [(f"{ours}_{name}", f"{theirs}.conv{number}") for number, name in enumerate(("main", "bypass", "merge"), start=1)]
        for index in range(count):
            found.append((f"{ours}_bottleneck{index}_1x1", f"{theirs}.m.{index}.conv1"))
            found += wide(f"{ours}_bottleneck{index}_3x3", f"{theirs}.m.{index}.conv2")
        return found

    for stage, count in ((1, repeats), (2, 3 * repeats), (3, 3 * repeats), (4, repeats)):
        here, there = f"backbone_stage{stage}", f"backbone.backbone.dark{stage + 1}"
        pairs += [*wide(f"{here}_down", f"{there}.0"), *csp(f"{here}_csp", f"{there}.{2 if stage == 4 else 1}", count)]
    pairs += [
        (f"backbone_stage4_pool_{name}", f"backbone.backbone.dark5.1.conv{index}")
        for index, name in ((1, "reduce"), (2, "merge"))
    ]
    pairs += [("neck_p5_reduce", "backbone.lateral_conv0"), ("neck_p4_reduce", "backbone.reduce_conv1")]
    pairs += [*wide("neck_p3_downsample", "backbone.bu_conv2"), *wide("neck_p4_downsample", "backbone.bu_conv1")]
    for ours, theirs in (("p4_topdown", "C3_p4"), ("p3", "C3_p3"), ("p4", "C3_n3"), ("p5", "C3_n4")):
        pairs += csp(f"neck_{ours}_csp", f"backbone.{theirs}", repeats)
    state = {}
    for level in range(3):
        head = f"head_p{level + 3}"
        pairs.append((f"{head}_stem", f"head.stems.{level}"))
        for index in range(2):
            pairs += wide(f"{head}_class_branch{index}", f"head.cls_convs.{level}.{index}")
            pairs += wide(f"{head}_box_branch{index}", f"head.reg_convs.{level}.{index}")
        for ours, theirs in (("class", "cls"), ("box", "reg"), ("objectness", "obj")):
            kernel, bias = weights[f"{head}_{ours}"]
            state[f"head.{theirs}_preds.{level}.weight"] = Tensor(kernel.transpose(3, 2, 0, 1))
            state[f"head.{theirs}_preds.{level}.bias"] = Tensor(bias)
    state |= unit_tensors(weights, [(ours, f"{theirs}.conv", f"{theirs}.bn") for ours, theirs in pairs])
    kernel = weights["backbone_stem_conv"][0].transpose(3, 2, 0, 1)
    state["backbone.backbone.stem.conv.conv.weight"] = Tensor(focus_kernel(kernel))
    return state


def yolox_checkpoint(state):
    """Returns what a training of its authors saves: the state dict among other things."""
    momentum = {0: {"momentum_buffer": Tensor(np.zeros([3], np.float32))}}
    return {"start_epoch": 300, "model": state, "optimizer": {"state": momentum, "param_groups": [{"lr": 0.01, "params": [0]}]}}
