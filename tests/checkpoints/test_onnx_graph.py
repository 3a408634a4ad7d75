"""ONNX files, read byte by byte."""

import numpy as np
import pytest
from onnx_writer import field, image_input, node, tensor, write_onnx

from yolo_tf.checkpoints.onnx_graph import convolution_sources, read_onnx_graph
from yolo_tf.errors import InputError

KERNEL = np.arange(2 * 3 * 4 * 5, dtype=np.float32).reshape(2, 3, 4, 5)


def test_operations_tensors_and_inputs(tmp_path):
    parts = [image_input((1, 3, "height", 96)), tensor("w", KERNEL), tensor("n", np.array([7], np.int64))]
    packed = field(1, field(2, "a") + field(4, "Pad") + field(5, field(1, "pads") + field(8, bytes([1, 0, 172, 2]))))
    parts += [node("Conv", ["images", "w"], "x", group=3, strides=[2, 300]), packed]
    graph = read_onnx_graph(write_onnx(tmp_path / "a.onnx", *parts), what="it")
    np.testing.assert_array_equal(graph.tensors["w"], KERNEL)
    assert list(graph.tensors) == ["w"] and graph.inputs == {"images": (1, 3, 0, 96)}
    conv, pad = graph.operations
    assert (conv.kind, conv.inputs, conv.outputs) == ("Conv", ("images", "w"), ("x",))
    assert conv.numbers == {"group": (3,), "strides": (2, 300)} and pad.numbers == {"pads": (1, 0, 300)}


def test_numbers_may_be_listed_in_place_of_bytes(tmp_path):
    content = field(1, 2) + field(2, 1) + field(8, "w") + field(4, np.array([1.5, -2], np.float32).tobytes())
    graph = read_onnx_graph(write_onnx(tmp_path / "a.onnx", field(5, content)), what="it")
    assert graph.tensors["w"].tolist() == [1.5, -2]


def test_what_convolutions_read_is_told_through_everything_between(tmp_path):
    nodes = [
        node("Slice", ["images"], "a"), node("Conv", ["a", "w"], "b"), node("Conv", ["b", "w"], "c"), node("Sigmoid", ["c"], "d"),
        node("Mul", ["c", "d"], "e"), node("Add", ["e", "b"], "f"), node("Concat", ["e", "b", "e"], "g"),
        node("Conv", ["f", "w"], "h"), node("Conv", ["g", "w"], "i"),
    ]  # fmt: skip
    graph = read_onnx_graph(write_onnx(tmp_path / "a.onnx", image_input((1,)), *nodes), what="it")
    assert convolution_sources(graph) == [(-1,), (0,), (0, 1), (1, 0, 1)]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is no whole ONNX file"),
        (b"hello, this is no model", "is no whole ONNX file"),
        (field(1, 6), "it holds no graph"),
        (field(7, tensor("w", KERNEL, external=True)), "the numbers of w lie in another file"),
        (
            field(7, field(5, field(1, 9) + field(2, 1) + field(8, "w") + field(9, b"1234"))),
            r"w declares \[9\] and holds 4 bytes",
        ),
        (field(7, field(1, field(4, b"\xff\xfe"))), "is no whole ONNX file"),
    ],
)
def test_other_files_end_in_one_line(tmp_path, content, message):
    (tmp_path / "a.onnx").write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        read_onnx_graph(tmp_path / "a.onnx", what="a thing")
    assert "Expected a thing." in str(caught.value) and "\n" not in str(caught.value)
