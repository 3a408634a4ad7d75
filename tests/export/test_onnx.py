"""ONNX files: what stands in them, and what is said where none can be written."""

import sys

import detector_files
import keras
import numpy as np
import pytest

from yolo_tf.errors import InputError
from yolo_tf.export.onnx import OPSET, write_onnx
from yolo_tf.files import attach_spec, read_spec
from yolo_tf.inference.detector import network_candidates, open_detector

REASON = "needs pip install 'yolo_tf[onnx]'"


def write(network, path):
    write_onnx(network, path, spec=detector_files.SPEC, detect=detector_files.DETECT, image_size=(64, 96))


def network_of_one_size(wrap=lambda raw: raw):
    images = keras.Input((64, 96, 3), name="images")
    raws = [wrap(keras.layers.Conv2D(16, 1, strides=stride)(images)) for stride in (8, 16, 32)]
    return keras.Model(images, [keras.layers.Reshape((*raw.shape[1:3], 2, 8))(raw) for raw in raws])


def test_names_axes_and_operations():
    onnx = pytest.importorskip("onnx", reason=REASON)
    model = onnx.load_model(detector_files.onnx_file())
    onnx.checker.check_model(model, full_check=True)
    axes = {
        value.name: [axis.dim_param or axis.dim_value for axis in value.type.tensor_type.shape.dim]
        for value in (*model.graph.input, *model.graph.output)
    }
    assert axes == {
        "images": ["batch", "height", "width", 3],
        "boxes": ["batch", "candidates", 4],
        "scores": ["batch", "candidates", 3],
    }
    assert [(entry.domain, entry.version) for entry in model.opset_import if entry.domain == ""] == [("", OPSET)]
    operations = [node.op_type for node in model.graph.node]
    assert {node.domain for node in model.graph.node} == {""}, "operations of the standard alone"
    assert operations.count("Conv") == 8 and "BatchNormalization" not in operations  # 5 stages and 3 heads, folded
    assert operations.count("Transpose") < 8, "the images are transposed once, not around every convolution"


def test_a_network_of_one_size_stays_so(tmp_path):
    for package in ("onnx", "tf2onnx", "onnxruntime"):
        pytest.importorskip(package, reason=REASON)
    network = network_of_one_size()
    write(network, tmp_path / "fixed.onnx")
    attach_spec(tmp_path / "fixed.onnx", read_spec(detector_files.keras_file()))
    detector = open_detector(tmp_path / "fixed.onnx")
    assert detector.fixed_image_size == (64, 96)
    images = np.random.default_rng(0).integers(0, 256, (2, 64, 96, 3), np.uint8)
    expected = network_candidates(network, detector_files.SPEC)(images)
    for found, own in zip(detector.candidates(images), expected, strict=True):
        np.testing.assert_allclose(found, own, atol=5e-3)


def test_an_exact_gelu(tmp_path):
    """The activation of ConvNeXt: its erfc is not in the standard."""
    for package in ("onnx", "tf2onnx", "onnxruntime"):
        pytest.importorskip(package, reason=REASON)
    network = network_of_one_size(lambda raw: keras.layers.Activation("gelu")(raw))
    write(network, tmp_path / "gelu.onnx")
    attach_spec(tmp_path / "gelu.onnx", read_spec(detector_files.keras_file()))
    images = np.random.default_rng(0).integers(0, 256, (2, 64, 96, 3), np.uint8)
    expected = network_candidates(network, detector_files.SPEC)(images)
    for found, own in zip(open_detector(tmp_path / "gelu.onnx").candidates(images), expected, strict=True):
        np.testing.assert_allclose(found, own, atol=5e-3)


def test_a_network_that_onnx_cannot_hold(tmp_path, capfd):
    pytest.importorskip("tf2onnx", reason=REASON)
    with pytest.raises(InputError, match=f"does not convert .*Erfinv.*Expected operations of opset {OPSET} only") as raised:
        write(network_of_one_size(keras.ops.erfinv), tmp_path / "no.onnx")
    assert "\n" not in str(raised.value) and capfd.readouterr().err == "" and not any(tmp_path.iterdir())


@pytest.mark.parametrize("package", ["onnx", "tf2onnx"])
def test_an_absent_package_is_one_line(package, tmp_path, monkeypatch):
    for other in {"onnx", "tf2onnx"} - {package}:
        pytest.importorskip(other, reason=REASON)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(InputError, match=rf"ONNX: the package {package} is not .* Run pip install 'yolo_tf\[onnx\]'.$"):
        write(network_of_one_size(), tmp_path / "no.onnx")
