"""Networks in training <-> `.keras` files that open with Keras alone."""

from __future__ import annotations

import dataclasses
import zipfile
from pathlib import Path

import keras

from yolo_tf.errors import InputError
from yolo_tf.files.spec import attach_spec, read_spec
from yolo_tf.files.weights import describe_fit, tensors_of
from yolo_tf.surgery.fold import copy_for, float32_copy
from yolo_tf.system.atomic import atomic_path


def save_network(network, spec, path):
    """Writes a detector network with its detector.json.

    One that trains in half precision is written in float32: a half-precision policy inside a file would be
    forced on every runtime, and TFLite cannot take it.

    Args:
        network: functional keras.Model.
        spec: DetectorSpec; None = a network that is no detector, written without detector.json.
        path: `.keras` file, replaced when whole.
    """
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


@dataclasses.dataclass(frozen=True, kw_only=True)
class LoadedWeights:
    """What `load_weights` did, layer by layer."""

    path: Path
    loaded: tuple[str, ...]  # names of layers that now have the file's weights
    other_shape: tuple[str, ...]  # in both, with other shapes: left as they were
    missing: tuple[str, ...]  # in the network only: left as they were
    unused: tuple[str, ...]  # in the file only

    def __str__(self):
        """One or two lines for a person."""
        count = len(self.loaded) + len(self.other_shape) + len(self.missing)
        kept = [f"{name} (other shape)" for name in self.other_shape] + [f"{name} (not in the file)" for name in self.missing]
        lines = [f"weights: {len(self.loaded)} of {count} layers from {self.path}"]
        if kept:
            lines.append(f"left as initialised: {_list(kept)}")
        if self.unused:
            lines.append(f"in the file only: {_list(self.unused)}")
        return "\n".join(lines)


def load_weights(network, path):
    """Copies into `network` the weights of every layer that a `.keras` file has under the same name and shapes.

    So a detector of other classes gives all but its head, and a backbone its own layers.

    Args:
        network: keras.Model; changed in place.
        path: `.keras` file: a detector, or a backbone alone.

    Returns:
        LoadedWeights.

    Raises:
        InputError: no such file, not a Keras network, or no layer fits.
    """
    path = Path(path)
    theirs = {layer.name: layer for layer in read_network(path, option="config.model.weights").layers if layer.weights}
    ours = {layer.name: layer for layer in network.layers if layer.weights}
    fits = [name for name in ours if name in theirs and _shapes(ours[name]) == _shapes(theirs[name])]
    if not fits:
        raise InputError(
            f"{path}: holds the weights of another network: {describe_fit(tensors_of(theirs.values()), network)}, no layer as a"
            " whole. Expected a network of the same backbone. Check config.model.backbone, depth and width."
        )
    for name in fits:
        ours[name].set_weights(theirs[name].get_weights())
    return LoadedWeights(
        path=path,
        loaded=tuple(fits),
        other_shape=tuple(name for name in ours if name in theirs and name not in fits),
        missing=tuple(name for name in ours if name not in theirs),
        unused=tuple(name for name in theirs if name not in ours),
    )


def read_network(path, *, option):
    """Reads the network of a `.keras` file.

    Args:
        path: the file.
        option: its place in the config, for the error message.

    Raises:
        InputError: no such file, or not a Keras network.
    """
    path = Path(path)
    if not path.is_file() or path.suffix != ".keras":
        what = "is no .keras file" if path.exists() else "no such file"
        raise InputError(f"{path}: {what}. Expected a .keras file. Check {option}.")
    try:
        return keras.models.load_model(path, compile=False)
    except (ValueError, TypeError, KeyError, OSError, zipfile.BadZipFile) as error:
        raise InputError(
            f"{path}: cannot be read as a Keras network ({type(error).__name__}). Expected a whole .keras file. Check {option}."
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
    network, spec = read_network(path, option=option), read_spec(path)
    if spec.class_names != tuple(class_names):
        raise InputError(
            f"{path}: finds the classes {list(spec.class_names)}. Expected those of the data set, {list(class_names)}, in this"
            f" order. Check {option} and data.classes."
        )
    channels = 5 + len(class_names)
    wanted = [(None, None, None, len(sizes), channels) for sizes in spec.anchor_sizes]
    found = [tuple(tensor.shape) for tensor in network.outputs]
    if found != wanted or [tuple(tensor.shape) for tensor in network.inputs] != [(None, None, None, 3)]:
        raise InputError(
            f"{path}: takes {[tuple(tensor.shape) for tensor in network.inputs]} and gives {found}. Expected images"
            f" [B, H, W, 3] of any size and raw predictions {wanted}, as yolo-tf writes them. Check {option}."
        )
    network.trainable = True  # all of it: what is frozen is for the run to say
    return copy_for(network, precision) if precision != "float32" else network, spec


def _shapes(layer):
    return [tuple(weight.shape) for weight in layer.weights]


def _list(names, limit=6):
    """Joins the first few names; says how many more there are."""
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more
