"""Calibrated int8 for a TFLite file: everything up to the last convolutions in int8, the decode behind them in float."""

import csv
import io
import math
import warnings

import numpy as np
import tensorflow as tf

from yolo_tf.errors import InputError
from yolo_tf.export.int8_ranges import measure_ranges, set_ranges
from yolo_tf.export.int8_start import CONVOLUTIONS, choose_float_start, names_of_the_start, take_pixels
from yolo_tf.export.tflite_graph import read_operations
from yolo_tf.export.tflite_order import in_one_order
from yolo_tf.system.atomic import atomic_path

# An operation with two outputs does not go by the name of either. Behind the decode of `nms`; 256 scores would be too few.
FLOAT_OPERATIONS = ["TOPK_V2"]


def convert_int8(converter, quantization, tolerance):
    """Returns (file in bytes, N): int8 weights (a scale per output channel) and activations (a scale per tensor).

    The first N convolutions stay in float: as many as `quantization.float_start` says, else as int8_start.py finds.

    The decode stays in float: a box is a pixel position, and 256 steps over the width of an image are 2.5 px
    each at 640 px. It is told from the network by where it stands: no convolution comes after it.

    Args:
        converter: tf.lite.TFLiteConverter of one signature with the one input images float32 [1, H, W, 3], set to optimize.
        quantization: Quantization. Its calibration images, uint8 [n, H, W, 3], are as the network will see them; what
            its tensors hold then becomes their scales, see int8_ranges.py. With `io_type` "uint8" the file takes uint8
            pixels; it gives float32 either way.
        tolerance: Tolerance, by which N is chosen.

    Raises:
        InputError: a convolution could not be brought to int8.

    Source: Jacob et al., Quantization and Training of Neural Networks, arXiv:1712.05877, section 2.
    """
    images = np.array(quantization.calibration, np.uint8)
    # The whole range is seen, so the scale of the input is 1 and its zero is 0: pixels go in as they are.
    images[0, 0, 0], images[0, 0, 1] = 0, 255

    def samples():  # in float32 one at a time: all together take four times the memory
        return ([image[None].astype(np.float32)] for image in images)

    converter.representative_dataset = lambda: [next(samples())]  # marks what has a range; all images give the ranges below
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its interpreter announces its move to another package
        # Of the public ways to int8 the only one that can leave named operations in float.
        debugger = tf.lite.experimental.QuantizationDebugger(converter=converter, debug_dataset=samples)
        calibrated = debugger.calibrated_model
        operations = read_operations(calibrated)
        decode = names_behind_convolutions(operations)
        ranges = measure_ranges(calibrated, samples())
        ends = names_at_the_ends(operations, decode)

        def make(count):
            in_float = [*names_of_the_start(operations, count), *decode]
            debugger.calibrated_model = set_ranges(calibrated, ranges, whole=ends, unset=decode)
            debugger.options = tf.lite.experimental.QuantizationDebugOptions(
                denylisted_nodes=in_float, denylisted_ops=FLOAT_OPERATIONS
            )
            return debugger.get_nondebug_quantized_model()

        count = quantization.float_start
        if count is None:
            count, content = choose_float_start(make, calibrated, samples(), tolerance=tolerance)
        if quantization.float_start is not None or quantization.per_layer is not None:
            content = make(count)  # the last that the debugger made is what it measures
    content = in_one_order(content)
    check_convolutions(content, float_start=count)
    if quantization.per_layer is not None:
        debugger.run()
        _write_errors(debugger, quantization.per_layer)
    if quantization.io_type == "uint8":
        content = take_pixels(content)
    return bytes(content), count


def names_behind_convolutions(operations):
    """Returns the names of the output tensors, of Operations in running order, that no convolution makes or needs."""
    needed, names = set(), []
    for operation in reversed(operations):
        if operation.name in CONVOLUTIONS or any(tensor.number in needed for tensor in operation.outputs):
            needed.update(tensor.number for tensor in operation.inputs)
        else:
            names += [tensor.name for tensor in operation.outputs]
    return names


def names_at_the_ends(operations, decode):
    """Returns the names of what Operations take in, and of what the tensors `decode` are made from."""
    made = {tensor.number for operation in operations for tensor in operation.outputs}
    names = set()
    for operation in operations:
        behind = operation.outputs[0].name in decode
        names.update(tensor.name for tensor in operation.inputs if behind or tensor.number not in made)
    return names


def check_convolutions(content, *, float_start=0):
    """Raises InputError where a convolution behind the first `float_start` of a TFLite file is in float.

    The quantiser may leave one so without a word.
    """
    convolutions = [operation for operation in read_operations(content) if operation.name in CONVOLUTIONS]
    in_float = [operation.outputs[0].name for operation in convolutions if operation.outputs[0].dtype != "INT8"]
    in_float = in_float[float_start:]
    if in_float:
        raise InputError(
            f"precision: int8 leaves {len(in_float)} of {len(convolutions)} convolutions in float, the first '{in_float[0]}'."
            " Expected all in int8. Use `precision` dynamic."
        )


def _write_errors(debugger, path):
    """Writes the rounding error of every layer, the worst first.

    Columns: layer, operation, scale (one step of int8), rms_error, rms_error_in_steps (0.29 is plain rounding,
    1 / sqrt(12); a layer far above it is cut off or too coarse), largest_error. Errors are in the unit of the
    layer, over all calibration images, its input taken as int8 gives it: what the layer adds, not what it inherits.
    """
    text = io.StringIO()
    debugger.layer_statistics_dump(text)
    text.seek(0)
    rows = []
    for row in csv.DictReader(text):
        scale, error = float(row["scale"]), math.sqrt(float(row["mean_squared_error"]))
        rows.append(
            {
                "layer": row["tensor_name"],
                "operation": row["op_name"],
                "scale": scale,
                "rms_error": error,
                "rms_error_in_steps": error / scale,
                "largest_error": float(row["max_abs_error"]),
            }
        )
    rows.sort(key=lambda row: -row["rms_error_in_steps"])
    with atomic_path(path) as temporary, open(temporary, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
