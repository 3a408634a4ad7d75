"""What each kind of layer does with channels: one rule per layer class.

A rule is a function (node, inputs, ids) -> (output, Cut): the node is the call of the layer in the network, `inputs`
are the numbers of the channels of each input, `ids` hands out new ones, `output` are the numbers of the output's channels
and the Cut says which axes of its weights and which options change when channels go. A rule that does not cover the
layer as it is configured returns None.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import keras
import numpy as np


@dataclasses.dataclass(frozen=True, eq=False)
class Axis:
    """One axis of a weight."""

    number: int
    ids: np.ndarray  # channels that its entries belong to, int
    reads: bool = False  # the entries weight channels that are summed up: without them nobody sees those channels


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Cut:
    """What of a layer depends on channels."""

    weights: Mapping = dataclasses.field(default_factory=dict)  # name of a weight -> tuple of Axis
    sizes: Mapping = dataclasses.field(default_factory=dict)  # option -> ids whose count it is, or a tuple with such ids
    makes: np.ndarray | None = None  # channels that the layer makes anew, int; None = it passes on those it reads


# Activations of each value on its own. Softmax and its kin look at all channels, so they are no part of this.
ELEMENTWISE = {
    getattr(keras.activations, name)
    for name in (
        "elu exponential gelu hard_shrink hard_sigmoid hard_silu hard_tanh leaky_relu linear log_sigmoid mish relu relu6 selu"
        " sigmoid silu soft_shrink softplus softsign sparse_plus squareplus tanh tanh_shrink threshold"
    ).split()
    if hasattr(keras.activations, name)
}


def _pass_on(node, inputs, ids):
    """Every output channel is a function of the input channel of the same number alone."""
    return inputs[0], Cut()


def _convolution(node, inputs, ids):
    if node.operation.groups != 1:
        return None
    return _new_channels(ids.new(node.operation.filters), inputs[0], kernel_axis=2, option="filters")


def _dense(node, inputs, ids):
    return _new_channels(ids.new(node.operation.units), inputs[0], kernel_axis=0, option="units")


def _new_channels(made, read, *, kernel_axis, option):
    weights = {"kernel": (Axis(kernel_axis, read, reads=True), Axis(kernel_axis + 1, made)), "bias": (Axis(0, made),)}
    return made, Cut(weights=weights, sizes={option: made}, makes=made)


def _depthwise(node, inputs, ids):
    output = np.repeat(inputs[0], node.operation.depth_multiplier)  # outputs are counted channel by channel
    return output, Cut(weights={"kernel": (Axis(2, inputs[0]),), "bias": (Axis(0, output),)})


def _separable(node, inputs, ids):
    layer = node.operation
    made, between = ids.new(layer.filters), np.repeat(inputs[0], layer.depth_multiplier)
    weights = {
        "depthwise_kernel": (Axis(2, inputs[0]),),
        "pointwise_kernel": (Axis(2, between, reads=True), Axis(3, made)),
        "bias": (Axis(0, made),),
    }
    return made, Cut(weights=weights, sizes={"filters": made}, makes=made)


def _batch_norm(node, inputs, ids):
    if not _is_last(node.operation.axis, node):
        return None
    return inputs[0], Cut(weights={name: (Axis(0, inputs[0]),) for name in ("gamma", "beta", "moving_mean", "moving_variance")})


def _rescaling(node, inputs, ids):
    return (inputs[0], Cut()) if np.ndim(node.operation.scale) == np.ndim(node.operation.offset) == 0 else None


def _dropout(node, inputs, ids):
    """Drops values anywhere, or whole images; a noise shape that counts channels is not known here."""
    shape = node.operation.noise_shape
    return (inputs[0], Cut()) if shape is None or shape[-1] in (None, 1) else None


def _reshape(node, inputs, ids):
    """[B, c] -> [B, 1, 1, c], as the squeeze of an attention block is brought back to a map."""
    shape = tuple(node.operation.target_shape)
    if len(node.input_tensors[0].shape) != 2 or set(shape[:-1]) - {1} or shape[-1] not in (len(inputs[0]), -1):
        return None
    return inputs[0], Cut(sizes={"target_shape": (*shape[:-1], inputs[0])})


def _elementwise(node, inputs, ids):
    """Sums and products of maps tie their channels place by place; a map of one channel counts for all of them."""
    if len({len(tensor.shape) for tensor in node.input_tensors}) > 1:  # Keras aligns these in its own way
        return None
    widest = max(inputs, key=len)
    for one in inputs:
        if len(one) == len(widest):
            ids.join(one, widest)
        else:
            ids.keep(one, f"{node.operation.name} spreads it over all channels")
    return widest, Cut()


def _concatenate(node, inputs, ids):
    if _is_last(node.operation.axis, node):
        return np.concatenate(inputs), Cut()
    for one in inputs[1:]:
        ids.join(one, inputs[0])
    return inputs[0], Cut()


def _is_last(axis, node):
    return axis in (-1, len(node.output_tensors[0].shape) - 1)


_layers = keras.layers
RULES = {
    _layers.Conv2D: _convolution,
    _layers.DepthwiseConv2D: _depthwise,
    _layers.SeparableConv2D: _separable,
    _layers.Dense: _dense,
    _layers.BatchNormalization: _batch_norm,
    _layers.Rescaling: _rescaling,
    _layers.Dropout: _dropout,
    _layers.Reshape: _reshape,
    **dict.fromkeys((_layers.Add, _layers.Subtract, _layers.Multiply, _layers.Average), _elementwise),
    **dict.fromkeys((_layers.Maximum, _layers.Minimum), _elementwise),
    _layers.Concatenate: _concatenate,
    **dict.fromkeys((_layers.Activation, _layers.ReLU, _layers.LeakyReLU, _layers.ELU), _pass_on),
    **dict.fromkeys((_layers.MaxPooling2D, _layers.AveragePooling2D), _pass_on),
    **dict.fromkeys((_layers.GlobalMaxPooling2D, _layers.GlobalAveragePooling2D), _pass_on),
    **dict.fromkeys((_layers.ZeroPadding2D, _layers.Cropping2D, _layers.UpSampling2D, _layers.Resizing), _pass_on),
    **dict.fromkeys((_layers.SpatialDropout2D, _layers.GaussianNoise, _layers.GaussianDropout), _pass_on),
}
MERGES = (_elementwise, _concatenate)  # rules for layers that take several maps


def apply_rule(node, inputs, ids):
    """Applies the rule for the class of a node's layer; None where no rule covers the layer as it is configured.

    The node is the only call of an operation in the network, `inputs` a list of int [c], `ids` ChannelIds.
    """
    layer = node.operation
    rule = RULES.get(type(layer))
    if rule is None or (len(inputs) != 1 and rule not in MERGES):
        return None
    if getattr(layer, "data_format", "channels_last") != "channels_last":
        return None
    if type(layer) is not keras.layers.LeakyReLU and getattr(layer, "activation", keras.activations.linear) not in ELEMENTWISE:
        return None
    result = rule(node, inputs, ids)
    if result and {weight.name for weight in layer.weights} <= {*result[1].weights, "seed_generator_state"}:
        return result  # that state is of dropout, and has nothing to do with channels
    return None
