"""State dicts of PyTorch: named tensors -> weights by the names of our layers.

Nearly all of them belong to convolutions, each with the batch norm behind it: a "unit", which is here the layers
`<name>_conv` and `<name>_batch_norm`. The name of a unit whose channels do not mix ends with "depthwise".
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from yolo_tf.checkpoints.torch_file import read_torch_file
from yolo_tf.checkpoints.torch_pickle import StoredTensor
from yolo_tf.errors import InputError

BATCH_NORM = ("weight", "bias", "running_mean", "running_var")  # in the order of a Keras batch norm
COUNTER = ".num_batches_tracked"  # how a name ends that nothing here needs


class Unit(NamedTuple):
    """A convolution and its batch norm: here and there."""

    name: str  # prefix of the layers
    kernel: str  # tensor, without ".weight"
    batch_norm: str  # prefix of its tensors


def read_state_dict(path, *, what, inside=()):
    """Reads the tensors of a file that holds a state dict, without PyTorch and without executing anything.

    Args:
        path: file of `torch.save`.
        what: the file that is expected, for messages.
        inside: keys under which the state dict may lie; otherwise it is the whole value.

    Returns:
        dict name -> StoredTensor, in the order of the file.

    Raises:
        InputError: no readable file, or no tensors by name in it.
    """
    value = read_torch_file(path, what=what)
    if isinstance(value, dict):
        value = next((value[key] for key in inside if isinstance(value.get(key), dict)), value)
        tensors = {name: tensor for name, tensor in value.items() if isinstance(tensor, StoredTensor) and isinstance(name, str)}
        if tensors:
            return tensors
    kind = f"a dictionary of {sorted(map(str, value))[:6]}" if isinstance(value, dict) else f"a {type(value).__name__}"
    raise InputError(f"{path}: holds {kind} and no state dict. Expected {what}. Check the path.")


def take_units(tensors, units, *, where, what):
    """Takes the weights of units out of a state dict.

    Args:
        tensors: dict name -> StoredTensor.
        units: Units.
        where, what: the file, and what it was expected to be, for messages.

    Returns:
        (layer name -> list of float32 arrays in the order and layout of the Keras layer, set of the names that were read).

    Raises:
        InputError: a tensor is missing, a kernel has not four sides, or a variance is negative.
    """
    weights, used = {}, set()
    for unit in units:
        names = [f"{unit.kernel}.weight", *(f"{unit.batch_norm}.{part}" for part in BATCH_NORM)]
        kernel, *statistics = (take(tensors, name, where=where, what=what) for name in names)
        if (statistics[-1] < 0).any():  # its root would be no number, in every answer
            raise InputError(
                f"{where}: the variance {names[-1]} holds {statistics[-1].min():g}. Expected 0 or more, as in {what}. Use"
                " another."
            )
        weights[f"{unit.name}_conv"] = [to_keras(kernel, unit.name, where=where, what=what)]
        weights[f"{unit.name}_batch_norm"] = statistics
        used.update(names)
    return weights, used


def take(tensors, name, *, where, what):
    """Reads a tensor of a state dict as a float32 array; InputError where there is none, or one that is not finite."""
    if name not in tensors:
        raise InputError(f"{where}: has no tensor {name}. Expected {what}. Use the file as it was published, whole.")
    array = np.asarray(tensors[name].read(), np.float32)
    if not np.isfinite(array).all():
        count = array.size - int(np.isfinite(array).sum())
        raise InputError(f"{where}: {count} of the {array.size} numbers of {name} are not finite. Expected {what}. Use another.")
    return array


def to_keras(kernel, unit, *, where, what):
    """Turns a kernel [out, in, height, width] into [height, width, in, out]; of a depthwise unit [height, width, out, in]."""
    if kernel.ndim != 4:
        raise InputError(f"{where}: the kernel of {unit} has shape {list(kernel.shape)}. Expected four sides, as in {what}.")
    return np.ascontiguousarray(kernel.transpose(2, 3, 0, 1) if unit.endswith("depthwise") else kernel.transpose(2, 3, 1, 0))


def check_used(tensors, used, *, where, what):
    """Raises InputError where a state dict holds tensors that have no place here."""
    strangers = [name for name in tensors if name not in used and not name.endswith(COUNTER)]
    if strangers:
        more = f" and {len(strangers) - 1} more" if len(strangers) > 1 else ""
        raise InputError(f"{where}: has a tensor {strangers[0]}{more}, which has no place here. Expected {what}. Check the path.")
