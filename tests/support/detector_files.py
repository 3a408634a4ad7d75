"""A small detector and its exports on disk, made once for all processes that run tests: a conversion costs seconds."""

import fcntl
import functools
import os
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest

from yolo_tf.config import DetectConfig
from yolo_tf.errors import InputError
from yolo_tf.export import EXPORTERS, export_detector
from yolo_tf.files import attach_spec
from yolo_tf.files.spec import detector_spec
from yolo_tf.heads.anchor.anchors import anchor_set
from yolo_tf.pictures.generated_images import generated_images
from yolo_tf.system.openvino_start import load_openvino

CLASS_NAMES = ("car", "bus", "tram")
ANCHORS = anchor_set((8, 16, 32), [[(10, 14), (20, 12)], [(30, 40), (60, 30)], [(90, 70), (120, 150)]])
IMAGE_SIZE = (96, 160)
SPEC = detector_spec(class_names=CLASS_NAMES, image_size=IMAGE_SIZE, anchors=ANCHORS, name="tiny")
DETECT = DetectConfig(score_threshold=0.3, iou_threshold=0.5, max_detections=40, max_candidates=200)


def build_network(filters=(8, 12, 16, 20, 24)):
    """A detector of strided convolutions with trained-looking batch norms and scores all over 0..1; A = 2, C = 3."""
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    images = keras.Input((None, None, 3), name="images")
    x = keras.layers.Rescaling(1 / 255)(images)
    outputs = []
    for index, width in enumerate(filters):
        x = keras.layers.Conv2D(width, 3, 2, padding="same", use_bias=False)(x)
        x = keras.layers.BatchNormalization()(x)
        x = keras.layers.Activation("silu")(x)
        if index >= 2:
            raw = keras.layers.Conv2D(2 * (5 + len(CLASS_NAMES)), 1)(x)
            raw = keras.ops.stack(keras.ops.split(raw, 2, axis=-1), axis=3)
            outputs.append(keras.layers.Activation("linear", dtype="float32")(raw))
    network = keras.Model(images, outputs, name="tiny")
    disturb_batch_norms(network, rng)
    for layer in network.layers:
        if isinstance(layer, keras.layers.Conv2D) and layer.use_bias:
            layer.set_weights([layer.kernel * 6, rng.normal(0, 1, layer.bias.shape)])
    return network


def disturb_batch_norms(network, rng):
    """Gives every batch norm weights under which a wrong fold shows."""
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            count = layer.moving_mean.shape[0]
            gamma_beta = [rng.uniform(0.5, 1.5, count)] * layer.scale + [rng.normal(0, 0.3, count)] * layer.center
            layer.set_weights([*gamma_beta, rng.normal(0, 0.3, count), rng.uniform(0.2, 1, count)])


def write_detector(network, path):
    """Saves a network as a detector file of the classes, anchors and size above."""
    network.save(path)
    attach_spec(path, SPEC)
    return path


def made_once(name):
    """Decorates a function that makes a file or directory at a path; called without one, it gives the path of `name`.

    The first process of the test run that asks makes it, the others wait for it and take it from there.
    """

    def decorate(make):
        @functools.cache
        def path_of():
            directory = Path(os.environ["YOLO_TF_TEST_FILES"])  # tests/conftest.py sets it
            path, done = directory / name, directory / f"{name}.done"
            with open(directory / f"{name}.lock", "w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                if not done.exists():
                    make(path)
                    done.touch()
            return path

        return path_of

    return decorate


@made_once("tiny.keras")
def keras_file(path):
    write_detector(build_network(), path)


@made_once("tiny_saved_model")
def saved_model(path):
    export_detector(keras_file(), "saved_model", path, detect=DETECT)


@made_once("tiny.tflite")
def tflite_file(path):
    export_detector(keras_file(), "tflite", path, detect=DETECT)


def replace_tflite_conversion(monkeypatch):
    """Lets an export of `keras_file` take the file that is there, where a test is about what comes before or behind it."""
    content = tflite_file().read_bytes()  # made now, by the real conversion
    with zipfile.ZipFile(tflite_file()) as appended:  # the metadata, which an export writes behind
        graph = content[: min(entry.header_offset for entry in appended.infolist())]
    exporter = EXPORTERS["tflite"]._replace(write=lambda network, path, **_: path.write_bytes(graph))
    monkeypatch.setitem(EXPORTERS, "tflite", exporter)


@made_once("tiny.onnx")
def onnx_file(path):
    for package in ("onnx", "tf2onnx", "onnxruntime"):
        pytest.importorskip(package, reason="needs pip install 'yolo_tf[onnx]'")
    export_detector(keras_file(), "onnx", path, detect=DETECT)


def need_openvino():
    """Returns the module, or skips; pytest.importorskip would import it with its telemetry."""
    try:
        return load_openvino("tests")
    except InputError:
        pytest.skip("needs pip install 'yolo_tf[openvino]'")


@made_once("tiny_openvino")
def openvino_directory(path):
    need_openvino()
    export_detector(keras_file(), "openvino", path, detect=DETECT)


# row of FORMATS -> what makes a detector of it
FILES = {
    "keras": keras_file,
    "saved_model": saved_model,
    "tflite": tflite_file,
    "onnx": onnx_file,
    "openvino": openvino_directory,
}


@made_once("bundle")
def serving_bundle(path):
    """A bundle of two versions, "tiny": 1 with the thresholds above, 2 with a score threshold of 0.97."""
    from yolo_tf.cli import main

    pytest.importorskip("tensorflow_serving", reason="needs pip install 'yolo_tf[serving]'")
    command = ["serve-bundle", keras_file(), "--name", "tiny", "--out", path]
    command += ["detect.iou_threshold=0.5", "detect.max_detections=40", "detect.max_candidates=200"]
    for version, threshold in ((1, 0.3), (2, 0.97)):
        words = [*command, f"detect.score_threshold={threshold}", "--json", path.with_name(f"bundle_{version}.json")]
        assert main([str(word) for word in words]) == 0


@functools.cache
def images():
    """uint8 [3, 96, 160, 3]."""
    return generated_images(IMAGE_SIZE, count=3, seed=5)


def converted(function, size=(1, 32, 32, 3), **options):
    """Returns the bytes of a TFLite file of a function of one tensor; `options` are attributes of the converter."""
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [tf.function(function, input_signature=[tf.TensorSpec(size)]).get_concrete_function()]
    )
    for name, value in options.items():
        setattr(converter, name, value)
    return converter.convert()
