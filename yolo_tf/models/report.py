"""What a network costs: parameters and arithmetic of backbone, adapters, neck and head."""

import math

import keras

from yolo_tf.models.backbones import BACKBONES

PARTS = ("backbone", "adapters", "neck", "head")
_PREFIXES = {"adapter": "adapters", "neck": "neck", "head": "head"}  # all other layers: backbone
# Their arithmetic is one multiply-add per kernel element and output cell, grouped and depthwise ones included.
_COUNTED = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D, keras.layers.Dense)


def network_report(network, *, model, num_classes, image_size):
    """Counts what a network costs.

    MACs are the multiply-adds of convolutions and dense layers for one image; batch norm, activations,
    pooling and sums are left out, as papers do.

    Args:
        network: keras.Model of `build_network`.
        model: the ModelConfig it was built from.
        num_classes: C.
        image_size: (height, width) px, multiples of 32.

    Returns:
        dict of JSON values: name, image_size, num_classes, trainable_params, macs and flops (2 * macs),
        each by part and in total, taps, initial_weights by part.

    Example: YOLOv5n with 80 classes has 1,872,157 trainable parameters and 4.468e9 FLOPs at 640 x 640.
    """
    params = dict.fromkeys(PARTS, 0)
    for layer in network.layers:
        params[part_of(layer)] += sum(math.prod(variable.shape) for variable in layer.trainable_variables)
    macs = count_macs(network, image_size=image_size)
    initial_weights = {part: "random" if params[part] else "absent" for part in PARTS}
    if model.backbone_weights != "none":
        initial_weights["backbone"] = model.backbone_weights
    if model.weights:
        initial_weights = dict.fromkeys(PARTS, model.weights)
    return {
        "name": model.name,
        "image_size": list(image_size),
        "num_classes": num_classes,
        "trainable_params": _with_total(params),
        "macs": _with_total(macs),
        "flops": _with_total({part: 2 * count for part, count in macs.items()}),
        "taps": [
            {"layer": tap.layer, "stride": tap.stride, "channels": network.get_layer(tap.layer).output.shape[-1]}
            for tap in BACKBONES[model.backbone].taps
        ],
        "initial_weights": initial_weights,
    }


def count_macs(network, *, image_size):
    """Returns {part: multiply-adds for one image of `image_size`}.

    Raises:
        TypeError: a layer with a kernel of a kind that is not counted here; none is passed over.
    """
    layers = [layer for layer in network.layers if any(len(v.shape) > 1 for v in layer.trainable_variables)]
    for layer in layers:
        if not isinstance(layer, _COUNTED):
            raise TypeError(f"count_macs: no rule for layer '{layer.name}' ({type(layer).__name__}).")
    # A model that ends at these layers knows their shapes at this size, without running or copying anything.
    shapes = keras.Model(network.inputs, [layer.output for layer in layers]).compute_output_shape([(1, *image_size, 3)])
    macs = dict.fromkeys(PARTS, 0)
    for layer, (_, *cells, _) in zip(layers, shapes, strict=True):
        macs[part_of(layer)] += math.prod(cells) * math.prod(layer.kernel.shape)
    return macs


def part_of(layer):
    """Returns the part that a layer belongs to, by its name."""
    prefix, _, _ = layer.name.partition("_")
    return _PREFIXES.get(prefix, "backbone")


def format_report(report):
    """Returns a `network_report` as lines of text."""
    height, width = report["image_size"]
    lines = [
        f"{report['name']}: {report['num_classes']} classes, {width} x {height} px",
        "",
        f"{'part':<10}{'parameters':>14}{'GMACs':>10}{'GFLOPs':>10}  initial weights",
    ]
    for part in (*PARTS, "total"):
        lines.append(
            f"{part:<10}{report['trainable_params'][part]:>14,}{report['macs'][part] / 1e9:>10.3f}"
            f"{report['flops'][part] / 1e9:>10.3f}  {report['initial_weights'].get(part, '')}".rstrip()
        )
    lines += ["", f"{'feature':<44}{'stride':>6}{'channels':>10}"]
    for tap in report["taps"]:
        lines.append(f"{tap['layer']:<44}{tap['stride']:>6}{tap['channels']:>10}")
    return "\n".join(lines)


def _with_total(counts):
    return {**counts, "total": sum(counts.values())}
