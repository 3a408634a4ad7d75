"""Network files -> one kind of detector, whatever the format."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import threading
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from yolo_tf.config import DetectConfig
from yolo_tf.config.kinds import converted
from yolo_tf.errors import InputError
from yolo_tf.files import FORMATS, format_of, read_spec
from yolo_tf.files.format import wrong_size
from yolo_tf.files.spec import DetectorSpec
from yolo_tf.inference.spec_match import check_layout, check_network, check_scores
from yolo_tf.inference.suppression import suppress
from yolo_tf.structures import Detections
from yolo_tf.system.targets import out_of_room


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Detector:
    """A network file that was opened for use, from any number of threads at a time."""

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
        Detector. All kinds take the same images, answer in the same units, and refuse other arrays with the same InputError
        before anything runs. A SavedModel, and an int8 file of uint8 pixels, takes whole numbers: float images are rounded
        for it. Threads that share a Detector of TFLite or OpenVINO wait for each other: a call has all cores already.

    Raises:
        InputError: nothing is there, it is of none of these formats, the file is damaged, it carries no
            detector.json or that of another network, or a package that runs it is not installed.
    """
    if threads is not None and converted(threads, int, "threads") < 1:
        raise InputError(f"threads: got {threads}. Expected 1 or more. Leave it out for all cores.")
    path, spec, kind = Path(path), read_spec(path), format_of(path)
    check_layout(path, spec)
    try:
        opened = FORMATS[kind].open(path, threads or os.cpu_count())
    except InputError:
        raise
    except Exception as error:  # a damaged file makes the loaders raise anything, from KeyError to internal errors
        if out_of_room(error):  # some unpack a file before they read it
            raise
        reason = " ".join(str(error).split())[:200] or "no reason given"
        raise InputError(
            f"{path}: cannot be opened ({type(error).__name__}: {reason})."
            f" Expected a whole {FORMATS[kind].words}. Train or export it again."
        ) from error
    network, serve, sides = opened.get("network"), opened.get("serve"), tuple(opened["image_size"])
    fixed_image_size = sides if all(isinstance(side, int) for side in sides) else None
    if network is not None:
        check_network(path, spec, network)
    else:
        check_scores(path, spec, opened["scores"], fixed_image_size)
    turn = threading.Lock() if FORMATS[kind].one_at_a_time else contextlib.nullcontext()

    def checked(function):
        def call(images):
            images = as_images(images, path, image_size=fixed_image_size, stride=max(spec.strides))
            if FORMATS[kind].tensorflow:
                return function(images)
            with turn:
                return tuple(tf.convert_to_tensor(array) for array in function(np.asarray(images)))

        return call

    sizes_seen = set()

    def matched(function):
        def call(images):
            boxes, scores = function(images)
            if tf.executing_eagerly() and (size := tuple(images.shape[1:3])) not in sizes_seen:
                check_scores(path, spec, scores.shape, size)
                sizes_seen.add(size)
            return boxes, scores

        return call

    return Detector(
        path=path,
        kind=kind,
        spec=spec,
        candidates=checked(matched(opened["candidates"] if network is None else network_candidates(network, spec))),
        fixed_image_size=fixed_image_size,
        network=network,
        serve=serve and (lambda images: Detections(*checked(serve)(images))),
    )


def as_images(images, path, *, image_size, stride):
    """Returns what a detector is called with as it takes it: uint8 and float32 untouched, other numbers as float32.

    Args:
        images: array or tensor [B, H, W, 3]; of a graph's tensor only what is known of its shape is looked at.
        path: of the network file, what the message begins with.
        image_size: (height, width) px that the file is fixed to; None = multiples of `stride`.

    Raises:
        InputError: no numbers, not four axes, no image, not three channels, or a size that the file does not take.
    """
    sides = "[B, {}, {}, 3], RGB".format(*image_size) if image_size else f"[B, H, W, 3], RGB, H and W multiples of {stride}"

    def wrong(what, fix):
        return InputError(f"{path}: got {what}. Expected 1 image or more, uint8 or float32 {sides}, 0..255. {fix}")

    try:
        images = images if tf.is_tensor(images) else np.asarray(images)
    except ValueError:
        raise wrong("images of several sizes", "Letterbox them to one size, or call it for each.") from None
    shape, convert = tf.TensorShape(images.shape), "Decode the image files, or convert the values."
    try:
        dtype = tf.as_dtype(images.dtype)
    except TypeError:
        raise wrong(f"{images.dtype} values", convert) from None
    if not (dtype.is_integer or dtype.is_floating):
        raise wrong(f"{dtype.name} values", convert)
    if shape.rank not in (4, None):
        raise wrong(f"an array of {shape.rank} axes, {shape}", "Add the axis of the batch: images[None].")
    batch, *size, channels = shape.as_list() if shape.rank else [None] * 4
    if channels not in (3, None):
        fix = {1: "Repeat grey three times.", 4: "Leave alpha out: images[..., :3]."}.get(channels, "Convert them to RGB.")
        raise wrong(f"images of {channels} channels, {shape}", fix)
    if batch == 0:
        raise wrong("none", "Leave the call out.")
    if image_size and not tf.TensorShape(size).is_compatible_with(image_size):
        raise wrong_size(path, size, image_size)
    if not image_size and not all(side is None or (side > 0 and side % stride == 0) for side in size):
        raise wrong(f"images of {size[0]} x {size[1]} px (height x width)", "Letterbox them to such a size.")
    if dtype in (tf.uint8, tf.float32):
        return images
    return tf.cast(images, tf.float32) if tf.is_tensor(images) else images.astype(np.float32)


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
    image_size = converted(image_size, tuple[int, int], "image_size")
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
