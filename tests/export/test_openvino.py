"""OpenVINO directories: what stands in them, and what is said where none can be written."""

import sys
from pathlib import Path

import detector_files
import keras
import numpy as np
import pytest

from yolo_tf.errors import InputError
from yolo_tf.export.openvino import write_openvino
from yolo_tf.files import attach_spec, read_spec
from yolo_tf.inference.detector import network_candidates, open_detector


@pytest.fixture
def openvino():
    return detector_files.need_openvino()


def write(network, path):
    write_openvino(network, path, spec=detector_files.SPEC, detect=detector_files.DETECT, image_size=(64, 96))


def network_of_one_size(wrap=lambda raw: raw):
    images = keras.Input((64, 96, 3), name="images")
    raws = [wrap(keras.layers.Conv2D(16, 1, strides=stride)(images)) for stride in (8, 16, 32)]
    return keras.Model(images, [keras.layers.Reshape((*raw.shape[1:3], 2, 8))(raw) for raw in raws])


def test_files_names_axes_and_operations(openvino):
    path = detector_files.openvino_directory()
    assert sorted(file.name for file in path.iterdir()) == ["detector.bin", "detector.json", "detector.xml"]
    model = openvino.Core().read_model(path / "detector.xml")
    shapes = {name: str(port.partial_shape) for port in (*model.inputs, *model.outputs) for name in port.names}
    assert shapes == {"images": "[?,?,?,3]", "boxes": "[?,?,4]", "scores": "[?,?,3]"}
    operations = [operation.get_type_name() for operation in model.get_ops()]
    assert operations.count("Convolution") == 8, "5 stages and 3 heads"
    assert operations.count("Transpose") < 8, "the images are transposed once, not around every convolution"
    weights = [operation for operation in model.get_ops() if operation.get_type_name() == "Constant"]
    assert "f16" not in {weight.get_element_type().to_string() for weight in weights}
    assert str(Path.cwd()) not in (path / "detector.xml").read_text()


@pytest.mark.parametrize("activation", ["linear", "gelu"])  # the exact GELU of ConvNeXt: its erfc is not in ONNX, say
def test_a_network_of_one_size_stays_so(activation, tmp_path, openvino):
    network = network_of_one_size(lambda raw: keras.layers.Activation(activation)(raw))
    write(network, tmp_path / "fixed")
    attach_spec(tmp_path / "fixed", read_spec(detector_files.keras_file()))
    detector = open_detector(tmp_path / "fixed")
    assert detector.fixed_image_size == (64, 96)
    images = np.random.default_rng(0).integers(0, 256, (2, 64, 96, 3), np.uint8)
    expected = network_candidates(network, detector_files.SPEC)(images)
    for found, own in zip(detector.candidates(images), expected, strict=True):
        np.testing.assert_allclose(found, own, atol=5e-3)


def test_a_network_that_openvino_cannot_hold(tmp_path, capfd, openvino):
    with pytest.raises(InputError, match="OpenVINO: the network does not convert .*Erfinv.*Use `format` onnx") as raised:
        write(network_of_one_size(keras.ops.erfinv), tmp_path / "no")
    assert "\n" not in str(raised.value) and capfd.readouterr() == ("", "") and not any(tmp_path.iterdir())


def test_an_absent_package_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(InputError, match=r"OpenVINO: the package openvino is not .* Run pip install 'yolo_tf\[openvino\]'.$"):
        write(network_of_one_size(), tmp_path / "no")
