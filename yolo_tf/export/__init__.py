"""Network files -> files for deployment, each checked against its network before it appears."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from yolo_tf.atomic import atomic_path
from yolo_tf.config import DetectConfig
from yolo_tf.data.letterbox import letterbox_image
from yolo_tf.detector_file import attach_spec
from yolo_tf.errors import InputError
from yolo_tf.export.fold import float32_copy, fold_batch_norm
from yolo_tf.export.generated_images import generated_images
from yolo_tf.export.parity import ParityError, check_parity
from yolo_tf.export.reparameterize import deploy_form
from yolo_tf.export.saved_model import write_saved_model
from yolo_tf.export.tflite import write_tflite
from yolo_tf.lookup import look_up
from yolo_tf.runtime import choose_image_size, network_candidates, open_detector


class ExportFormat(NamedTuple):
    """One row of EXPORTERS."""

    write: Callable  # (network, path, *, anchors, detect, image_size); network in float32, branches merged, batch norms folded
    suffix: str  # of the path; "" = a directory


EXPORTERS = {
    "saved_model": ExportFormat(write_saved_model, ""),
    "tflite": ExportFormat(write_tflite, ".tflite"),
}


def export_detector(path, format, out, *, detect=DetectConfig(), image_size=None, images=None):
    """Exports a network, reopens what was written and lets it appear only when it finds what the network finds.

    Args:
        path: `.keras` file of a detector.
        format: a row of EXPORTERS.
        out: where to write; a directory for "saved_model". An earlier export there is replaced.
        detect: DetectConfig; becomes part of a SavedModel, and is what the comparison runs at.
        image_size: (height, width) px of the comparison, and of a TFLite file for good; one number = square,
            None = that of training.
        images: uint8 [h, w, 3] each, RGB, at least one, to compare on; None = generated pictures.

    Returns:
        ParityReport.

    Raises:
        InputError: the network cannot be opened, or `format`, `out` or `image_size` does not fit.
        ParityError: the file differs from the network. Nothing is written then.
    """
    exporter = look_up(EXPORTERS, format, kind="export format")
    out = Path(out)
    _check_out(out, exporter.suffix, format)
    detector = open_detector(path)
    if detector.network is None:
        raise InputError(f"{path}: is an export already. Expected a .keras file. Export the network that it was made from.")
    image_size = choose_image_size(detector, image_size)
    images = generated_images(image_size) if images is None else _letterboxed(images, image_size)

    anchors = detector.spec.anchors
    reference = detector.candidates
    if any(layer.compute_dtype != "float32" for layer in detector.network.layers):
        # A network trained in half precision is exported in float32, so that is what the file must equal.
        reference = network_candidates(float32_copy(detector.network), anchors)
    folded = fold_batch_norm(deploy_form(detector.network))
    with atomic_path(out) as temporary:
        exporter.write(folded, temporary, anchors=anchors, detect=detect, image_size=image_size)
        attach_spec(temporary, dataclasses.replace(detector.spec, image_size=image_size))
        try:
            return check_parity(reference, open_detector(temporary), images, detect)
        except ParityError as error:
            raise ParityError(f"{out}: not written, for it differs from {path}: {error}") from error


def _check_out(out, suffix, format):
    """Raises InputError where `out` has the wrong suffix or holds what an export must not replace."""
    if out.suffix.lower() != suffix and (suffix or out.suffix.lower() in (".keras", ".tflite")):
        expected = f"a path ending in {suffix}" if suffix else "a directory"
        raise InputError(f"{out}: does not fit --format {format}. Expected {expected}. Change --out.")
    if out.is_dir() and (suffix or (any(out.iterdir()) and not (out / "saved_model.pb").exists())):
        raise InputError(
            f"{out}: is a directory with other things in it. Expected a new path or an earlier export. Change --out."
        )
    if not suffix and out.is_file():
        raise InputError(f"{out}: is a file. Expected a directory, or a path where none is yet. Change --out.")


def _letterboxed(images, image_size):
    """Brings images to the size of the network input: uint8 [n, H, W, 3]."""
    return np.stack([letterbox_image(image, image_size)[0] for image in images]).astype(np.uint8)
