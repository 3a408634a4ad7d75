"""`.keras` files: networks in training <-> ZIP archives that open with Keras alone, `detector.json` a member of them.

Keras is imported inside the functions: a spec is read where TensorFlow is not needed.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from yolo_tf.errors import InputError
from yolo_tf.files.format import FileFormat, how_to_import
from yolo_tf.files.spec import DetectorSpec
from yolo_tf.heads import load_head
from yolo_tf.system.atomic import atomic_path
from yolo_tf.system.targets import check_target, out_of_room

if TYPE_CHECKING:
    import keras


def open_keras(path, threads):
    """Opens a `.keras` file."""
    network = load_network(path)
    return {"network": network, "image_size": network.input_shape[1:3]}


FORMAT = FileFormat(suffix=".keras", open=open_keras, tensorflow=True)


def check_out(path):
    """Raises InputError unless a network can be written to `path`, the argument `out`."""
    if Path(path).suffix != FORMAT.suffix:
        raise InputError(f"{path}: is no name of a Keras file. Expected one that ends with {FORMAT.suffix}. Change `out`.")
    check_target(path, option="out", folder=False)


def save_network(network: keras.Model, spec: DetectorSpec | None, path: Path | str) -> None:
    """Writes a detector network with its detector.json.

    One that trains in half precision is written in float32: a half-precision policy inside a file would be
    forced on every runtime, and TFLite cannot take it.

    Args:
        network: functional keras.Model.
        spec: DetectorSpec; None = a network that is no detector, written without detector.json.
        path: `.keras` file, replaced when whole.
    """
    from yolo_tf.files import attach_spec
    from yolo_tf.surgery.fold import float32_copy

    frozen = [layer for layer in network.layers if not layer.trainable]
    if any(layer.compute_dtype != "float32" for layer in network.layers):
        network = float32_copy(network)
    try:
        for layer in frozen:  # a run's freezing is not a property of its network: whoever opens the file decides anew
            network.get_layer(layer.name).trainable = True
        with atomic_path(path) as temporary:
            network.save(temporary)
            if spec is not None:
                attach_spec(temporary, spec)
    finally:
        for layer in frozen:
            layer.trainable = False


def load_network(path):
    """Reads a file that holds a network as Keras writes it; a damaged one raises anything, mostly what `read_network` names."""
    import keras

    return keras.models.load_model(path, compile=False)


def read_network(path, *, option, also=()):
    """Reads the network of a `.keras` file.

    Args:
        path: the file.
        option: its place in the config, for the error message.
        also: other suffixes that it may have.

    Raises:
        InputError: no such file, or not a Keras network.
    """
    path = Path(path)
    if not path.is_file() or path.suffix not in (FORMAT.suffix, *also):
        what = f"is no {FORMAT.words}" if path.exists() else "no such file"
        raise InputError(f"{path}: {what}. Expected a {FORMAT.words}. Check {option}.{how_to_import(path)}")
    try:
        return load_network(path)
    except (ValueError, TypeError, KeyError, OSError, zipfile.BadZipFile) as error:
        if out_of_room(error):  # Keras unpacks into the folder of temporary files
            raise
        raise InputError(
            f"{path}: cannot be read as a Keras network ({type(error).__name__}). Expected a whole {FORMAT.words}"
            f" of built-in layers. Check {option}."
        ) from error


def read_detector_network(path, *, option, class_names, precision="float32"):
    """Reads a detector from a `.keras` file, to be run on images of any size.

    Args:
        path: the file, with its detector.json.
        option: its place in the config, for error messages.
        class_names: what it must find, in this order.
        precision: the dtype policy that it is to have.

    Returns:
        (keras.Model, DetectorSpec).

    Raises:
        InputError: no such file, no detector, a detector of other classes, or one for a single size.
    """
    from yolo_tf.files import read_spec
    from yolo_tf.surgery.fold import copy_for

    network, spec = read_network(path, option=option), read_spec(path)
    if spec.class_names != tuple(class_names):
        raise InputError(
            f"{path}: finds the classes {list(spec.class_names)}. Expected those of the data set, {list(class_names)}."
            f" Check {option} and data.classes."
        )
    wanted = load_head(spec.head).output_shapes(spec.layout, len(class_names))
    found = [tuple(tensor.shape) for tensor in network.outputs]
    if found != wanted or [tuple(tensor.shape) for tensor in network.inputs] != [(None, None, None, 3)]:
        raise InputError(
            f"{path}: takes {[tuple(tensor.shape) for tensor in network.inputs]} and gives {found}. Expected images"
            f" [B, H, W, 3] of any size and raw predictions {wanted}, as yolo-tf writes them. Check {option}."
        )
    network.trainable = True  # all of it: what is frozen is for the run to say
    return copy_for(network, precision) if precision != "float32" else network, spec
