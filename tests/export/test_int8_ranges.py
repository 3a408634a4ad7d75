"""An int8 file's steps lie where images commonly have their values; pixels, heads and decode keep all of theirs."""

import warnings

import numpy as np
import pytest
import tensorflow as tf

from yolo_tf.export.int8 import convert_int8
from yolo_tf.export.int8_ranges import measure_ranges, set_ranges
from yolo_tf.export.tflite import PRECISIONS, Quantization
from yolo_tf.export.tflite_graph import read_operations, schema

# Sixteen grey pictures, 10, 20 .. 160. `convert_int8` gives the first a pixel of 0 and one of 255: extremes of its own.
CALIBRATION = [np.full([4, 6, 3], 10 * number, np.uint8) for number in range(1, 17)]


def converter_of_two_convolutions():
    """images -> sums of the three channels, plus and minus -> half the first, the head -> a sigmoid, the decode."""
    sums, half = np.ones([1, 1, 3, 2], np.float32) * [1, -1], np.float32([0.5, 0]).reshape(1, 1, 2, 1)

    @tf.function(input_signature=[tf.TensorSpec([1, 4, 6, 3], name="images")])
    def network(images):
        head = tf.nn.conv2d(tf.nn.conv2d(images, np.float32(sums), 1, "VALID"), half, 1, "VALID")
        return {"scores": tf.sigmoid(head)}

    converter = tf.lite.TFLiteConverter.from_concrete_functions([network.get_concrete_function()])
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    return converter


@pytest.fixture(scope="module")
def calibrated():
    """(content calibrated on one black picture, names of what its two convolutions give)."""
    converter = converter_of_two_convolutions()
    converter.representative_dataset = lambda: [[np.zeros([1, 4, 6, 3], np.float32)]]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        content = tf.lite.experimental.QuantizationDebugger(converter=converter).calibrated_model
    return content, [one.outputs[0].name for one in read_operations(content) if one.name == "CONV_2D"]


def stated(content):
    """{name: (place, least, largest)} of the tensors with a range in a calibrated file."""
    graph = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0)).subgraphs[0]
    return {
        tensor.name.decode(): (place, tensor.quantization.min[0], tensor.quantization.max[0])
        for place, tensor in enumerate(graph.tensors)
        if tensor.quantization is not None and tensor.quantization.min is not None
    }


def test_ranges_are_measured_image_by_image(calibrated):
    content, made = calibrated
    images = [np.float32(range(72)).reshape(1, 4, 6, 3) / 71 * largest for largest in (7, 71)]
    ranges = measure_ranges(content, ([image] for image in images))
    first, second = (ranges.tensors.index(stated(content)[name][0]) for name in made)
    assert ranges.least.shape == ranges.largest.shape == (2, len(ranges.tensors))
    # the last pixel has 69, 70 and 71 of 71; the first 0, 1 and 2
    np.testing.assert_allclose(ranges.largest[:, first], [210 * 7 / 71, 210], rtol=1e-6)
    np.testing.assert_allclose(ranges.least[:, first], [-210 * 7 / 71, -210], rtol=1e-6)
    np.testing.assert_allclose(ranges.largest[:, second], [105 * 7 / 71, 105], rtol=1e-6)
    np.testing.assert_allclose(ranges.least[:, second], [1.5 * 7 / 71, 1.5], rtol=1e-6)


def test_one_image_does_not_widen_an_inner_range_and_the_ends_keep_theirs():
    converter = converter_of_two_convolutions()
    quantization = Quantization(precision="int8", calibration=CALIBRATION, float_start=0)
    content, _ = convert_int8(converter, quantization, PRECISIONS["int8"].tolerance)
    details = tf.lite.Interpreter(model_content=content).get_tensor_details()
    inner, head = (one.outputs[0].number[1] for one in read_operations(content) if one.name == "CONV_2D")
    pixels = next(one.inputs[0].number[1] for one in read_operations(content) if one.name == "CONV_2D")
    # 60, 90 .. 480 and 765, the largest sums of the sixteen, have the mean 300.9; the least -300.9
    assert details[inner]["quantization"][0] == pytest.approx(2 * 300.9 / 255, rel=0.01)
    assert details[pixels]["quantization"] == (1.0, -128)
    assert details[head]["quantization"] == (pytest.approx(1.5), -128)  # 0 .. 382.5, of the one image


def test_whole_ranges_reach_over_every_image(calibrated):
    content, made = calibrated
    images = [np.full([1, 4, 6, 3], value, np.float32) for value in (1, 2, 3, 4, 100)]
    ranges = measure_ranges(content, ([image] for image in images))
    for whole, least, largest in [((), 66, 66), (made[:1], 300, 300)]:
        assert stated(set_ranges(content, ranges, whole=whole, unset=()))[made[0]][1:] == (-least, largest)
    assert {*made} - {*stated(set_ranges(content, ranges, whole=(), unset=made[1:]))} == {made[1]}
