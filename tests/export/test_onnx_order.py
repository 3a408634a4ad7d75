"""Equal networks are equal bytes, whatever the converter numbered before."""

import detector_files
import numpy as np
import pytest

from yolo_tf.export.onnx_order import set_in_order

onnx = pytest.importorskip("onnx", reason="needs pip install 'yolo_tf[onnx]'")


def graph(numbers, order):
    """images -> exp -> + one -> result, and a node that nothing needs; `numbers` as a converter counts."""
    helper, one = onnx.helper, f"const_one__{numbers[0]}"
    nodes = [
        helper.make_node("Exp", ["images"], [f"net/exp__{numbers[1]}:0"], name=f"exp__{numbers[1]}"),
        helper.make_node("Add", [f"net/exp__{numbers[1]}:0", one], ["net/layer/add:0"], name="add"),
        helper.make_node("Mul", ["net/layer/add:0", one], ["result"], name="mul"),
        helper.make_node("Neg", ["images"], ["nobody"], name="nobody"),
    ]
    constants = [onnx.numpy_helper.from_array(np.float32([value]), name) for name, value in ((one, 1), ("unused", 2))]
    values = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [2]) for name in ("images", "result")]
    made = helper.make_graph([nodes[place] for place in order], "g", values[:1], values[1:], constants)
    made.doc_string = f"converted from __inference_{numbers[0]}"
    return made


def test_numbers_and_order_leave_no_trace():
    graphs = [graph((7, 8), (0, 1, 2, 3)), graph((981, 3), (3, 0, 1, 2))]
    assert graphs[0] != graphs[1]
    for one in graphs:
        set_in_order(one)
    assert graphs[0].SerializeToString() == graphs[1].SerializeToString()
    model = onnx.helper.make_model(graphs[0], opset_imports=[onnx.helper.make_opsetid("", 17)])
    onnx.checker.check_model(model, full_check=True)
    assert [(node.op_type, *node.output) for node in model.graph.node] == [
        ("Exp", "Exp"), ("Add", "net/layer/add"), ("Mul", "result"),
    ]  # fmt: skip
    assert [constant.name for constant in model.graph.initializer] == ["net/layer/add/input_1"]
    reference = pytest.importorskip("onnx.reference")
    (result,) = reference.ReferenceEvaluator(model).run(None, {"images": np.float32([0, 1])})
    np.testing.assert_allclose(result, np.exp(np.float32([0, 1])) + 1, rtol=1e-6)


def test_a_file_written_twice_is_the_same(tmp_path):
    pytest.importorskip("tf2onnx", reason="needs pip install 'yolo_tf[onnx]'")
    from yolo_tf.export import export_detector

    for name in ("a.onnx", "b.onnx"):
        export_detector(detector_files.keras_file(), "onnx", tmp_path / name, detect=detector_files.DETECT)
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()
