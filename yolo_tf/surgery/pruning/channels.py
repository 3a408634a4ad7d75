"""Structured pruning: whole channels go, and a smaller network of the same kind of layers is what is left."""

import collections
import contextlib

import keras
import numpy as np

from yolo_tf.surgery.graph import readers_of
from yolo_tf.surgery.pruning.channel_rules import Cut

MULTIPLE = 8  # channels are kept in multiples of it, as vector units and `scaled_channels` have it; it is the least, too


def removed_channels(network, flow, amount):
    """Chooses the channels that matter least in each group: a set of roots.

    A channel matters as much as its batch norm lets it vary: |gamma| is the deviation of what it passes on, whatever
    the scale of the filter before it. Where no batch norm alone reads the layer, it is the L1 norm of the filter. Either
    is taken over the mean of its layer, and summed over the layers of the group. Each group loses the same share: so the
    cost of the result is known beforehand, and no stage is cut through. docs/compression.md has what other orders keep.

    Args:
        network: functional keras.Model.
        flow: its ChannelFlow.
        amount: share of the channels of each group to remove, 0..1; rounded so that a multiple of MULTIPLE stays.

    Source: |gamma|, Liu et al., Network Slimming, arXiv:1708.06519, section 3; L1 norm and shares by layer, Li et al.,
    Pruning Filters for Efficient ConvNets, arXiv:1608.08710, sections 3.1 and 3.2.
    """
    scores = _importance(network, flow)
    removed = set()
    for group in flow.groups:
        count = 0 if group.reason else len(group.roots) - kept_count(len(group.roots), amount)
        weakest = np.argsort([scores[root] for root in group.roots], kind="stable")[:count]
        removed.update(group.roots[weakest].tolist())
    return removed


def kept_count(count, amount):
    """Returns how many of `count` channels stay: a multiple of MULTIPLE above 0, or all, whichever is nearest to the rest.

    Example: of 64 channels at 0.3, 44.8 would be left; 48 stay. Of 6, all stay.
    """
    rest = count * (1 - amount)
    multiple = max(MULTIPLE, round(rest / MULTIPLE) * MULTIPLE)
    return min(multiple, count) if abs(multiple - rest) <= abs(count - rest) else count


def without_channels(network, flow, removed):
    """Builds a network without some channels, the layers of the same names narrower, with what is left of the weights.

    Args:
        network: functional keras.Model. It is not changed.
        flow: its ChannelFlow.
        removed: set of roots.
    """

    def stays(ids):
        return ~np.isin(flow.ids.roots(ids), list(removed))

    def size(value):
        return int(stays(value).sum()) if isinstance(value, np.ndarray) else value

    def clone(operation):
        config = operation.get_config()
        for option, value in _cut_of(flow, operation).sizes.items():
            config[option] = tuple(map(size, value)) if isinstance(value, tuple) else size(value)
        return operation.__class__.from_config(config)

    smaller = keras.models.clone_model(network, clone_function=clone)
    for layer in network.layers:
        values = [weight.numpy() for weight in layer.weights]
        for place, weight in enumerate(layer.weights):
            for axis in _cut_of(flow, layer).weights.get(weight.name, ()):
                values[place] = np.compress(stays(axis.ids), values[place], axis=axis.number)
        if values:
            smaller.get_layer(layer.name).set_weights(values)
        if isinstance(layer, keras.layers.Normalization):
            smaller.get_layer(layer.name).finalize_state()  # it computes with copies of its weights, made here
    return smaller


@contextlib.contextmanager
def unread_channels(network, flow, removed):
    """Makes all kernels of a network deaf to some channels while the block runs: what it is without them.

    The removed channels are still computed, and no kept one depends on them: channels meet in kernels only. So the
    network of `without_channels` must answer as this one does, and here nothing is taken apart or built anew. The
    network has its weights back afterwards.
    """
    before = []
    try:
        for layer in network.layers:
            for weight in layer.weights:
                for axis in _cut_of(flow, layer).weights.get(weight.name, ()):
                    if axis.reads:
                        before.append((weight, weight.numpy()))
                        values = weight.numpy().copy()
                        values[(*[slice(None)] * axis.number, np.isin(flow.ids.roots(axis.ids), list(removed)))] = 0
                        weight.assign(values)
        yield
    finally:
        for weight, values in reversed(before):
            weight.assign(values)


def _importance(network, flow):
    """Returns {root: importance} of all channels that layers make."""
    scores = collections.defaultdict(float)
    batch_norms = _following_batch_norms(network)
    for name, cut in flow.cuts.items():
        if cut.makes is None:
            continue
        layer = network.get_layer(name)
        kernel = np.abs(np.asarray(layer.pointwise_kernel if hasattr(layer, "pointwise_kernel") else layer.kernel, np.float64))
        weights = kernel.reshape(-1, kernel.shape[-1]).sum(0)
        if name in batch_norms:  # a filter of zeros is a constant, whatever its gamma
            weights = np.where(weights > 0, np.abs(np.asarray(batch_norms[name].gamma, np.float64)), 0)
        for root, weight in zip(flow.ids.roots(cut.makes).tolist(), weights / max(weights.mean(), 1e-30), strict=True):
            scores[root] += weight
    return scores


def _following_batch_norms(network):
    """Returns {layer name: the batch norm, with a gamma, that alone reads its output}."""
    return {
        name: some[0]
        for name, some in readers_of(network).items()
        if len(some) == 1 and type(some[0]) is keras.layers.BatchNormalization and some[0].scale
    }


def _cut_of(flow, operation):
    return flow.cuts.get(operation.name, Cut())
