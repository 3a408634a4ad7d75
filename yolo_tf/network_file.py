"""Networks in training <-> `.keras` files that open with Keras alone."""

from yolo_tf.atomic import atomic_path
from yolo_tf.detector_file import attach_spec, read_spec
from yolo_tf.errors import InputError
from yolo_tf.export.fold import float32_copy
from yolo_tf.runtime import open_detector


def save_network(network, spec, path):
    """Writes a network with its detector.json.

    One that trains in half precision is written in float32: a half-precision policy inside a file would be
    forced on every runtime, and TFLite cannot take it.

    Args:
        network: functional keras.Model.
        spec: DetectorSpec.
        path: `.keras` file, replaced when whole.
    """
    if any(layer.compute_dtype != "float32" for layer in network.layers):
        network = float32_copy(network)
    with atomic_path(path) as temporary:
        network.save(temporary)
        attach_spec(temporary, spec)


def load_weights(network, path, spec):
    """Copies the weights of a `.keras` detector of the same architecture and classes into `network`.

    Raises:
        InputError: no such file or a damaged one, another number of classes, or another architecture.
    """
    theirs = read_spec(path)
    if len(theirs.class_names) != len(spec.class_names):
        raise InputError(
            f"{path}: was trained on {len(theirs.class_names)} classes {list(theirs.class_names)}. Expected"
            f" {len(spec.class_names)}: {list(spec.class_names)}. Use a network of these classes, or start without model.weights."
        )
    source = open_detector(path).network
    if source is None:
        raise InputError(f"{path}: is an export. Expected a .keras file. Use the network that it was made from.")
    shapes = [[tuple(weight.shape) for weight in model.weights] for model in (source, network)]
    if shapes[0] != shapes[1]:
        raise InputError(
            f"{path}: holds another network ({source.name}). Expected one built from the same model section as {network.name}."
        )
    network.set_weights(source.get_weights())
