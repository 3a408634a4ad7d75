"""An `.onnx` file of any program -> its operations and stored tensors, without a package: nothing is executed.

Source: onnx.proto (ModelProto, GraphProto, NodeProto, AttributeProto, TensorProto); the encoding is that of files/onnx.py.
"""

from __future__ import annotations

import dataclasses
import math
import mmap

import numpy as np

from yolo_tf.errors import InputError
from yolo_tf.files.onnx import read_fields, read_varints

GRAPH = 7  # of ModelProto
NODE, INITIALIZER, INPUT = 1, 5, 11  # of GraphProto
FLOAT, RAW_DATA, FLOAT_DATA = 1, 9, 4  # a data type and two fields of TensorProto


@dataclasses.dataclass(frozen=True, kw_only=True)
class Operation:
    """One node of the graph."""

    kind: str  # "Conv"
    inputs: tuple[str, ...]  # names of tensors, in order
    outputs: tuple[str, ...]
    numbers: dict  # attribute -> tuple of whole numbers: group, strides, pads ...


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class OnnxGraph:
    """What an `.onnx` file computes."""

    operations: tuple[Operation, ...]  # each behind those that it needs
    tensors: dict  # name -> float32 array
    inputs: dict  # name -> sides; 0 where any will do


def read_onnx_graph(path, *, what):
    """Reads an OnnxGraph; `what` is the file that is expected, for messages.

    Raises:
        InputError: no such file, or it is empty, cut off, no ONNX file, or holds its weights elsewhere.
    """
    try:
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            graphs = [(start, stop) for number, start, stop in read_fields(data, 0, len(data)) if number == GRAPH]
            if len(graphs) != 1:
                raise ValueError("it holds no graph")
            return _read_graph(data, *graphs[0])
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}. Expected {what}. Check the path.") from error
    except (ValueError, IndexError, OverflowError) as error:
        raise InputError(f"{path}: is no whole ONNX file ({error}). Expected {what}. Copy or download it again.") from error


def _read_graph(data, start, stop):
    operations, tensors, inputs = [], {}, {}
    for number, first, last in read_fields(data, start, stop):
        if number == NODE:
            operations.append(_read_operation(data, first, last))
        elif number == INITIALIZER:
            name, array = _read_tensor(data, first, last)
            if array is not None:
                tensors[name] = array
        elif number == INPUT:
            name, sides = _read_input(data, first, last)
            inputs[name] = sides
    return OnnxGraph(operations=tuple(operations), tensors=tensors, inputs=inputs)


def _read_operation(data, start, stop):
    inputs, outputs, kind, numbers = [], [], "", {}
    for number, first, last in read_fields(data, start, stop):
        if number == 1:
            inputs.append(_text(data, first, last))
        elif number == 2:
            outputs.append(_text(data, first, last))
        elif number == 4:
            kind = _text(data, first, last)
        elif number == 5:
            name, values = "", []
            for inner, begin, end in read_fields(data, first, last):
                if inner == 1:
                    name = _text(data, begin, end)
                elif inner in (3, 8):  # i, ints
                    values += read_varints(data, begin, end)
            numbers[name] = tuple(values)
    return Operation(kind=kind, inputs=tuple(inputs), outputs=tuple(outputs), numbers=numbers)


def _read_tensor(data, start, stop):
    """Returns (name, float32 array; None where it holds other numbers)."""
    sides, kind, name, raw, listed = [], 0, "", None, []
    for number, first, last in read_fields(data, start, stop):
        if number == 1:
            sides += read_varints(data, first, last)
        elif number == 2:
            [kind] = read_varints(data, first, last)
        elif number == 8:
            name = _text(data, first, last)
        elif number == RAW_DATA:
            raw = data[first:last]
        elif number == FLOAT_DATA:
            listed.append(data[first:last])
        elif number == 13:
            raise ValueError(f"the numbers of {name or 'a tensor'} lie in another file")
    if kind != FLOAT:
        return name, None
    content = b"".join(listed) if raw is None else raw
    if len(content) != 4 * math.prod(sides):
        raise ValueError(f"{name} declares {sides} and holds {len(content)} bytes")
    return name, np.frombuffer(content, "<f4").reshape(sides)


def _read_input(data, start, stop):
    """Returns (name, sides) of a ValueInfoProto: type 2, tensor_type 1, shape 2, dim 1, dim_value 1."""
    name, sides = "", []
    for number, first, last in read_fields(data, start, stop):
        if number == 1:
            name = _text(data, first, last)
        elif number == 2:
            for begin, end in _inside(data, [(first, last)], 1, 2, 1):
                values = [read_varints(data, *span)[0] for inner, *span in read_fields(data, begin, end) if inner == 1]
                sides.append(values[0] if values else 0)
    return name, tuple(sides)


def _inside(data, spans, *numbers):
    """Returns the spans of the fields that a path of field numbers leads to."""
    for wanted in numbers:
        spans = [span for place in spans for number, *span in read_fields(data, *place) if number == wanted]
    return spans


def _text(data, start, stop):
    return data[start:stop].decode("utf-8")


def convolution_sources(graph):
    """Returns for each convolution of a graph, in its order, the numbers of those that it reads; -1 stands for an input.

    Between two convolutions anything may stand. What is joined keeps its order (a concatenation), what is added has none:
    so two networks with equal lists read equal things, whatever their tensors are called.
    """
    read, sources = {name: (-1,) for name in graph.inputs}, []
    for operation in graph.operations:
        behind = [read.get(name, ()) for name in operation.inputs]
        if operation.kind == "Conv":
            sources.append(behind[0])
            behind = [(len(sources) - 1,)]
        joined = tuple(number for numbers in behind for number in numbers)
        read |= dict.fromkeys(operation.outputs, joined if operation.kind == "Concat" else tuple(sorted(set(joined))))
    return sources
