"""Network files -> one kind of detector, whatever the format."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from yolo_tf.config import DetectConfig
from yolo_tf.errors import InputError
from yolo_tf.files import FORMATS, format_of, read_spec
from yolo_tf.files.format import wrong_size
from yolo_tf.files.spec import DetectorSpec
from yolo_tf.inference.suppression import suppress
from yolo_tf.structures import Detections


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Detector:
    """A network file that was opened for use."""

    path: Path
    kind: str  # a row of FORMATS
    spec: DetectorSpec
    candidates: Callable  # images uint8 or float32 [B, H, W, 3] -> (boxes float32 [B, D, 4] px, scores float32 [B, D, C])
    fixed_image_size: tuple[int, int] | None = None  # (height, width) px that the file takes; None = multiples of the stride
    network: keras.Model | None = None  # images float32 [B, H, W, 3] -> L raw predictions; .keras only
    serve: Callable | None = None  # images -> Detections with the thresholds inside the file; None where it holds none


def open_detector(path: Path | str, *, threads: int | None = None) -> Detector:
    """Opens a network file of any of FORMATS.

    Args:
        path: what `yolo-tf train` or `yolo-tf export` wrote.
        threads: of the CPU, for TFLite, ONNX and OpenVINO; None = all cores. The threads of TensorFlow are those of the
            process: tf.config.threading.

    Returns:
        Detector. All kinds take the same images and answer in the same units. A SavedModel, and an
        int8 file of uint8 pixels, takes whole numbers: float images are rounded for it.

    Raises:
        InputError: nothing is there, it is of none of these formats, the file is damaged, it carries no
            detector.json, or a package that runs it is not installed.
    """
    path, spec, kind = Path(path), read_spec(path), format_of(path)
    try:
        opened = FORMATS[kind].open(path, threads or os.cpu_count())
    except InputError:
        raise
    except Exception as error:  # a damaged file makes the loaders raise anything, from KeyError to internal errors
        reason = " ".join(str(error).split())[:200] or "no reason given"
        raise InputError(
            f"{path}: cannot be opened ({type(error).__name__}: {reason})."
            f" Expected a whole {FORMATS[kind].words}. Train or export it again."
        ) from error
    network, serve, sides = opened.get("network"), opened.get("serve"), tuple(opened["image_size"])

    def call(function):
        if FORMATS[kind].tensorflow:
            return function
        return lambda images: tuple(tf.convert_to_tensor(array) for array in function(np.asarray(images)))

    return Detector(
        path=path,
        kind=kind,
        spec=spec,
        candidates=call(opened["candidates"]) if network is None else network_candidates(network, spec),
        fixed_image_size=sides if all(isinstance(side, int) for side in sides) else None,
        network=network,
        serve=serve and (lambda images: Detections(*call(serve)(images))),
    )


def detect_images(detector: Detector, images: np.ndarray | tf.Tensor, detect: DetectConfig) -> Detections:
    """Finds objects in images of the network's input size.

    Args:
        detector: Detector.
        images: uint8 or float32 [B, H, W, 3], RGB 0..255.
        detect: DetectConfig.

    Returns:
        Detections, input px.
    """
    return Detections(*suppress(*detector.candidates(images), detect))


def choose_image_size(detector: Detector, image_size: tuple[int, int] | int | None = None) -> tuple[int, int]:
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
                f"image_size: {side} is no positive multiple of {stride}. Expected multiples of the coarsest stride."
                f" Use {max(stride, round(side / stride) * stride)}."
            )
    if detector.fixed_image_size not in (None, image_size):
        raise wrong_size(detector.path, image_size, detector.fixed_image_size)
    return image_size


def check_any_size(detector, option):
    """Raises InputError, on behalf of `option`, unless the detector takes images of any size."""
    if detector.fixed_image_size is not None:
        height, width = detector.fixed_image_size
        raise InputError(
            f"{option}: {detector.path} takes images of {height} x {width} px (height x width) only. Expected a file"
            f" for any size. Use the .keras file or a SavedModel, or leave {option} out."
        )


def network_candidates(network: keras.Model, spec: DetectorSpec) -> Callable:
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
