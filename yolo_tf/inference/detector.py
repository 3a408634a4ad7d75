"""Network files -> one kind of detector, whatever the format."""

from __future__ import annotations

import dataclasses
import os
import warnings
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from yolo_tf.errors import InputError
from yolo_tf.files.spec import OPENVINO_GRAPH, DetectorSpec, directory_kind, read_spec
from yolo_tf.inference.suppression import suppress
from yolo_tf.structures import Detections
from yolo_tf.system.openvino_start import load_openvino


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Detector:
    """A network file that was opened for use."""

    path: Path
    kind: str  # "keras" | "saved_model" | "tflite" | "onnx" | "openvino"
    spec: DetectorSpec
    candidates: Callable  # images uint8 or float32 [B, H, W, 3] -> (boxes float32 [B, D, 4] px, scores float32 [B, D, C])
    fixed_image_size: tuple[int, int] | None = None  # (height, width) px that the file takes; None = multiples of the stride
    network: keras.Model | None = None  # images float32 [B, H, W, 3] -> L raw predictions; .keras only
    serve: Callable | None = None  # images -> Detections with the thresholds inside the file; None where it holds none


def open_detector(path, *, threads=None):
    """Opens a `.keras`, `.tflite` or `.onnx` file, or a SavedModel or OpenVINO directory.

    Args:
        path: what `yolo-tf train` or `yolo-tf export` wrote.
        threads: of the CPU, for TFLite, ONNX and OpenVINO; None = all cores. The threads of TensorFlow are those of the
            process: tf.config.threading.

    Returns:
        Detector. All kinds take the same images and answer in the same units. A SavedModel, and an
        int8 file of uint8 pixels, takes whole numbers: float images are rounded for it.

    Raises:
        InputError: nothing is there, the suffix is none of these, the file is damaged, it carries no
            detector.json, or a package that runs it is not installed.
    """
    path = Path(path)
    kind = path.suffix.removeprefix(".").lower()
    if path.is_dir():
        kind = directory_kind(path) or "saved_model"
    if path.exists() and kind not in OPENERS:
        raise InputError(
            f"{path}: '{path.suffix}' is no format of a detector."
            " Expected a .keras, .tflite or .onnx file, or a SavedModel or OpenVINO directory."
        )
    spec = read_spec(path)
    try:
        parts = OPENERS[kind](path, spec, threads or os.cpu_count())
    except InputError:
        raise
    except Exception as error:  # a damaged file makes the loaders raise anything, from KeyError to internal errors
        reason = " ".join(str(error).split())[:200] or "no reason given"
        raise InputError(
            f"{path}: cannot be opened ({type(error).__name__}: {reason})."
            f" Expected a whole {KIND_NAMES[kind]}. Train or export it again."
        ) from error
    return Detector(path=path, kind=kind, spec=spec, **parts)


def detect_images(detector, images, detect):
    """Finds objects in images of the network's input size.

    Args:
        detector: Detector.
        images: uint8 or float32 [B, H, W, 3], RGB 0..255.
        detect: DetectConfig.

    Returns:
        Detections, input px.
    """
    return Detections(*suppress(*detector.candidates(images), detect))


def choose_image_size(detector, image_size=None):
    """Returns the (height, width) px to run at: `image_size`, else the size fixed in the file, else that of training.

    Args:
        detector: Detector.
        image_size: (height, width) px; one number = square; None = whatever fits.

    Raises:
        InputError: `image_size` is no multiple of the coarsest stride, or the file takes another size only.
    """
    if image_size is None:
        return detector.fixed_image_size or detector.spec.image_size
    image_size = (image_size, image_size) if isinstance(image_size, int) else tuple(image_size)
    stride = max(detector.spec.strides)
    for side in image_size:
        if side <= 0 or side % stride:
            raise InputError(
                f"image size: {side} is no positive multiple of {stride}. Expected multiples of the coarsest stride."
                f" Use {max(stride, round(side / stride) * stride)}."
            )
    if detector.fixed_image_size not in (None, image_size):
        raise _wrong_size(detector.path, image_size, detector.fixed_image_size)
    return image_size


def check_any_size(detector, option):
    """Raises InputError, on behalf of `option`, unless the detector takes images of any size."""
    if detector.fixed_image_size is not None:
        height, width = detector.fixed_image_size
        raise InputError(
            f"{option}: {detector.path} takes images of {height} x {width} px (height x width) only. Expected a file"
            f" for any size. Use the .keras file or a SavedModel, or leave {option} out."
        )


def network_candidates(network, spec):
    """Returns the function images -> candidates of a network in memory.

    Args:
        network: keras.Model, images float32 [B, H, W, 3] 0..255 -> raw predictions.
        spec: DetectorSpec.

    Returns:
        Function of uint8 or float32 [B, H, W, 3] that gives boxes float32 [B, D, 4] xyxy input px and scores
        float32 [B, D, C]. It is traced once for all sizes.
    """

    @tf.function(autograph=False, input_signature=[tf.TensorSpec([None, None, None, 3], tf.float32)])
    def candidates(images):
        return spec.decode(network(images, training=False))

    return lambda images: candidates(tf.cast(images, tf.float32))


