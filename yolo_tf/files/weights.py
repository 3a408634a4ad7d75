"""Weights from one network file to a network that shares layer names with it."""

import collections
import zipfile

import h5py
import keras

from yolo_tf.errors import InputError


def copy_weights_by_name(path, network):
    """Copies the weights of every layer of `network` from the layer of the same name in a .keras file.

    Args:
        path: .keras file that holds at least the layers of `network`.
        network: keras.Model; changed in place, and not at all when something does not fit.

    Raises:
        InputError: the file cannot be read, lacks a layer, or holds one of another shape.
    """
    try:
        source = keras.models.load_model(path, compile=False)
    except (ValueError, TypeError, KeyError, OSError, zipfile.BadZipFile) as error:
        raise InputError(
            f"{path}: cannot be read as a Keras network ({type(error).__name__}). Expected a .keras file. Check"
            " config.model.backbone_weights."
        ) from error
    source_layers = {layer.name: layer for layer in source.layers}
    layers = [layer for layer in network.layers if layer.weights]
    for layer in layers:
        shapes = _shapes(layer)
        found = _shapes(source_layers[layer.name]) if layer.name in source_layers else "none"
        if found != shapes:
            raise InputError(
                f"{path}: holds the weights of another network: {describe_fit(tensors_of(source.layers), network)}; of layer"
                f" '{layer.name}' it has {found}, not {shapes}. Expected a detector with the same {network.name}. Check"
                " config.model.backbone, depth and width."
            )
    for layer in layers:
        layer.set_weights(source_layers[layer.name].get_weights())


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


def expect_no_weights(backbone, weights):
    """Checks that a backbone without published weights is not asked for any.

    Raises:
        InputError: `weights` is not "none".
    """
    if weights != "none":
        raise InputError(
            f"config.model.backbone_weights: {backbone} has no weights '{weights}'. Expected none or a .keras"
            " file of a detector with this backbone. Use none to start from random weights."
        )


def _shapes(layer):
    return [tuple(weight.shape) for weight in layer.weights]
