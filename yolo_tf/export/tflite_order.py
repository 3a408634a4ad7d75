"""The one order in which a TFLite file holds its operations, tensors and buffers, so that equal networks are equal bytes."""

from yolo_tf.export.tflite_graph import read_model, schema, write_model

INSERTED = {schema.BuiltinOperator.QUANTIZE: b"quantized", schema.BuiltinOperator.DEQUANTIZE: b"in_float"}


def in_one_order(content):
    """Returns a file, bytes, that computes the same and no longer shows in which order the converter came to its parts.

    TensorFlow's quantiser gives the readers of one tensor their places and numbers as its memory happens to lie. Here every
    operation stands behind what makes its inputs, those of the first output first; tensors and buffers are numbered as the
    operations name them, and what the quantiser inserted is called after what it reads.
    """
    model = read_model(content)
    (graph,) = model.subgraphs
    _order_operations(graph)
    _number_tensors(model, graph)
    _name_inserted(model, graph)
    return write_model(model)


def _order_operations(graph):
    maker = {place: operation for operation in graph.operators for place in operation.outputs}
    ordered, seen, waiting = [], set(), [maker[place] for place in reversed(graph.outputs) if place in maker]
    while waiting:  # depth first, without recursion: a network is deeper than Python's stack
        operation = waiting[-1]
        before = [maker[place] for place in operation.inputs if place in maker and id(maker[place]) not in seen]
        if before and id(operation) not in seen:
            waiting += reversed(before)
            continue
        waiting.pop()
        if id(operation) not in seen:
            seen.add(id(operation))
            ordered.append(operation)
    graph.operators = ordered


def _number_tensors(model, graph):
    """Numbers tensors, then buffers, by their first appearance; what nothing names is left out."""
    named = [
        *graph.inputs,
        *(place for one in graph.operators for place in [*one.inputs, *one.outputs, *(one.intermediates or ())]),
    ]
    order = list(dict.fromkeys(place for place in named if place >= 0))
    number = {place: index for index, place in enumerate(order)} | {-1: -1}
    graph.tensors = [graph.tensors[place] for place in order]
    graph.inputs, graph.outputs = ([number[place] for place in places] for places in (graph.inputs, graph.outputs))
    for operation in graph.operators:
        operation.inputs = [number[place] for place in operation.inputs]
        operation.outputs = [number[place] for place in operation.outputs]
        if operation.intermediates is not None:
            operation.intermediates = [number[place] for place in operation.intermediates]
    for signature in model.signatureDefs or ():
        for one in [*signature.inputs, *signature.outputs]:
            one.tensorIndex = number[one.tensorIndex]

    buffers = list(
        dict.fromkeys([0, *(tensor.buffer for tensor in graph.tensors), *(one.buffer for one in model.metadata or ())])
    )
    number = {place: index for index, place in enumerate(buffers)}
    model.buffers = [model.buffers[place] for place in buffers]
    for one in [*graph.tensors, *(model.metadata or ())]:
        one.buffer = number[one.buffer]

    codes = list(dict.fromkeys(operation.opcodeIndex for operation in graph.operators))
    model.operatorCodes = [model.operatorCodes[place] for place in codes]
    for operation in graph.operators:
        operation.opcodeIndex = codes.index(operation.opcodeIndex)


def _name_inserted(model, graph):
    taken = set()
    for operation in graph.operators:
        code = model.operatorCodes[operation.opcodeIndex]
        word = INSERTED.get(max(code.builtinCode, code.deprecatedBuiltinCode))
        (place,) = operation.outputs if word else (None,)
        if word is None or place in graph.outputs:
            continue
        base = name = graph.tensors[operation.inputs[0]].name + b"/" + word
        while name in taken:
            name = base + b"_%d" % len(taken)
        taken.add(name)
        graph.tensors[place].name = name
