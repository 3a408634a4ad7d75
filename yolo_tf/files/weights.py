"""Weights from a file to a network that shares layer names with it."""

from __future__ import annotations

import collections
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import h5py

from yolo_tf.errors import InputError
from yolo_tf.files.keras import read_network

if TYPE_CHECKING:
    import keras


@dataclasses.dataclass(frozen=True, kw_only=True)
class LoadedWeights:
    """What `load_weights` did, layer by layer."""

    path: Path
    loaded: tuple[str, ...]  # names of layers that now have the file's weights
    other_shape: tuple[str, ...]  # in both, with other shapes: left as they were
    missing: tuple[str, ...]  # in the network only: left as they were
    unused: tuple[str, ...]  # in the file only
    sha256: str = ""  # of the file; "" = not known

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


def load_weights(
    network: keras.Model, path: Path | str, *, whole: bool = False, option: str = "config.model.weights"
) -> LoadedWeights:
    """Copies into `network` the weights of every layer that a `.keras` file has under the same name and shapes.

    So a detector of other classes gives all but its head, and a backbone its own layers.

    Args:
        network: keras.Model; changed in place, and not at all where an error is raised.
        path: `.keras` file: a detector, or a backbone alone.
        whole: every layer of `network` must be in the file.
        option: the file's place in the config, for error messages.

    Returns:
        LoadedWeights.

    Raises:
        InputError: no such file, not a Keras network, or no layer fits; with `whole`, one that does not.
    """
    return copy_fitting_weights(network, read_network(path, option=option), path=path, whole=whole)


def copy_fitting_weights(network, source, *, path, whole=False):
    """Does what `load_weights` does with the network `source`, which was read from `path`."""
    path = Path(path)
    theirs = {layer.name: layer for layer in source.layers if layer.weights}
    ours = {layer.name: layer for layer in network.layers if layer.weights}
    fits = [name for name in ours if name in theirs and _shapes(ours[name]) == _shapes(theirs[name])]
    unfit = next((name for name in ours if name not in fits), None)
    if not fits or (whole and unfit):
        what, expected = ", no layer as a whole", "network of the same backbone"
        if whole:
            found = _shapes(theirs[unfit]) if unfit in theirs else "none"
            what = f"; of layer '{unfit}' it has {found}, not {_shapes(ours[unfit])}"
            expected = f"detector with the same {network.name}"
        raise InputError(
            f"{path}: holds the weights of another network: {describe_fit(tensors_of(theirs.values()), network)}{what}. Expected"
            f" a {expected}. Check config.model.backbone, depth and width."
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


def fill_network(network, weights, *, where, expected):
    """Gives every layer of a network the arrays that were read from a file of another program: all of them, or none.

    Args:
        network: keras.Model; changed in place, and not at all where an error is raised.
        weights: dict layer name -> list of arrays, in the order and layout of the Keras layer.
        where: the file, for messages.
        expected: what the file should be, for messages.

    Raises:
        InputError: a layer has no arrays, arrays have no layer, or their shapes differ.
    """
    layers = {layer.name: layer for layer in network.layers if layer.weights}
    strangers = sorted(set(layers) ^ set(weights))
    if strangers:
        which = "has no weights for" if strangers[0] in layers else "has weights for one layer too many,"
        raise InputError(
            f"{where}: {which} {strangers[0]} (the first of {len(strangers)} layers that differ). Expected {expected}."
            " Networks that were pruned or changed by hand cannot be imported."
        )
    for name, arrays in weights.items():
        shapes, found = _shapes(layers[name]), [tuple(array.shape) for array in arrays]
        if found != shapes:
            raise InputError(
                f"{where}: {name} has weights of shape {found}. Expected {shapes}, as in {expected}. Networks that were pruned or"
                " changed by hand cannot be imported."
            )
    for name, arrays in weights.items():
        layers[name].set_weights(arrays)


def tensors_of(layers, names=None):
    """Counts the weights of layers that have one name and shape.

    Args:
        layers: Keras layers.
        names: mapping from the name of a layer to the one to count it under; None = their own.

    Returns:
        Counter of (layer name, shape).
    """
    names = names or {}
    return collections.Counter((names.get(layer.name, layer.name), shape) for layer in layers for shape in _shapes(layer))


def stored_tensors(path):
    """Counts the tensors of a .h5 or .weights.h5 file of Keras that have one name and shape.

    Args:
        path: file of weights, or in the older .h5 of a whole network; the state of an optimizer is left out.

    Returns:
        Counter of (layer name, shape). A .weights.h5 file numbers its layers by kind and names none: "" stands for each.

    Raises:
        OSError: no HDF5 file.
    """
    found = collections.Counter()
    with h5py.File(path) as file:
        group = file.get("model_weights", file)
        named = any(key.startswith("layer_names") for key in group.attrs)

        def count(place, node):
            first = place.partition("/")[0]
            if isinstance(node, h5py.Dataset) and first != "optimizer":
                found[first if named else "", node.shape] += 1

        group.visititems(count)
    return found


def describe_fit(stored, network, names=None):
    """Says how many weights of a network a file holds.

    Args:
        stored: Counter of the file's (layer name, shape); by shape alone where it has no names.
        network: keras.Model.
        names: as in `tensors_of`.

    Example: "12 of 238 tensors fit resnet18 by layer name and shape".
    """
    wanted, by = tensors_of(network.layers, names), "layer name and shape"
    if not any(name for name, _ in stored):
        wanted, by = collections.Counter(("", shape) for _, shape in wanted.elements()), "shape alone"
    return f"{(wanted & stored).total()} of {wanted.total()} tensors fit {network.name} by {by}"


def _shapes(layer):
    return [tuple(weight.shape) for weight in layer.weights]


def _list(names, limit=6):
    """Joins the first few names; says how many more there are."""
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more
