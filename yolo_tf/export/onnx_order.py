"""The one order and naming of an ONNX graph, so that equal networks are equal bytes."""


def set_in_order(graph):
    """Orders the nodes and constants of an onnx.GraphProto in place, and names what lies between them after that order.

    The converter numbers what it makes by all that its process converted before, and of equal nodes and constants it keeps any
    one with its name. Here every node stands behind what makes its inputs, those of the first output first. The values of
    layers keep their names, others are called after their operation, constants after the value that first needs them;
    inputs and outputs of the graph keep theirs.
    """
    nodes = _in_order(graph)
    kept = {value.name for value in (*graph.input, *graph.output)}
    constants = {constant.name: constant for constant in graph.initializer}
    names, taken, used = {name: name for name in kept}, set(kept), []

    def call(value, base):
        name, count = base, 1
        while name in taken:
            count += 1
            name = f"{base}_{count}"
        taken.add(name)
        names[value] = name

    for node in nodes:
        for value in node.output:
            if value not in kept:
                call(value, value.removesuffix(":0") if "/" in value and "__" not in value else node.op_type)
        for place, value in enumerate(node.input):
            if value in constants and value not in names:
                used.append(value)
                call(value, f"{names[node.output[0]]}/input_{place}")

    for node in nodes:
        node.input[:] = [names.get(value, value) for value in node.input]  # "" = an input that is left out
        node.output[:] = [names[value] for value in node.output]
        node.name = node.output[0]
    for value in used:
        constants[value].name = names[value]
    _replace(graph.node, nodes)
    _replace(graph.initializer, [constants[value] for value in used])
    del graph.value_info[:]  # of names that are no more; every reader infers it
    graph.doc_string = ""  # the number of a function


def _in_order(graph):
    """Returns the nodes that the outputs of a graph need, each behind what makes its inputs."""
    maker = {value: place for place, node in enumerate(graph.node) for value in node.output}
    ordered, waiting = {}, [maker[value.name] for value in reversed(graph.output)]
    while waiting:  # depth first, without recursion: a network is deeper than Python's stack
        place = waiting[-1]
        before = [maker[value] for value in graph.node[place].input if value in maker and maker[value] not in ordered]
        if place in ordered or not before:
            ordered[waiting.pop()] = None
        else:
            waiting += reversed(before)
    return [graph.node[place] for place in ordered]


def _replace(repeated, messages):
    """Puts messages, of those that a repeated field has, into it in their order."""
    copies = []
    for message in messages:
        copies.append(type(message)())
        copies[-1].CopyFrom(message)
    del repeated[:]
    repeated.extend(copies)
