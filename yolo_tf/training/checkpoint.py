"""Checkpoints of a training run: everything that the next step depends on.

checkpoints/epoch_NNNN (after an epoch) or epoch_NNNN_step_NNNNNN (within the next one) holds state.json and
variables.npz: weights and statistics, random states, optimizer with its averages and counters, and the loss means of
the epoch so far. The batches need no state: they are a pure function of seed, epoch and step.
"""

import dataclasses
import json
import os
import re
import shutil
import zipfile
import zlib

import numpy as np

from yolo_tf.errors import InputError
from yolo_tf.system.atomic import atomic_path
from yolo_tf.system.version import VERSION

FORMAT = 1  # of a checkpoint directory; other numbers are refused
KEPT = 2  # checkpoints: should the newest be damaged, there is one before it


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunState:
    """Where a run is, besides its variables."""

    epoch: int = 0  # finished epochs
    step: int = 0  # steps done of the epoch after those; all of them = only its evaluation is missing
    seconds: float = 0.0  # spent on those steps
    best: dict = dataclasses.field(default_factory=lambda: {"fitness": -1.0, "epoch": 0})  # counted from 1
    data: str = ""  # fingerprint of the training split


def save_checkpoint(folder, trainer, state):
    """Writes the checkpoint of a compiled DetectorTrainer and a RunState into `folder`, then drops all but the newest ones.

    It appears by one rename after its bytes are on the disk, so it is whole whenever it is there.

    Raises:
        InputError: a weight or an average is no finite number; the checkpoints before stay as they are.
        OSError: the disk is full; likewise.
    """
    place = folder / _name(state)
    if place.exists():
        return
    variables = _variables(trainer)
    arrays = {key: variable.numpy() for key, variable in variables.items()}
    for key, array in arrays.items():
        if not np.isfinite(array).all():
            raise InputError(
                f"epoch {state.epoch + bool(state.step)}: {variables[key].path} is not finite any more, so this step is not"
                " kept. Expected numbers. Start a new run with a lower train.learning_rate or hardware.precision=float32."
            )
    document = {"format": FORMAT, "yolo_tf": VERSION, **dataclasses.asdict(state)}
    with atomic_path(place) as temporary:
        temporary.mkdir()
        _write_durably(temporary / "variables.npz", lambda file: np.savez(file, **arrays))
        _write_durably(temporary / "state.json", lambda file: file.write(json.dumps(document, indent=2).encode()))
    for old in _places(folder)[:-KEPT]:
        shutil.rmtree(old)


def load_checkpoint(folder, trainer, *, data):
    """Restores the newest checkpoint in `folder` into a compiled DetectorTrainer; `data`: fingerprint of the training split.

    Returns:
        RunState; the first one, and an untouched trainer, when there is no checkpoint or no folder yet.

    Raises:
        InputError: the checkpoint is damaged, from another version, of other training data or of another network.
    """
    places = _places(folder)
    if not places:
        return RunState(data=data)
    place = places[-1]
    try:
        document = json.loads((place / "state.json").read_text(encoding="utf-8"))
        version, number = document.pop("yolo_tf", "of another version"), document.pop("format", None)
        if number == FORMAT:
            state = RunState(**document)
            with open(place / "variables.npz", "rb") as file, np.load(file) as archive:  # each member has a check sum
                arrays = dict(archive)
    except (OSError, ValueError, TypeError, AttributeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        other = f"to go on from {places[-2].name}" if len(places) > 1 else "to start over: it is the only checkpoint"
        raise InputError(
            f"{place}: is damaged ({' '.join(str(error).split())}). Expected state.json and variables.npz as training writes"
            f" them. Delete this directory {other}."
        ) from error
    if number != FORMAT:
        raise InputError(
            f"{place}: was written by yolo_tf {version} in checkpoint format {number}. Expected format {FORMAT}, which"
            f" yolo_tf {VERSION} reads. Go on with that version, or start a new run."
        )
    if state.data != data:
        raise InputError(
            f"{place}: was written while training on other images or labels (their number, order, sizes or boxes differ)."
            " Expected the data that the run began with. Restore it, or start a new run."
        )
    if not trainer.optimizer.built:  # a loss scaler would build itself in its first step
        trainer.optimizer.build(trainer.trainable_variables)
    variables = _variables(trainer)
    for key in sorted(arrays.keys() | variables.keys()):
        stored = arrays[key].shape if key in arrays else "absent"
        wanted = tuple(variables[key].shape) if key in variables else "absent"
        if stored != wanted:
            raise InputError(
                f"{place}: does not fit this network ({key} is {stored} there and {wanted} here)."
                " Expected the config and data set it was written with."
            )
    for key, variable in variables.items():
        variable.assign(arrays[key])
    return state


def _variables(trainer):
    """Returns every variable that the next step depends on, by a key that does not depend on automatic names."""
    groups = {"network": trainer.variables, "optimizer": trainer.optimizer.variables, "loss": trainer.metrics_variables}
    return {f"{group}_{place:04d}": variable for group, some in groups.items() for place, variable in enumerate(some)}


def _name(state):
    return f"epoch_{state.epoch:04d}" + (f"_step_{state.step:06d}" if state.step else "")


def _places(folder):
    """Returns the checkpoint directories, oldest first; copies under other names are none."""
    found = {path: re.fullmatch(r"epoch_(\d+)(?:_step_(\d+))?", path.name) for path in folder.glob("epoch_*")}
    return sorted(filter(found.get, found), key=lambda path: [int(number or 0) for number in found[path].groups()])


def _write_durably(path, write):
    """Opens a file, calls write(file), and waits until its bytes are on the disk."""
    with open(path, "wb") as file:
        write(file)
        file.flush()
        os.fsync(file.fileno())
