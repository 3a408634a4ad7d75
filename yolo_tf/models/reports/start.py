"""What really happened when a backbone was put in: printed before the first epoch, kept with the run.

A detector on another backbone can fail in silence: weights that were not found, pixels in the wrong range, batch
norms that never settle, a neck so large that the backbone hardly counts. This says what is the case.
"""

import math

import keras

from yolo_tf.models.parts import PARTS, part_of

BYTES_PER_VALUE = 4  # float32
SETTLED = 5  # a moving average has forgotten its start to e^-5 after this many times 1 / (1 - momentum) steps
_NORMALIZATIONS = (keras.layers.BatchNormalization, keras.layers.LayerNormalization, keras.layers.GroupNormalization)


def swap_report(network, report, *, loaded=None, frozen=(), steps=None):
    """Describes the state a network starts training in.

    Args:
        network: keras.Model of `build_network`.
        report: its `network_report`.
        loaded: LoadedWeights of `model.weights`; None = no such file.
        frozen: layers that do not learn at first.
        steps: batches of the whole run; None = not known.

    Returns:
        dict of JSON values: initial_weights (part -> file, "random" or "absent": what `loaded` really gave),
        pixel_scaling (scale, offset: the network sees p * scale + offset of a pixel p in 0..255; None where a network
        from elsewhere has no layer of that name), normalization
        (part -> rows of kind, momentum, epsilon, layers, frozen), activation_megabytes (part -> float32 outputs of
        all layers for one image, and in total), loaded (part -> tensors loaded and in all; None without a file),
        frozen_layers, warnings (lines of text).
    """
    names = {layer.name for layer in frozen}
    tensors = None if loaded is None else _loaded_tensors(network, loaded)
    initial_weights = report["initial_weights"]
    if tensors:
        initial_weights = {
            part: str(loaded.path) if count else ("random" if total else "absent") for part, (count, total) in tensors.items()
        }
    activations = activation_megabytes(network, report["image_size"])
    normalization = _normalization(network, names)
    return {
        "initial_weights": initial_weights,
        "pixel_scaling": _pixel_scaling(network),
        "normalization": normalization,
        "activation_megabytes": activations,
        "loaded": tensors,
        "frozen_layers": len(names),
        "warnings": _warnings(report["trainable_params"], initial_weights, normalization, steps),
    }


def format_swap_report(swap):
    """Returns a `swap_report` as lines of text."""
    scaling = swap["pixel_scaling"]
    pixels = "scaled as the network's own layers do"
    if scaling:
        pixels = f"value * {_numbers(scaling['scale'])} + {_numbers(scaling['offset'])}"
    memory = ", ".join(f"{part} {size:.1f}" for part, size in swap["activation_megabytes"].items() if size)
    lines = [f"pixels: {pixels}", f"activations of one image, MB: {memory}"]
    for part, rows in swap["normalization"].items():
        for row in rows:
            momentum = "" if row["momentum"] is None else f" momentum {row['momentum']:g},"
            frozen = f", {row['frozen']} frozen (inference mode)" if row["frozen"] else ""
            lines.append(f"{part}: {row['layers']} {row['kind']},{momentum} epsilon {row['epsilon']:g}{frozen}")
    for part, (count, total) in (swap["loaded"] or {}).items():
        if total:
            lines.append(f"{part}: {count} of {total} tensors from model.weights")
    lines += [f"warning: {warning}" for warning in swap["warnings"]]
    return "\n".join(lines)


def _pixel_scaling(network):
    if "pixel_scaling" not in {layer.name for layer in network.layers}:
        return None
    layer = network.get_layer("pixel_scaling")
    return {key: [float(value) for value in _listed(getattr(layer, key))] for key in ("scale", "offset")}


def _listed(value):
    return list(value) if hasattr(value, "__iter__") else [value]


def _numbers(values):
    rounded = [f"{value:.4g}" for value in values]
    return rounded[0] if len(set(rounded)) == 1 else f"({', '.join(rounded)})"


def _normalization(network, frozen):
    """Returns part -> rows of normalisation layers that are alike."""
    found = {part: {} for part in PARTS}
    for layer in network.layers:
        if isinstance(layer, _NORMALIZATIONS):
            key = (type(layer).__name__, getattr(layer, "momentum", None), layer.epsilon)
            row = found[part_of(layer)].setdefault(key, {"layers": 0, "frozen": 0})
            row["layers"] += 1
            row["frozen"] += layer.name in frozen
    return {
        part: [{"kind": kind, "momentum": momentum, "epsilon": epsilon, **row} for (kind, momentum, epsilon), row in rows.items()]
        for part, rows in found.items()
        if rows
    }


def activation_megabytes(network, image_size):
    """Returns {part: megabytes of the float32 outputs of its layers for one image of (height, width) px} with "total"."""
    layers = [layer for layer in network.layers if not isinstance(layer, keras.layers.InputLayer)]
    layers = [layer for layer in layers if isinstance(layer.output, keras.KerasTensor)]
    shapes = keras.Model(network.inputs, [layer.output for layer in layers]).compute_output_shape([(1, *image_size, 3)])
    sizes = dict.fromkeys(PARTS, 0)
    for layer, shape in zip(layers, shapes, strict=True):
        sizes[part_of(layer)] += math.prod(side or 1 for side in shape) * BYTES_PER_VALUE / 1e6
    return {**sizes, "total": sum(sizes.values())}


def _loaded_tensors(network, loaded):
    counts = {part: [0, 0] for part in PARTS}
    for layer in network.layers:
        counts[part_of(layer)][0] += len(layer.weights) if layer.name in loaded.loaded else 0
        counts[part_of(layer)][1] += len(layer.weights)
    return counts


def _warnings(params, initial_weights, normalization, steps):
    warnings = []
    share = params["neck"] / params["total"]
    if share > 0.5:
        warnings.append(f"the neck is {share:.0%} of the parameters: this comparison hides the backbone")
    if initial_weights["backbone"] == "random":
        warnings.append("the backbone starts from random weights; model.backbone_weights or model.weights gives it better ones")
    for part, rows in normalization.items():
        for row in rows:
            momentum = row["momentum"]
            if steps and momentum and row["frozen"] < row["layers"] and steps * (1 - momentum) < SETTLED:
                warnings.append(
                    f"batch norm momentum {momentum:g} of the {part} does not settle in {steps} steps; set"
                    " model.batch_norm_momentum"
                )
    return warnings
