"""The graph of a functional Keras network: who made a tensor, who reads a layer. Keras' private names are used here alone."""

import collections

# names of the variables that convolutions and dense layers multiply by
KERNELS = ("kernel", "depthwise_kernel", "pointwise_kernel")


def maker_of(tensor):
    """Returns the operation (a layer, or an operation of keras.ops) that a symbolic tensor comes from."""
    return tensor._keras_history.operation


def node_of(tensor):
    """Returns the call that made a symbolic tensor; its operation may have been called in other networks too."""
    history = tensor._keras_history
    return history.operation._inbound_nodes[history.node_index]


def nodes_of(network):
    """Lists the calls of operations in a network, inputs first; its layers may stand in other networks too."""
    by_depth = network._nodes_by_depth
    return [node for depth in sorted(by_depth, reverse=True) for node in by_depth[depth]]


def readers_of(network):
    """Returns {name of an operation: operations that read its output}, one entry a reading, inside the network."""
    readers = collections.defaultdict(list)
    for node in nodes_of(network):
        for tensor in node.input_tensors:
            readers[maker_of(tensor).name].append(node.operation)
    return readers


def operations_behind(layer):
    """Lists the operations that read the output of a layer, in whatever network."""
    return [node.operation for node in layer._outbound_nodes]


def kernel_names(operation):
    """Returns which of KERNELS an operation has; none for one that is no layer."""
    return [name for name in KERNELS if getattr(operation, name, None) is not None]


def kernel_behind(tensor):
    """Follows a symbolic tensor back, as long as each step has one source, to the operation with a kernel that it is made of.

    Returns:
        The operation where the way ends: one with a kernel, or one without where several sources meet.
    """
    while not kernel_names(maker_of(tensor)):
        sources = {maker_of(source): source for source in node_of(tensor).input_tensors}
        if len(sources) != 1:
            break
        (tensor,) = sources.values()
    return maker_of(tensor)
