"""The operations of a TFLite file, read from its bytes."""

from typing import NamedTuple

from tensorflow.lite.python import schema_py_generated as schema


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


def read_operations(content):
    """Returns the Operations of a TFLite file (`content`, bytes), in the order in which they run."""
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
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
