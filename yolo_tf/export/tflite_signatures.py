"""The signatures of a TFLite file: each with a graph of its own, its tensors named as a client reads them."""

import copy

from yolo_tf.export.tflite_graph import read_model, schema, write_model
from yolo_tf.files.format import CANDIDATES

BEFORE_SUPPRESSION = "candidates_"  # before the names of the outputs that become the signature `candidates` beside another


def give_signatures_graphs(content):
    """Makes of the one signature that a file was converted with those that it is to have, each with a graph of its own.

    LiteRT's CompiledModel takes no two signatures of one graph. A graph holds only what its outputs need, so `candidates`
    does not wait for the suppression; weights are in the file once, for all graphs point to them. `detections`, where there
    is one, is the first graph: what a client gets that asks for none. Inputs and outputs have the names of the signature, so
    that a client that goes by index finds them too.

    Args:
        content: bytes of a TFLite file of one signature, whose outputs are "boxes" and "scores", or those of
            `suppress_one_image` and BEFORE_SUPPRESSION + "boxes" and "scores".

    Returns:
        bytes.
    """
    model = read_model(content)
    (converted,), (graph,) = model.signatureDefs, model.subgraphs
    given = {output.name.decode(): output.tensorIndex for output in converted.outputs}
    inputs = {one.name.decode(): one.tensorIndex for one in converted.inputs}
    sides = {"candidates": given}
    if any(name.startswith(BEFORE_SUPPRESSION) for name in given):
        candidates = {name: given.pop(BEFORE_SUPPRESSION + name) for name in CANDIDATES}
        sides = {"detections": given, "candidates": candidates}
    model.subgraphs, model.signatureDefs = [], []
    for index, (signature, outputs) in enumerate(sides.items()):
        alone, place = _part_that_makes(graph, inputs, outputs)
        alone.name = signature.encode()
        ends = [[schema.TensorMapT(name.encode(), place[old]) for name, old in side.items()] for side in (inputs, outputs)]
        model.subgraphs.append(alone)
        model.signatureDefs.append(schema.SignatureDefT(*ends, signature.encode(), index))
    return write_model(model)


def _part_that_makes(graph, inputs, outputs):
    """Returns a copy of a SubGraphT with what these outputs (name -> tensor) need, and {tensor: its place in the copy}."""
    needed, operators = {*inputs.values(), *outputs.values()}, []
    for operator in reversed(graph.operators):
        if needed.intersection(operator.outputs):
            needed.update(tensor for tensor in (*operator.inputs, *operator.outputs) if tensor >= 0)  # -1 = left out
            operators.insert(0, copy.deepcopy(operator))
    place = {old: new for new, old in enumerate(sorted(needed))}
    for operator in operators:
        operator.inputs = [place.get(tensor, -1) for tensor in operator.inputs]
        operator.outputs = [place[tensor] for tensor in operator.outputs]
    tensors = [copy.deepcopy(graph.tensors[old]) for old in place]
    for name, old in {**inputs, **outputs}.items():
        tensors[place[old]].name = name.encode()
    ends = ([place[old] for old in side.values()] for side in (inputs, outputs))
    return schema.SubGraphT(tensors, *ends, operators), place
