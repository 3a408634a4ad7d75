"""Every signature has a graph of its own, with the names of the signature."""

import detector_files
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.lite.python import schema_py_generated as schema

from yolo_tf.export.tflite_graph import ALIGNMENT, read_operations
from yolo_tf.export.tflite_signatures import BEFORE_SUPPRESSION, give_signatures_graphs


@pytest.fixture(scope="module")
def split(tmp_path_factory):
    """(bytes as converted, bytes with two graphs) of a network of one product, with something behind it for `detections`."""
    weights = tf.constant(np.random.default_rng(0).normal(size=(300, 7)), tf.float32)

    def function(images):
        scores = images @ weights
        boxes = scores * 2 - 1
        found = {"boxes": tf.nn.relu(boxes), "num_detections": tf.reduce_sum(tf.cast(scores > 0, tf.int32), -1)}
        return {**found, f"{BEFORE_SUPPRESSION}boxes": boxes, f"{BEFORE_SUPPRESSION}scores": scores}

    module = tf.Module()
    module.function = tf.function(function, input_signature=[tf.TensorSpec([1, 300], name="images")])
    folder = str(tmp_path_factory.mktemp("split"))
    tf.saved_model.save(module, folder, signatures={"candidates": module.function})
    content = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=["candidates"]).convert()
    return content, give_signatures_graphs(content)


def test_each_signature_answers_as_before(split):
    before, after = (tf.lite.Interpreter(model_content=content) for content in split)
    assert [list(one.get_signature_list()) for one in (before, after)] == [["candidates"], ["detections", "candidates"]]
    images = np.random.default_rng(1).normal(size=(1, 300)).astype(np.float32)
    expected = before.get_signature_runner()(images=images)
    found = {name: after.get_signature_runner(name)(images=images) for name in ("detections", "candidates")}
    assert {name: set(answer) for name, answer in found.items()} == {
        "detections": {"boxes", "num_detections"},
        "candidates": {"boxes", "scores"},
    }
    for name in ("boxes", "scores"):
        np.testing.assert_array_equal(found["candidates"][name], expected[BEFORE_SUPPRESSION + name])
    np.testing.assert_array_equal(found["detections"]["boxes"], expected["boxes"])
    assert expected["num_detections"] == found["detections"]["num_detections"] > 0


def test_a_graph_has_only_what_its_outputs_need_and_weights_are_there_once(split):
    before, after = split
    operations = read_operations(after)
    graphs = [{operation.name for operation in operations if operation.outputs[0].number[0] == graph} for graph in (0, 1)]
    assert "SUM" in graphs[0] and "SUM" not in graphs[1] and "FULLY_CONNECTED" in graphs[0] & graphs[1]
    assert len(after) < len(before) + 4_000 and 300 * 7 * 4 < len(after) < 2 * 300 * 7 * 4
    model = schema.Model.GetRootAs(after, 0)
    vectors = [model.Buffers(index).DataAsNumpy() for index in range(model.BuffersLength())]
    places = [place_of(vector) - place_of(np.frombuffer(after, np.uint8)) for vector in vectors if isinstance(vector, np.ndarray)]
    assert len(places) >= 2 and all(place % ALIGNMENT == 0 for place in places)  # schema.fbs: force_align


def place_of(array):
    """Returns the address of the first byte."""
    return array.__array_interface__["data"][0]


def test_clients_that_go_by_index_find_the_names():
    interpreter = tf.lite.Interpreter(model_path=str(detector_files.tflite_file()))
    assert [one["name"] for one in interpreter.get_input_details()] == ["images"]
    assert [one["name"] for one in interpreter.get_output_details()] == ["boxes", "scores"]
