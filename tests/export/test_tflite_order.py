"""Equal networks are equal bytes, whatever order the converter came to their parts in."""

import numpy as np
import pytest
import tensorflow as tf

from yolo_tf.export.tflite_graph import read_model, write_model
from yolo_tf.export.tflite_order import in_one_order


@pytest.fixture(scope="module")
def converted():
    """A file in which one tensor has two readers that were quantised: bytes."""
    weights = np.random.default_rng(0).normal(size=(3, 3, 3, 4)).astype(np.float32)

    @tf.function(input_signature=[tf.TensorSpec([1, 8, 8, 3], name="images")])
    def network(images):
        left, right = tf.split(tf.nn.conv2d(images, weights, 1, "SAME"), 2, axis=-1)
        return {"sum": tf.sigmoid(left) + right, "left": tf.exp(left)}

    return tf.lite.TFLiteConverter.from_concrete_functions([network.get_concrete_function()]).convert()


def shuffled(content, seed):
    """Returns a file that computes the same, its operations, tensors and buffers in another order, in as many steps."""
    rng, model = np.random.default_rng(seed), read_model(content)
    (graph,) = model.subgraphs
    ready, left, ordered = {*graph.inputs, *range(len(graph.tensors))}, list(graph.operators), []
    ready -= {place for one in left for place in one.outputs}
    while left:
        possible = [one for one in left if {*one.inputs} <= ready | {-1}]
        chosen = possible[rng.integers(len(possible))]
        left.remove(chosen)
        ordered.append(chosen)
        ready |= {*chosen.outputs}
    graph.operators = ordered
    new = rng.permutation(len(graph.tensors)).tolist()
    graph.tensors = [graph.tensors[new.index(place)] for place in range(len(new))]
    renumbered = [graph, *graph.operators]
    for one in renumbered:
        one.inputs, one.outputs = ([new[place] if place >= 0 else -1 for place in places] for places in (one.inputs, one.outputs))
    for signature in model.signatureDefs or ():
        for one in [*signature.inputs, *signature.outputs]:
            one.tensorIndex = new[one.tensorIndex]
    return write_model(model)


def answers(content):
    interpreter = tf.lite.Interpreter(model_content=content)
    interpreter.allocate_tensors()
    (given,) = interpreter.get_input_details()
    interpreter.set_tensor(given["index"], np.random.default_rng(1).normal(size=given["shape"]).astype(given["dtype"]))
    interpreter.invoke()
    return [interpreter.get_tensor(one["index"]) for one in interpreter.get_output_details()]


def test_every_order_becomes_the_same_one(converted):
    others = [shuffled(converted, seed) for seed in range(4)]
    assert len({*others}) > 1, "the files differ before"
    ordered = {in_one_order(content) for content in [converted, *others]}
    assert len(ordered) == 1
    (content,) = ordered
    for found, expected in zip(answers(content), answers(converted), strict=True):
        np.testing.assert_array_equal(found, expected)
    assert in_one_order(content) == content
