"""Batch norm behind a convolution becomes part of the convolution: the same numbers, fewer operations."""

import collections

import keras
import numpy as np

from yolo_tf.surgery.graph import maker_of, nodes_of

FOLDABLE_CONVOLUTIONS = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)


def float32_copy(network):
    """Copies a functional network, weights included, to float32 arithmetic whatever policy it was trained with."""
    return _rebuild(network, find_folds=lambda network: {})


def copy_for(network, policy):
    """Copies a functional network, weights included, to the arithmetic of a dtype policy.

    As in a network that is built under the policy, pixels are scaled in float32 and what comes out is float32.
    """
    outputs = {maker_of(tensor).name for tensor in network.outputs}
    return _rebuild(network, lambda network: {}, dtype=policy, float32_layers={"pixel_scaling", *outputs})


def fold_batch_norm(network):
    """Copies a functional network for inference, every batch norm that can be folded into its convolution.

    In inference a batch norm is y = x * factor + shift per channel, with factor = gamma / sqrt(variance + epsilon)
    and shift = beta - mean * factor, so a convolution with kernel * factor and bias * factor + shift gives the same.
    That holds where the batch norm alone reads the convolution and nothing stands between them; other batch norms
    stay as they are. Networks used as layers are folded inside.

    Args:
        network: functional keras.Model of built-in layers, channels last. It is not changed.

    Returns:
        keras.Model in float32 with the same input, outputs and layer names.

    Source: Jacob et al., Quantization and Training of Neural Networks, arXiv:1712.05877, section 3.2.
    """
    return _rebuild(network, find_folds=find_folds)


def _rebuild(network, find_folds, *, dtype="float32", float32_layers=()):
    """Clones `network` under a dtype policy; `find_folds(network)` maps names of convolutions to batch norms to fold in."""
    if isinstance(network, keras.Sequential):
        network = keras.Model(network.inputs, network.outputs, name=network.name)
    folds = find_folds(network)
    batch_norms = {layer.name for layer in folds.values()}
    clones = {}

    def clone(layer):
        if isinstance(layer, keras.Model):
            # with its weights, so it needs no entry in `clones`
            return _rebuild(layer, find_folds, dtype=dtype, float32_layers=float32_layers)
        config = layer.get_config()
        if isinstance(layer, keras.layers.Layer):
            config["dtype"] = "float32" if layer.name in float32_layers else dtype
        if layer.name in folds:
            config["use_bias"] = True
        clones[layer.name] = layer.__class__.from_config(config)
        return clones[layer.name]

    def call(layer, *args, **kwargs):
        return args[0] if layer.name in batch_norms else layer(*args, **kwargs)

    copy = keras.models.clone_model(network, clone_function=clone, call_function=call)
    for layer in network.layers:
        if layer.name in folds:
            clones[layer.name].set_weights(_folded_weights(layer, folds[layer.name]))
        elif layer.name in clones and layer.name not in batch_norms:
            clones[layer.name].set_weights(layer.get_weights())
            if isinstance(layer, keras.layers.Normalization):
                clones[layer.name].finalize_state()  # it computes with copies of its weights, made here
    return copy


def find_folds(network):
    """Returns {name of a convolution: the batch norm that alone reads it}."""
    nodes = nodes_of(network)
    uses = collections.Counter(node.operation.name for node in nodes)
    readers = collections.Counter(maker_of(tensor).name for node in nodes for tensor in node.input_tensors)
    readers.update(maker_of(tensor).name for tensor in network.outputs)
    folds = {}
    for node in nodes:
        if type(node.operation) is not keras.layers.BatchNormalization or node.operation.axis not in (-1, 3):
            continue
        source = maker_of(node.input_tensors[0])
        if (
            type(source) in FOLDABLE_CONVOLUTIONS
            and source.activation is keras.activations.linear
            and source.data_format == "channels_last"
            and readers[source.name] == uses[source.name] == uses[node.operation.name] == 1
        ):
            folds[source.name] = node.operation
    return folds


def batch_norm_factor_and_shift(batch_norm):
    """Returns (factor, shift), float64 [channels], with which a batch norm computes x * factor + shift in inference."""
    variance = _read(batch_norm.moving_variance, 1)
    factor = _read(batch_norm.gamma, 1) / np.sqrt(variance + batch_norm.epsilon)
    return factor, _read(batch_norm.beta, 0) - _read(batch_norm.moving_mean, 0) * factor


def _folded_weights(convolution, batch_norm):
    """Returns [kernel, bias] of the convolution that does the work of both; float64 inside, where it costs nothing."""
    factor, shift = batch_norm_factor_and_shift(batch_norm)
    return [scaled_filters(convolution, factor), _read(convolution.bias, 0) * factor + shift]


def scaled_filters(convolution, factor):
    """Returns the kernel of a convolution, float64, the filter of each output channel times its `factor` [channels]."""
    kernel = _read(convolution.kernel, 0)
    # a depthwise kernel is [height, width, channels, multiplier], its outputs counted channel by channel
    depthwise = isinstance(convolution, keras.layers.DepthwiseConv2D)
    return kernel * (factor.reshape(kernel.shape[2:]) if depthwise else factor)


def _read(variable, default):
    return default if variable is None else np.asarray(variable, np.float64)
