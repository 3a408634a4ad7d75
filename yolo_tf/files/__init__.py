"""The formats of network files, and what each carries beside its graph. Imports neither TensorFlow nor NumPy."""

import zipfile
from pathlib import Path

from yolo_tf.errors import InputError, any_of
from yolo_tf.files import keras, onnx, openvino, saved_model, tflite
from yolo_tf.files.format import MEMBER, how_to_import
from yolo_tf.files.spec import DetectorSpec, spec_from_json, spec_to_json

# Every format is a file with its own row.
FORMATS = {module.__name__.rpartition(".")[2]: module.FORMAT for module in (keras, saved_model, tflite, onnx, openvino)}
_UNREADABLE = (OSError, zipfile.BadZipFile, KeyError, ValueError)


def known_formats():
    """Returns "a .keras, .tflite or .onnx file, or a SavedModel or OpenVINO directory"."""
    suffixes = [row.suffix for row in FORMATS.values() if row.suffix]
    return f"a {any_of(suffixes)} file, or a {any_of([row.title for row in FORMATS.values() if row.title])} directory"


def format_of(path):
    """Returns the row of FORMATS that a path belongs to, by its suffix or by what the directory holds; None for any other."""
    return next((name for name, row in FORMATS.items() if row.recognises(Path(path))), None)


def attach_spec(path, spec):
    """Writes a DetectorSpec into a network file that was just written, and carries none yet."""
    row = FORMATS[format_of(path)]
    row.write_text(Path(path), row.spec_name, spec_to_json(spec))


def carries_spec(path):
    """Returns whether a path is a network file with a `detector.json`."""
    try:
        return bool(_spec_text(Path(path)))
    except _UNREADABLE:
        return False


def read_spec(path: Path | str) -> DetectorSpec:
    """Reads the DetectorSpec of a network file.

    Raises:
        InputError: nothing is there, it is no network file, or it carries no `detector.json`.
    """
    path, what = Path(path), None
    if not path.exists():
        what = "no such file or directory"
    elif format_of(path) is None:
        what = f"'{path.suffix}' is no format of a detector"
        if path.is_dir():
            what = f"carries no readable {MEMBER}: there is no {any_of([row.graph for row in FORMATS.values() if row.graph])}"
    if what:
        raise InputError(f"{path}: {what}. Expected {known_formats()}.{how_to_import(path)}")
    try:
        return spec_from_json(_spec_text(path), where=path)
    except InputError:
        raise
    except _UNREADABLE as error:
        raise InputError(
            f"{path}: carries no readable {MEMBER} ({type(error).__name__}). Expected a file written by"
            f" `yolo-tf train` or `yolo-tf export`.{how_to_import(path)}"
        ) from error


def _spec_text(path):
    """Returns the text of the `detector.json` of a network file; raises what is in _UNREADABLE where there is none."""
    row = FORMATS[format_of(path)]
    return row.read_text(path, row.spec_name)