def _open_keras(path, spec, threads):
    network = keras.models.load_model(path, compile=False)
    height, width = network.input_shape[1:3]
    fixed = None if height is None or width is None else (height, width)
    return {"candidates": network_candidates(network, spec), "fixed_image_size": fixed, "network": network}


def _open_saved_model(path, spec, threads):
    loaded = tf.saved_model.load(str(path))
    if "candidates" not in loaded.signatures:
        raise KeyError("it has no signature named candidates")
    _, height, width, _ = loaded.signatures["candidates"].structured_input_signature[1]["images"].shape
    fixed = None if height is None or width is None else (height, width)

    def call(name, images):
        images = tf.convert_to_tensor(images)
        if images.dtype != tf.uint8:
            images = tf.saturate_cast(tf.round(images), tf.uint8)
        return loaded.signatures[name](images=images)  # through `loaded`: a signature alone lets its variables go

    def candidates(images):
        found = call("candidates", images)
        return found["boxes"], found["scores"]

    def serve(images):
        found = call("serving_default", images)
        return Detections(found["boxes"], found["scores"], found["class_ids"], found["num_detections"])

    return {"candidates": candidates, "fixed_image_size": fixed, "serve": serve}


def _open_tflite(path, spec, threads):
    interpreter = _tflite_interpreter()(model_path=str(path), num_threads=threads)
    runners = {name: interpreter.get_signature_runner(name) for name in interpreter.get_signature_list()}
    details = runners["candidates"].get_input_details()["images"]
    _, height, width, _ = (int(side) for side in details["shape"])

    def call(signature, names, images):
        images = np.asarray(images)
        if images.shape[1:3] != (height, width):
            raise _wrong_size(path, images.shape[1:3], (height, width))
        if details["dtype"] == np.uint8:
            images = np.round(images).clip(0, 255)
        images = images.astype(details["dtype"])
        found = [runners[signature](images=image[None]) for image in images]  # the file holds a batch of one
        return tuple(tf.concat([answer[name] for answer in found], 0) for name in names)

    def candidates(images):
        return call("candidates", ("boxes", "scores"), images)

    def serve(images):
        return Detections(*call("detections", ("boxes", "scores", "class_ids", "num_detections"), images))

    suppresses = "detections" in runners
    return {"candidates": candidates, "fixed_image_size": (height, width), "serve": serve if suppresses else None}


def _open_onnx(path, spec, threads):
    try:
        import onnxruntime
    except ImportError as error:
        raise InputError(
            f"{path}: the package onnxruntime is not installed. Expected it for an .onnx file. Run pip install 'yolo_tf[onnx]'."
        ) from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3  # errors; its warnings are about its own optimisations
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def candidates(images):
        found = session.run(["boxes", "scores"], {"images": np.asarray(images, np.float32)})
        return tuple(map(tf.convert_to_tensor, found))

    _, height, width, _ = session.get_inputs()[0].shape  # names where any length will do
    fixed = (height, width) if isinstance(height, int) and isinstance(width, int) else None
    return {"candidates": candidates, "fixed_image_size": fixed}


def _open_openvino(path, spec, threads):
    openvino = load_openvino(path)
    options = {
        # on CPUs with AMX it computes in bfloat16 unless told otherwise, which moves boxes by pixels
        "INFERENCE_PRECISION_HINT": "f32",
        "INFERENCE_NUM_THREADS": threads,
    }
    compiled = openvino.Core().compile_model(path / OPENVINO_GRAPH, "CPU", options)

    def candidates(images):
        found = compiled({"images": np.asarray(images, np.float32)})
        return tf.convert_to_tensor(found["boxes"]), tf.convert_to_tensor(found["scores"])

    _, height, width, _ = compiled.input("images").partial_shape
    fixed = (height.get_length(), width.get_length()) if height.is_static and width.is_static else None
    return {"candidates": candidates, "fixed_image_size": fixed}


def _tflite_interpreter():
    """Returns the class that runs TFLite files: from ai-edge-litert where installed, else TensorFlow's own."""
    try:
        from ai_edge_litert.interpreter import Interpreter

        return Interpreter
    except ImportError:
        pass

    def create(**options):
        with warnings.catch_warnings():  # it announces its move to ai-edge-litert at every start
            warnings.simplefilter("ignore")
            return tf.lite.Interpreter(**options)

    return create


def _wrong_size(path, got, expected):
    return InputError(
        f"{path}: got images of {got[0]} x {got[1]} px (height x width). Expected {expected[0]} x {expected[1]}, the size"
        " inside the file. Leave the image size out, or export again with the size you want."
    )


# suffix of the path, or kind of directory -> what opens it
OPENERS = {
    "keras": _open_keras,
    "saved_model": _open_saved_model,
    "tflite": _open_tflite,
    "onnx": _open_onnx,
    "openvino": _open_openvino,
}
KIND_NAMES = {
    "keras": ".keras file",
    "saved_model": "SavedModel directory",
    "tflite": ".tflite file",
    "onnx": ".onnx file",
    "openvino": "OpenVINO directory",
}
