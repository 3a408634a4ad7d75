"""Network files -> files for deployment, each checked against its network before it appears."""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from yolo_tf.config import DetectConfig
from yolo_tf.config.kinds import converted
from yolo_tf.data.letterbox import letterbox_image
from yolo_tf.errors import InputError, look_up
from yolo_tf.evaluation.classes import match_classes
from yolo_tf.export.accuracy import check_accuracy
from yolo_tf.export.onnx import write_onnx
from yolo_tf.export.openvino import write_openvino
from yolo_tf.export.parity import EXACT, ParityError, ParityReport, check_parity
from yolo_tf.export.saved_model import write_saved_model
from yolo_tf.export.tflite import PRECISIONS, Quantization, write_tflite
from yolo_tf.files import FORMATS, attach_spec, carries_spec
from yolo_tf.files.run_directory import RunDirectory
from yolo_tf.inference.detector import choose_image_size, network_candidates, open_detector
from yolo_tf.pictures.generated_images import generated_images
from yolo_tf.structures import DetectionDataset
from yolo_tf.surgery.fold import float32_copy, fold_batch_norm
from yolo_tf.surgery.reparameterize import deploy_form
from yolo_tf.system.atomic import atomic_path
from yolo_tf.system.targets import check_target

MOST_CALIBRATION_COMPARED = 16  # where nothing else is given to compare on


class ExportFormat(NamedTuple):
    """One row of EXPORTERS.

    `write` is a function (network, path, *, spec, detect, image_size). The network is a functional keras.Model in float32,
    branches merged, batch norms folded: images float32 [B, H, W, 3] 0..255 -> raw predictions. `path` is what to create,
    `spec` a DetectorSpec, `detect` a DetectConfig, `image_size` (height, width) px; a writer may need neither of the last two.
    """

    write: Callable
    quantizes: bool = False  # `write` takes a Quantization


EXPORTERS = {
    "saved_model": ExportFormat(write_saved_model),
    "tflite": ExportFormat(write_tflite, quantizes=True),
    "onnx": ExportFormat(write_onnx),
    "openvino": ExportFormat(write_openvino),
}


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Comparison:
    """On what an export is compared with its network."""

    images: Sequence | None = None  # uint8 [h, w, 3] each, RGB, at least one; None = those of the calibration, or generated ones
    dataset: DetectionDataset | None = None  # to measure the AP of both on; None = not measured
    max_ap_drop: float | None = None  # most AP that the file may lose on `dataset`, 0..1; None = any

    def __post_init__(self):
        if self.max_ap_drop is None:
            return
        if self.dataset is None:
            raise InputError("max_ap_drop: there is no data set. Expected one to measure the AP on. Add `data`.")
        if not 0 <= converted(self.max_ap_drop, float, "max_ap_drop") <= 1:
            raise InputError(f"max_ap_drop: got {self.max_ap_drop}. Expected 0..1, as 0.02 for two points of AP. Change it.")


def export_detector(
    path: Path | str,
    format: str,
    out: Path | str,
    *,
    detect: DetectConfig = DetectConfig(),
    image_size: tuple[int, int] | int | None = None,
    comparison: Comparison = Comparison(),
    quantization: Quantization | None = None,
) -> ParityReport:
    """Exports a network, reopens what was written and lets it appear only when it finds what the network finds.

    Args:
        path: `.keras` file of a detector.
        format: a row of EXPORTERS.
        out: where to write; a directory for "saved_model" and "openvino". An earlier export there is replaced.
        detect: DetectConfig; becomes part of a SavedModel and of a TFLite file with suppression, and is what the
            comparison runs at.
        image_size: (height, width) px of the comparison, and for good of a TFLite file and of what a SavedModel
            makes of encoded images; one number = square, None = that of training.
        comparison: Comparison.
        quantization: Quantization of a TFLite file, its calibration images of any size; None = float32, no suppression.

    Returns:
        ParityReport, with the accuracy where there is a data set.

    Raises:
        InputError: the network cannot be opened, the data set has other classes, or `format`, `out`, `image_size`,
            `comparison` or `quantization` does not fit.
        ParityError: the file differs from the network by more than its precision explains, or loses too much AP.
            Nothing is written then.
    """
    exporter = look_up(EXPORTERS, format, kind="export format", where="format")
    out = Path(out)
    _check_out(out, format)
    if quantization is not None and not exporter.quantizes:
        option = "nms" if quantization.nms else "precision"
        raise InputError(f"{option}: does not fit `format` {format}. Expected `format` tflite. Leave `{option}` out.")
    detector = open_detector(path)
    if detector.network is None:
        raise InputError(f"{path}: is an export already. Expected a .keras file. Export the network that it was made from.")
    dataset = comparison.dataset and match_classes(comparison.dataset, detector.spec.class_names, of=path)
    image_size, letterbox = choose_image_size(detector, image_size), detector.spec.letterbox
    write, images, tolerance = exporter.write, comparison.images, EXACT
    if quantization is not None:
        if quantization.calibration is not None:
            letterboxed = _letterboxed(quantization.calibration, image_size, letterbox)
            images = letterboxed[:MOST_CALIBRATION_COMPARED] if images is None else images
            quantization = dataclasses.replace(quantization, calibration=letterboxed)
        write = functools.partial(write, quantization=quantization)
        tolerance = PRECISIONS[quantization.precision].tolerance
    images = generated_images(image_size) if images is None else _letterboxed(images, image_size, letterbox)

    spec = dataclasses.replace(detector.spec, image_size=image_size, run=detector.spec.run or _run_name(path))
    reference = detector.candidates
    if any(layer.compute_dtype != "float32" for layer in detector.network.layers):
        # A network trained in half precision is exported in float32, so that is what the file must equal.
        reference = network_candidates(float32_copy(detector.network), spec)
    folded = fold_batch_norm(deploy_form(detector.network))
    with atomic_path(out) as temporary:
        write(folded, temporary, spec=spec, detect=detect, image_size=image_size)
        attach_spec(temporary, spec)
        try:
            written = open_detector(temporary)
            report = check_parity(reference, written, images, detect, tolerance)
            if dataset is None:
                return report
            accuracy = check_accuracy(reference, written, dataset, image_size=image_size, max_ap_drop=comparison.max_ap_drop)
            return dataclasses.replace(report, accuracy=accuracy)
        except ParityError as error:
            raise ParityError(f"{out}: not written, for it differs from {path}: {error}") from error


def _run_name(path):
    """Returns the name of the run directory that a network file lies in; "" where it lies elsewhere."""
    directory = Path(path).resolve().parent
    return directory.name if RunDirectory(directory).config.is_file() else ""


def _check_out(out, format):
    """Raises InputError where `out` has the wrong suffix or holds what an export must not replace."""
    suffix = FORMATS[format].suffix
    of_files = {row.suffix or Path(row.graph).suffix for row in FORMATS.values()}
    if out.suffix.lower() != suffix and (suffix or out.suffix.lower() in of_files):
        expected = f"a path ending in {suffix}" if suffix else "a directory"
        raise InputError(f"{out}: does not fit `format` {format}. Expected {expected}. Change `out`.")
    check_target(out, option="out", folder=not suffix)
    if out.is_dir() and any(out.iterdir()) and not carries_spec(out):
        raise InputError(
            f"{out}: is a directory with other things in it. Expected a new path or an earlier export. Change `out`."
        )


def _letterboxed(images, image_size, letterbox):
    """Brings images to the size of the network input, one after the other: uint8 [n, H, W, 3]."""
    return np.stack([letterbox_image(image, image_size, letterbox=letterbox)[0].numpy().astype(np.uint8) for image in images])
