"""Whether a network file does what its `detector.json` says: seen when it is opened, and when it first answers for a size."""

import tensorflow as tf

from yolo_tf.config import ModelConfig
from yolo_tf.errors import InputError
from yolo_tf.files.spec import MEMBER
from yolo_tf.heads import load_head


def check_layout(path, spec):
    """Raises InputError unless the geometry of a DetectorSpec is one that its head can have."""
    try:
        load_head(spec.head).make_layout(ModelConfig(head=spec.head, **spec.geometry), spec.strides)
    except (InputError, TypeError, ValueError) as error:
        raise InputError(
            f"{path}: {MEMBER}: the geometry does not fit the head {spec.head} and the strides {list(spec.strides)} ({error})."
            " Expected what `yolo-tf train` wrote. Train or export it again."
        ) from error


def check_network(path, spec, network):
    """Raises InputError unless a keras.Model takes images and gives the raw predictions that a DetectorSpec speaks of."""
    wanted = load_head(spec.head).output_shapes(spec.layout, len(spec.class_names))
    found = [tuple(tensor.shape) for tensor in network.outputs]
    fit = [tf.TensorShape(shape).is_compatible_with(other) for shape, other in zip(found, wanted, strict=False)]
    if len(found) != len(wanted) or not all(fit):
        raise _misfit(path, spec, f"the network gives {found}", f"Expected {wanted}")


def check_scores(path, spec, shape, size_hw=None):
    """Raises InputError unless scores have the classes of a DetectorSpec and, of images of a known size, its candidates.

    Args:
        path: of the network file.
        spec: DetectorSpec.
        shape: of the scores, [B, D, C]; sides that are not known are None.
        size_hw: (height, width) px of the images; None = not known.
    """
    num_candidates, num_classes = shape[1:]
    if num_classes not in (None, len(spec.class_names)):
        raise _misfit(path, spec, f"the scores are of {num_classes} classes", f"Expected {len(spec.class_names)}")
    if size_hw is None or num_candidates is None:
        return
    counts = load_head(spec.head).count_candidates(spec.layout, tf.constant(size_hw))
    expected = sum(int(count) for count in counts)
    if num_candidates != expected:
        size = "{} x {}".format(*size_hw)
        raise _misfit(path, spec, f"it gives {num_candidates} candidates for {size} px (height x width)", f"Expected {expected}")


def _misfit(path, spec, what, expected):
    return InputError(
        f"{path}: {MEMBER} does not fit the network beside it: {what}. {expected} for {len(spec.class_names)} classes and strides"
        f" {list(spec.strides)}. Train or export it again."
    )
