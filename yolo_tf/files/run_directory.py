"""The files of one training run: config.yaml (resolved), last.keras, best.keras, history.csv, metrics.json,
environment.json, plots/, events/ and checkpoints/ (see training/checkpoint.py)."""

import contextlib
import csv
import dataclasses
import io
import itertools
import json
import os
import platform
import sys
from pathlib import Path

from yolo_tf.errors import InputError
from yolo_tf.system.atomic import write_json, write_text
from yolo_tf.system.packages import package_versions
from yolo_tf.system.processor import processor_name
from yolo_tf.system.version import VERSION


def _inside(name, doc):
    """Returns the property that is the path of a file or directory in a run directory."""
    return property(lambda run: run.root / name, doc=doc)


@dataclasses.dataclass(frozen=True)
class RunDirectory:
    """Paths inside a run directory."""

    root: Path
    config = _inside("config.yaml", "The resolved configuration.")
    last = _inside("last.keras", "The network after the last epoch, averaged weights.")
    best = _inside("best.keras", "The network of the best epoch, averaged weights.")
    history = _inside("history.csv", "One row an epoch.")
    metrics = _inside("metrics.json", "The evaluation of the best network.")
    plots = _inside("plots", "Pictures and curves.")
    checkpoints = _inside("checkpoints", "States to go on from.")


def new_run_directory(root):
    """Returns a RunDirectory at `root`, which must hold no run yet. Nothing is created.

    Raises:
        InputError: there is a run already.
    """
    run = RunDirectory(Path(root).resolve())
    if run.config.exists():
        raise InputError(f"{root}: holds a run already. Expected a new directory. Go on with `resume` or choose another `run`.")
    return run


@contextlib.contextmanager
def reserved_directory(parent, name):
    """Creates `parent/name`, or `parent/name-2`, `-3` ... where that is taken, and yields it.

    Whoever creates it has it, so no two processes get the same. Where the block leaves it empty, it is removed again, and
    so is a `parent` that was not there before.
    """
    parent = Path(parent)
    created = [] if parent.exists() else [parent]
    for number in itertools.count(1):
        directory = parent / (name if number == 1 else f"{name}-{number}")
        try:
            parent.mkdir(parents=True, exist_ok=True)
            directory.mkdir()
            break
        except (FileExistsError, FileNotFoundError):  # taken, or another process has just let `parent` go
            if os.path.lexists(parent) and not parent.is_dir():
                raise
    try:
        yield directory
    finally:
        with contextlib.suppress(OSError):  # it holds something, as a rule
            for place in [directory, *created]:
                place.rmdir()


def newest_run(parent, inside):
    """Returns the directory of the run that was begun last, of those at most two levels below `parent` that hold `inside`.

    A run is told by its config.yaml; one that went on counts as begun again. None where there is no such run.
    """
    configs = [path for pattern in ("*", "*/*") for path in Path(parent).glob(f"{pattern}/config.yaml")]
    held = [path for path in configs if (path.parent / inside).exists()]
    return max(held, key=lambda path: path.stat().st_mtime).parent if held else None


def recorded_accuracy(path):
    """Returns (the metrics that its run recorded of its best network, their file) for a network file in a run directory.

    (None, None) where there are none.
    """
    record = RunDirectory(Path(path).parent).metrics
    try:
        return json.loads(record.read_text(encoding="utf-8")), record
    except (OSError, ValueError):
        return None, None


def write_history(path, rows):
    """Writes rows (dicts with equal keys) as CSV, whole or not at all."""
    text = io.StringIO()
    if rows:
        keys = list(dict.fromkeys(key for row in rows for key in row))
        writer = csv.DictWriter(text, keys, lineterminator="\n", restval="")
        writer.writeheader()
        for row in rows:
            writer.writerow({key: f"{value:.6g}" if isinstance(value, float) else value for key, value in row.items()})
    write_text(path, text.getvalue())


def read_history(path, *, before_epoch):
    """Reads the rows of epochs before `before_epoch` (counted from 1), numbers as floats; raises InputError for other content."""
    if not Path(path).exists():
        return []
    try:
        with open(path, newline="", encoding="utf-8") as file:
            rows = [{key: float(value) for key, value in row.items() if value != ""} for row in csv.DictReader(file)]
        return [{**row, "epoch": int(row["epoch"])} for row in rows if row["epoch"] < before_epoch]
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(
            f"{path}: is no history of a run ({type(error).__name__}: {error}). Expected rows of numbers, one an epoch."
            " Restore it, or remove it to go on without the figures so far."
        ) from error


def write_environment(path):
    """Writes what a figure depends on besides the config: versions, processor, command."""
    write_json(
        path,
        {
            "yolo_tf": VERSION,
            "python": platform.python_version(),
            "packages": package_versions("tensorflow", "keras", "keras-cv", "numpy", "hotcoco"),
            "platform": platform.platform(),
            "processor": processor_name(),
            "cores": os.cpu_count(),
            "command": sys.argv,
        },
    )
