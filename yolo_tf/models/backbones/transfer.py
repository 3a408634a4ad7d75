"""Weights from one network file to a network that shares layer names with it."""

import zipfile

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
        if layer.name not in source_layers:
            raise InputError(
                f"{path}: has no layer '{layer.name}'. Expected a detector with the same {network.name}. Check"
                " config.model.backbone and config.model.depth."
            )
        shapes = [tuple(weight.shape) for weight in layer.weights]
        found = [tuple(weight.shape) for weight in source_layers[layer.name].weights]
        if found != shapes:
            raise InputError(
                f"{path}: layer '{layer.name}' has weights of shape {found}. Expected {shapes}. Check"
                " config.model.backbone and config.model.width."
            )
    for layer in layers:
        layer.set_weights(source_layers[layer.name].get_weights())


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
