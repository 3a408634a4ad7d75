"""What the name of a layer says: its part, its stage, its kernel; and what follows: what is frozen, how fast each part learns."""

import keras

from yolo_tf.errors import InputError, did_you_mean
from yolo_tf.surgery.graph import KERNELS, maker_of

PARTS = ("backbone", "adapters", "neck", "head")
_PREFIXES = {"adapter": "adapters", "neck": "neck", "head": "head"}  # all other layers: backbone
STAGES = tuple(f"stage{number}" for number in range(1, 6))  # of the backbone: stage n has stride 2 ** n
PROBE_SIZE = 256  # px; any multiple of 32 at which the coarsest map is larger than one cell


def part_of(layer):
    """Returns the part that a layer belongs to, by its name."""
    prefix, _, _ = layer.name.partition("_")
    return _PREFIXES.get(prefix, "backbone")


def is_kernel(variable):
    """Returns whether a variable is the kernel of a convolution or dense layer, by its name."""
    return variable.path.rsplit("/", 1)[-1] in KERNELS


def kernels_of(network):
    """Lists the kernel variables of a network, in the order of its layers."""
    return [variable for layer in network.layers for variable in layer.trainable_variables if is_kernel(variable)]


def backbone_stages(network):
    """Returns {name of a backbone layer: its stage, 1..5} of a network of `build_network`.

    A layer belongs to stage n when its output has stride 2 ** n. One without a map of its own (the squeeze of
    an attention block, pixel scaling) belongs where its input does, at least to stage 1.
    """
    layers = [layer for layer in network.layers if part_of(layer) == "backbone"]
    layers = [layer for layer in layers if not isinstance(layer, keras.layers.InputLayer)]
    outputs = keras.Model(network.inputs, [layer.output for layer in layers])
    shapes = outputs.compute_output_shape([(1, PROBE_SIZE, PROBE_SIZE, 3)])
    stages = {}
    for layer, shape in zip(layers, shapes, strict=True):
        before = [stages.get(maker_of(tensor).name, 1) for tensor in keras.tree.flatten(layer.input)]
        rows = shape[1] if len(shape) == 4 else 1
        stages[layer.name] = max(before) if rows <= 1 else max(round(PROBE_SIZE / rows).bit_length() - 1, 1)
    return stages


def frozen_layers(network, freeze):
    """Lists the layers that `freeze` names.

    Args:
        network: keras.Model of `build_network`.
        freeze: names of parts (backbone, adapters, neck, head) and of backbone stages (stage1 .. stage5).

    Returns:
        list of keras layers with weights.

    Raises:
        InputError: an unknown name, a part that the network does not have, or everything would be frozen.
    """
    known = (*PARTS, *STAGES)
    for name in freeze:
        if name not in known:
            hint = did_you_mean(name, known)
            raise InputError(f"config.transfer.freeze: unknown part '{name}'.{hint} Expected: {', '.join(known)}.")
        if name in PARTS and not any(layer.weights for layer in network.layers if part_of(layer) == name):
            raise InputError(
                f"config.transfer.freeze: no layer of the network belongs to '{name}'. Expected a part that it has, by the"
                f" names of its layers (neck_..., head_...; all others are the backbone). Leave {name} out."
            )
    if set(freeze) & {"backbone", *STAGES}:
        _check_named_by_part(network, "transfer.freeze")
    stages = backbone_stages(network) if set(freeze) & set(STAGES) else {}
    frozen = [
        layer
        for layer in network.layers
        if layer.weights and (part_of(layer) in freeze or f"stage{stages.get(layer.name)}" in freeze)
    ]
    if freeze and sum(len(layer.weights) for layer in frozen) == len(network.weights):
        raise InputError(f"config.transfer.freeze: {list(freeze)} leaves nothing to train. Expected fewer parts. Remove one.")
    return frozen


def learning_rate_factors(network, *, backbone, layer_decay):
    """Computes how fast each variable learns, relative to the learning rate.

    Args:
        network: keras.Model of `build_network`.
        backbone: factor on the whole backbone.
        layer_decay: further factor per stage of the backbone: stage 5 learns `layer_decay` times as fast as
            the neck, stage 4 `layer_decay` ** 2, and so on.

    Returns:
        dict: path of a trainable variable of the backbone -> factor. Those that are absent have 1.

    Raises:
        InputError: the names of the layers do not tell which are the backbone.

    Source: layer-wise decay, arXiv:2106.08254, appendix; by stage as in arXiv:2201.03545, appendix A.
    """
    if backbone == 1 and layer_decay == 1:
        return {}
    _check_named_by_part(network, "transfer.backbone_learning_rate_multiplier and layer_decay")
    stages = backbone_stages(network)
    return {
        variable.path: backbone * layer_decay ** (len(STAGES) + 1 - stages[layer.name])
        for layer in network.layers
        if layer.name in stages
        for variable in layer.trainable_variables
    }


def _check_named_by_part(network, option):
    """Raises InputError where every layer would count as the backbone, as in a network that was not built here."""
    if not {part_of(layer) for layer in network.layers if layer.weights} - {"backbone"}:
        raise InputError(
            f"config.{option}: the layers of {network.name} do not say which are the backbone. Expected names that begin with"
            " neck_ and head_ for the others. Leave the option out."
        )
