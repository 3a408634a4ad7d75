import os
import shutil
import sys
import warnings

import detector_files
import keras
import numpy as np
import pytest
import tensorflow as tf

from yolo_tf.errors import InputError
from yolo_tf.files import tflite
from yolo_tf.inference.detector import choose_image_size, detect_images, open_detector


@pytest.mark.slow
@pytest.mark.parametrize("kind", detector_files.FILES)
def test_every_kind_gives_the_same_detections(kind):
    found = detect_images(open_detector(detector_files.FILES[kind]()), detector_files.images(), detector_files.DETECT)
    reference = detect_images(open_detector(detector_files.keras_file()), detector_files.images(), detector_files.DETECT)
    assert found.boxes.shape == (3, 40, 4) and tf.reduce_min(found.num_valid) > 3
    np.testing.assert_array_equal(found.num_valid, reference.num_valid)
    np.testing.assert_array_equal(found.class_ids, reference.class_ids)
    np.testing.assert_allclose(found.boxes, reference.boxes, atol=5e-3)
    np.testing.assert_allclose(found.scores, reference.scores, atol=1e-4)


@pytest.mark.parametrize("kind", ["keras", "saved_model", "onnx", "openvino"])
def test_other_sizes_than_that_of_training(kind):
    images = np.zeros([2, 64, 128, 3], np.uint8)
    boxes, scores = open_detector(detector_files.FILES[kind]()).candidates(images)
    assert boxes.shape == (2, (8 * 16 + 4 * 8 + 2 * 4) * 2, 4) and scores.shape == (2, 336, 3)


def test_float_images_are_rounded_for_a_saved_model():
    detector = open_detector(detector_files.saved_model())
    images = detector_files.images()[:1]
    boxes, _ = detector.candidates(images.clip(1, 254) + np.float32(0.4))
    np.testing.assert_array_equal(boxes, detector.candidates(images.clip(1, 254))[0])


def test_tflite_takes_one_size_only():
    detector = open_detector(detector_files.tflite_file())
    assert detector.fixed_image_size == (96, 160)
    with pytest.raises(InputError, match=r"got images of 64 x 160 px .*Expected 96 x 160, the size inside the file"):
        detector.candidates(np.zeros([1, 64, 160, 3], np.uint8))


def test_image_size():
    free, fixed = open_detector(detector_files.keras_file()), open_detector(detector_files.tflite_file())
    assert choose_image_size(free) == choose_image_size(fixed) == choose_image_size(fixed, (96, 160)) == (96, 160)
    assert choose_image_size(free, (64, 320)) == (64, 320)
    assert choose_image_size(free, 64) == (64, 64)
    with pytest.raises(InputError, match="100 is no positive multiple of 32.* Use 96"):
        choose_image_size(free, (320, 100))
    with pytest.raises(InputError, match="Expected 96 x 160, the size inside the file"):
        choose_image_size(fixed, (96, 96))


def test_a_keras_network_of_one_size_says_so(tmp_path):
    images = keras.Input((64, 96, 3))
    raws = [keras.layers.Conv2D(16, 1, strides=stride)(images) for stride in (8, 16, 32)]
    network = keras.Model(images, [keras.layers.Reshape((*raw.shape[1:3], 2, 8))(raw) for raw in raws])
    detector = open_detector(detector_files.write_detector(network, tmp_path / "fixed.keras"))
    assert detector.fixed_image_size == (64, 96)
    assert detector.candidates(np.zeros([2, 64, 96, 3], np.uint8))[0].shape == (2, 252, 4)


def test_threads_reach_the_runtimes(monkeypatch):
    """All cores unless told otherwise."""
    onnxruntime = pytest.importorskip("onnxruntime", reason="needs pip install 'yolo_tf[onnx]'")
    paths = detector_files.tflite_file(), detector_files.onnx_file()  # which an export opens, too
    given, interpreter, session = [], tflite.tflite_interpreter, onnxruntime.InferenceSession

    def spy_interpreter(**options):
        given.append(options["num_threads"])
        return interpreter(**options)

    def spy_session(path, options, **rest):
        given.append(options.intra_op_num_threads)
        return session(path, options, **rest)

    monkeypatch.setattr(tflite, "tflite_interpreter", spy_interpreter)
    monkeypatch.setattr(onnxruntime, "InferenceSession", spy_session)
    for path in paths:
        open_detector(path, threads=3)
        open_detector(path)
    assert given == [3, os.cpu_count()] * 2


