"""A TFLite file as a tree of objects, both ways, and the operations in it."""

from typing import NamedTuple

import flatbuffers
from tensorflow.lite.python import schema_py_generated as schema

ALIGNMENT = 16  # bytes; as schema.fbs demands of the weights


class Tensor(NamedTuple):
    """One tensor of a file; equal numbers are the same tensor."""

    number: tuple  # (subgraph, place in it)
    name: str
    dtype: str  # name in the schema, as "FLOAT32" or "INT8"


class Operation(NamedTuple):
    """One operation of a file."""

    name: str  # name in the schema, as "CONV_2D"; of one that is not built in "CUSTOM:name"
    inputs: tuple  # of Tensor
    outputs: tuple  # of Tensor


def read_model(content):
    """Returns the schema.ModelT of a TFLite file (`content`, bytes): a tree of objects that may be changed."""
    return schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))


def write_model(model):
    """Returns the TFLite file, bytes, of a schema.ModelT."""
    builder = _AligningBuilder(1024)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def read_operations(content):
    """Returns the Operations of a TFLite file (`content`, bytes), in the order in which they run."""
    model = read_model(content)
    operation_names, dtypes = _names_of(schema.BuiltinOperator), _names_of(schema.TensorType)
    kinds = []
    for code in model.operatorCodes:
        # older files keep numbers below 127 in the deprecated field
        name = operation_names[max(code.builtinCode, code.deprecatedBuiltinCode)]
        kinds.append(f"CUSTOM:{code.customCode.decode()}" if name == "CUSTOM" else name)
    operations = []
    for index, graph in enumerate(model.subgraphs):
        tensors = [
            Tensor((index, place), tensor.name.decode(), dtypes[tensor.type]) for place, tensor in enumerate(graph.tensors)
        ]
        for operation in graph.operators:
            inputs, outputs = (
                tuple(tensors[place] for place in places if place >= 0)  # -1 = an input that was left out
                for places in (operation.inputs, operation.outputs)
            )
            operations.append(Operation(kinds[operation.opcodeIndex], inputs, outputs))
    return operations


def _names_of(enumeration):
    return {number: name for name, number in vars(enumeration).items() if not name.startswith("_")}


class _AligningBuilder(flatbuffers.Builder):
    """Puts bytes, which the weights are, where the schema wants them; the Python of FlatBuffers forgets its `force_align`."""

    def StartVector(self, elemSize, numElems, alignment):
        return super().StartVector(elemSize, numElems, ALIGNMENT if elemSize == 1 else alignment)
