"""Follows every channel through a network: which layers make it, which read it, which channels must stay together."""

from __future__ import annotations

import collections
import dataclasses

import keras
import numpy as np

from yolo_tf.surgery.graph import nodes_of
from yolo_tf.surgery.pruning.channel_ids import ChannelIds
from yolo_tf.surgery.pruning.channel_rules import apply_rule


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class ChannelGroup:
    """Channels that the same layers make: one of them is one output of each of these layers, or more."""

    layers: tuple[str, ...]  # names, in the order of the network
    roots: np.ndarray  # one number per channel, int
    reason: str  # why all of them stay; "" = they may go


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class ChannelFlow:
    """The channels of a network."""

    ids: ChannelIds
    cuts: dict  # layer name -> Cut
    groups: tuple[ChannelGroup, ...]


def follow_channels(network):
    """Returns a ChannelFlow: which channels of a network can only be removed together, and which not at all.

    Channels are followed one by one, not layer by layer: so the two halves of a concatenation that is added to another
    map are each tied to their half of it. What no rule covers (grouped convolutions, layer norm, operations that look
    at all channels, a layer that is called twice) gets all the channels it reads, and keeps all that it makes. The
    inputs and outputs of the network keep theirs. The network, a functional keras.Model, is not changed.

    Source: dependency graph of Fang et al., DepGraph: Towards Any Structural Pruning, arXiv:2301.12900, section 3.2.
    """
    ids, cuts, channels = ChannelIds(), {}, {}
    nodes = nodes_of(network)
    calls = collections.Counter(node.operation.name for node in nodes)
    for node in nodes:
        operation = node.operation
        inputs = [channels[id(tensor)] for tensor in node.input_tensors]
        result = apply_rule(node, inputs, ids) if calls[operation.name] == 1 and inputs else None
        if result is not None and [len(result[0])] == [tensor.shape[-1] for tensor in node.output_tensors]:
            channels[id(node.output_tensors[0])], cuts[operation.name] = result
            continue
        reason = f"{operation.name} ({_kind(operation)})"
        for some in inputs:
            ids.keep(some, reason)
        for tensor in node.output_tensors:
            channels[id(tensor)] = ids.new(tensor.shape[-1] if len(tensor.shape) else 1)
            ids.keep(channels[id(tensor)], reason)
    for tensor in network.outputs:
        ids.keep(channels[id(tensor)], "output of the network")
    return ChannelFlow(ids=ids, cuts=cuts, groups=_grouped(ids, cuts))


def _grouped(ids, cuts):
    """Sorts the channels that layers make by who makes them, and whether they must stay."""
    makers, reasons = collections.defaultdict(list), ids.reasons()
    for name, cut in cuts.items():
        for root in dict.fromkeys(ids.roots(cut.makes).tolist() if cut.makes is not None else ()):
            makers[root].append(name)
    groups = collections.defaultdict(list)
    for root, names in makers.items():
        groups[tuple(names), reasons.get(root, "")].append(root)
    return tuple(ChannelGroup(layers=names, roots=np.array(roots), reason=reason) for (names, reason), roots in groups.items())


def _kind(operation):
    groups = getattr(operation, "groups", 1)
    if isinstance(operation, keras.layers.InputLayer):
        return "input of the network"
    return f"{type(operation).__name__} of {groups} groups" if groups != 1 else type(operation).__name__