def test_an_absent_onnxruntime_is_one_line(monkeypatch):
    path = detector_files.onnx_file()
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(InputError, match=r"tiny.onnx: the package onnxruntime is not .* Run pip install 'yolo_tf\[onnx\]'.$"):
        open_detector(path)


def test_threads_and_float32_reach_openvino(monkeypatch):
    path = detector_files.openvino_directory()
    openvino = detector_files.need_openvino()
    compiled, compile_model = [], openvino.Core.compile_model
    monkeypatch.setattr(openvino.Core, "compile_model", lambda *args: compiled.append(compile_model(*args)) or compiled[-1])
    open_detector(path, threads=1)
    open_detector(path)
    assert [one.get_property("INFERENCE_NUM_THREADS") for one in compiled] == [1, os.cpu_count()]
    # where the CPU has AMX, its own choice is bfloat16
    assert {one.get_property("INFERENCE_PRECISION_HINT").to_string() for one in compiled} == {"f32"}


def test_answers_of_openvino_outlive_the_next_call():
    detector, images = open_detector(detector_files.openvino_directory()), detector_files.images()
    first = detector.candidates(images)
    kept = [np.array(tensor) for tensor in first]
    detector.candidates(255 - images)
    for tensor, copy in zip(first, kept, strict=True):
        np.testing.assert_array_equal(tensor, copy)


@pytest.mark.parametrize("lost", ["detector.bin", "detector.json"])
def test_an_openvino_directory_without_one_of_its_files(lost, tmp_path):
    path = tmp_path / "part"
    shutil.copytree(detector_files.openvino_directory(), path)
    (path / lost).unlink()
    messages = {"detector.bin": r"cannot be opened \(.*Expected a whole OpenVINO dir", "detector.json": "no readable detector"}
    with pytest.raises(InputError, match=messages[lost]) as raised:
        open_detector(path)
    assert "\n" not in str(raised.value)


def test_an_absent_openvino_is_one_line(monkeypatch):
    path = detector_files.openvino_directory()
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(InputError, match=r"openvino: the package openvino is not .* Run pip install 'yolo_tf\[openvino\]'.$"):
        open_detector(path)


def test_opening_warns_of_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        open_detector(detector_files.tflite_file())


def test_missing_path(tmp_path):
    with pytest.raises(InputError, match="none.keras: no such file or directory. Expected a .keras, .tflite or .onnx file"):
        open_detector(tmp_path / "none.keras")


def test_wrong_suffix(tmp_path):
    (tmp_path / "weights.h5").write_bytes(b"")
    with pytest.raises(InputError, match="'.h5' is no format of a detector. Expected a .keras, .tflite or .onnx"):
        open_detector(tmp_path / "weights.h5")


@pytest.mark.parametrize("kind", ["keras", "tflite", "onnx"])
def test_truncated_file(kind, tmp_path):
    content = detector_files.FILES[kind]().read_bytes()
    (tmp_path / f"short.{kind}").write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match=f"short.{kind}: carries no readable detector.json .*Expected a file written by"):
        open_detector(tmp_path / f"short.{kind}")


def test_file_of_someone_else(tmp_path):
    detector_files.build_network().save(tmp_path / "plain.keras")
    with pytest.raises(InputError, match="carries no readable detector.json"):
        open_detector(tmp_path / "plain.keras")
    nothing = "carries no readable detector.json: there is no saved_model.pb or detector.xml. Expected a .keras, .tflite or"
    with pytest.raises(InputError, match=nothing):
        open_detector(tmp_path)  # a directory that is no SavedModel
