"""How many convolutions at the start of an int8 file stay in float: as few as leave it with what the network finds."""

import numpy as np

from yolo_tf.errors import InputError
from yolo_tf.export.parity import compare_candidates
from yolo_tf.export.tflite_graph import read_model, schema, write_model
from yolo_tf.export.tflite_signatures import BEFORE_SUPPRESSION
from yolo_tf.files.tflite import tflite_interpreter

CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D")
FLOAT_STARTS = (0, 2, 4, 8)  # numbers of convolutions that are tried, in this order
ENOUGH = 0.5  # of the candidates that the gate lets differ: where no more do, nothing further is tried
MOST_COMPARED = 16  # calibration images; more tell little more and take their time at every trial


def choose_float_start(make, content, samples, *, tolerance):
    """Returns (count, its file): the least of FLOAT_STARTS that is good enough, else the one with which least differs.

    The first layers see the whole dynamic range of pixels. Where their channels reach far beyond one another, YOLOX-Nano's
    stem from 0.1 to 140, one scale for a tensor leaves most of them with no step at all, and all that follows inherits it.

    Args:
        make: count -> int8 file, bytes, whose first `count` convolutions are in float.
        content: the file in float, bytes, with the same outputs.
        samples: lists of its one input; the first MOST_COMPARED are looked at.
        tolerance: Tolerance of the export.
    """
    samples = [images for (images,), _ in zip(samples, range(MOST_COMPARED), strict=False)]
    expected, best = _candidates(content, samples), None
    for count in FLOAT_STARTS:
        made = make(count)
        found = _candidates(made, samples)
        compared = [compare_candidates(*pair, tolerance, "") for pair in zip(expected, found, strict=True)]
        differing = sum(len(one.wrong) for one in compared) / sum(one.total for one in compared)
        if best is None or differing < best[0]:
            best = differing, count, made
        if differing <= ENOUGH * (1 - tolerance.share):
            break
    return best[1:]


def names_of_the_start(operations, count):
    """Returns the names of what Operations in running order make before the convolution behind the first `count`.

    Raises:
        InputError: there are no more than `count` convolutions.
    """
    if count == 0:
        return []
    places = [place for place, operation in enumerate(operations) if operation.name in CONVOLUTIONS]
    if count >= len(places):
        raise InputError(
            f"float_start: got {count} for a network of {len(places)} convolutions. Expected fewer, so that some are int8."
            " Choose a smaller number, or `precision` float32."
        )
    return [tensor.name for operation in operations[: places[count]] for tensor in operation.outputs]


def take_pixels(content):
    """Returns a file, bytes, that takes its one input, float32, as uint8: scale 1, zero 0.

    Where all that reads it quantises it, that takes uint8 as it is; else one operation more brings pixels to float.
    """
    model = read_model(content)
    graph = model.subgraphs[0]
    (place,) = graph.inputs
    readers = {model.operatorCodes[one.opcodeIndex].builtinCode for one in graph.operators if place in one.inputs}
    if readers == {schema.BuiltinOperator.QUANTIZE}:
        _make_pixels(graph.tensors[place])
        return write_model(model)
    was, tensor, operation, code = graph.tensors[place], schema.TensorT(), schema.OperatorT(), schema.OperatorCodeT()
    tensor.name, tensor.shape, tensor.shapeSignature, tensor.buffer = was.name, was.shape, was.shapeSignature, len(model.buffers)
    _make_pixels(tensor)
    was.name = was.name + b"_in_float"
    model.buffers.append(schema.BufferT())
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.DEQUANTIZE
    code.version = 2
    operation.opcodeIndex, operation.inputs, operation.outputs = len(model.operatorCodes), [len(graph.tensors)], [place]
    model.operatorCodes.append(code)
    for signature in model.signatureDefs:
        for given in signature.inputs:
            given.tensorIndex = len(graph.tensors)
    graph.inputs = [len(graph.tensors)]
    graph.tensors.append(tensor)
    graph.operators.insert(0, operation)
    return write_model(model)


def _make_pixels(tensor):
    tensor.type, tensor.quantization = schema.TensorType.UINT8, schema.QuantizationParametersT()
    tensor.quantization.scale, tensor.quantization.zeroPoint = np.float32([1]), np.int64([0])


def _candidates(content, samples):
    """Returns (boxes, scores) that a file gives for each input."""
    runner = tflite_interpreter(model_content=content).get_signature_runner("candidates")
    answers = [runner(images=images) for images in samples]
    before = BEFORE_SUPPRESSION if BEFORE_SUPPRESSION + "boxes" in answers[0] else ""
    return [(answer[before + "boxes"], answer[before + "scores"]) for answer in answers]
