"""What a network costs: parameters and arithmetic of backbone, adapters, neck and head."""

import dataclasses
import math

import keras
import tensorflow as tf

from yolo_tf.config import ModelConfig
from yolo_tf.config.plain import plain
from yolo_tf.errors import InputError
from yolo_tf.models.backbones import BACKBONES, STRIDES, FeatureTap
from yolo_tf.models.backbones.keras_model import find_taps
from yolo_tf.models.parts import PARTS, part_of
from yolo_tf.terminal.tables import format_table


@dataclasses.dataclass(frozen=True, kw_only=True)
class NetworkReport:
    """What a network costs, for one image."""

    name: str
    image_size: tuple[int, int]  # (height, width) px
    num_classes: int
    trainable_params: dict  # by part, and in "total"
    macs: dict  # the same
    flops: dict  # the same, 2 * macs
    taps: tuple[FeatureTap, ...]  # of the backbone
    initial_weights: dict  # part -> file, "random" or "absent"

    to_json = plain


def network_report(network: keras.Model, *, model: ModelConfig, num_classes: int, image_size: tuple[int, int]) -> NetworkReport:
    """Counts what a network costs: a NetworkReport, with the initial weights that `model` asks for.

    MACs are the multiply-adds of convolutions and dense layers for one image; batch norm, activations,
    pooling and sums are left out, as papers do.

    Args:
        network: keras.Model of `build_network`.
        model: the ModelConfig it was built from, or whose `network` it is.
        num_classes: C.
        image_size: (height, width) px, multiples of 32.

    Example: YOLOv5n with 80 classes has 1,872,157 trainable parameters and 4.468e9 FLOPs at 640 x 640.
    """
    params, macs, taps = count_params(network), count_macs(network, image_size=image_size), _tap_layers(network, model)
    initial_weights = {part: "random" if params[part] else "absent" for part in PARTS}
    if model.backbone_weights != "none":
        initial_weights["backbone"] = model.backbone_weights
    if model.weights:
        initial_weights = dict.fromkeys(PARTS, model.weights)
    if model.network:
        initial_weights = {part: model.network if params[part] else "absent" for part in PARTS}
    return NetworkReport(
        name=model.name,
        image_size=tuple(image_size),
        num_classes=num_classes,
        trainable_params=params,
        macs=macs,
        flops={part: 2 * count for part, count in macs.items()},
        taps=tuple(
            FeatureTap(layer=tap, stride=stride, channels=network.get_layer(tap).output.shape[-1])
            for tap, stride in zip(taps, STRIDES[: len(taps)], strict=True)
        ),
        initial_weights=initial_weights,
    )


def sum_by_part(amounts):
    """Sums (layer, amount) pairs: {part: sum}, and the sum of all as "total"."""
    sums = dict.fromkeys(PARTS, 0)
    for layer, amount in amounts:
        sums[part_of(layer)] += amount
    return {**sums, "total": sum(sums.values())}


def layer_params(layer):
    """Returns the number of trainable parameters of a layer."""
    return sum(math.prod(variable.shape) for variable in layer.trainable_variables)


def count_params(network):
    """Returns {part: trainable parameters}, with "total"."""
    return sum_by_part((layer, layer_params(layer)) for layer in network.layers)


def _tap_layers(network, model):
    """Returns the names of the layers that the features come from; none where the parts of a network from a file do not say."""
    declared = [tap.layer for tap in BACKBONES[model.backbone].taps] if model.backbone in BACKBONES else [""]
    if set(declared) <= {layer.name for layer in network.layers}:  # not so where a model of one's own was given
        return declared
    if model.network and not {part_of(layer) for layer in network.layers} >= {"backbone", "neck", "head"}:
        return ()
    if model.taps:
        return model.taps
    predictions = set(network.output_names)  # named by their level: of no part
    backbone = [layer for layer in network.layers if part_of(layer) == "backbone" and layer.name not in predictions]
    try:
        return find_taps(network, backbone)
    except InputError:
        if model.network:  # taken as it is, whatever its parts hand on
            return ()
        raise


def count_macs(network, *, image_size):
    """Returns {part: multiply-adds for one image of `image_size`}, with "total".

    Raises:
        TypeError: a layer with a kernel of a kind that is not counted here; none is passed over.
    """
    layers = [layer for layer in network.layers if any(len(v.shape) > 1 for v in layer.trainable_variables)]
    for layer in layers:
        if type(layer) not in _MACS:
            raise TypeError(f"count_macs: no rule for layer '{layer.name}' ({type(layer).__name__}).")
    # A model that ends at these layers knows their shapes at this size, without running or copying anything.
    ends = keras.Model(network.inputs, [layer.output for layer in layers])
    shapes = ends.compute_output_shape([(1, *image_size, 3)])
    if any(None in shape for shape in shapes):  # EinsumDense keeps to the open sizes that it was built for
        trace = tf.function(ends, autograph=False).get_concrete_function([tf.TensorSpec((1, *image_size, 3), tf.float32)])
        shapes = [tuple(shape) for shape in trace.output_shapes]
    return sum_by_part((layer, _MACS[type(layer)](layer, shape)) for layer, shape in zip(layers, shapes, strict=True))


def _kernel_macs(layer, shape):
    """One multiply-add per kernel element and output cell, grouped and depthwise convolutions included."""
    return math.prod(shape[:-1]) * math.prod(layer.kernel.shape)


def _separable_macs(layer, shape):
    """A depthwise convolution, then a 1 x 1 convolution on its cells."""
    return math.prod(shape[:-1]) * (math.prod(layer.depthwise_kernel.shape) + math.prod(layer.pointwise_kernel.shape))


def _einsum_macs(layer, shape):
    """One multiply-add per output element and element of the kernel's axes that are summed over."""
    operands, outputs = layer.equation.split("->")
    axes = zip(operands.split(",")[1].strip(), layer.kernel.shape, strict=True)
    return math.prod(shape) * math.prod(size for axis, size in axes if axis not in outputs)


_MACS = {
    keras.layers.Conv2D: _kernel_macs,
    keras.layers.DepthwiseConv2D: _kernel_macs,
    keras.layers.Dense: _kernel_macs,
    keras.layers.SeparableConv2D: _separable_macs,
    keras.layers.EinsumDense: _einsum_macs,
}


def format_report(report):
    """Returns a NetworkReport as lines of text."""
    height, width = report.image_size
    parts = [
        {
            "part": part,
            "parameters": f"{params:,}",
            "GMACs": f"{report.macs[part] / 1e9:.3f}",
            "GFLOPs": f"{report.flops[part] / 1e9:.3f}",
            "initial weights": report.initial_weights.get(part, ""),
        }
        for part, params in report.trainable_params.items()
    ]
    taps = [{"feature": tap.layer, "stride": f"{tap.stride}", "channels": f"{tap.channels}"} for tap in report.taps]
    lines = [f"{report.name}: {report.num_classes} classes, {width} x {height} px", "", format_table(parts)]
    return "\n".join([*lines, *(["", format_table(taps)] if taps else [])])
