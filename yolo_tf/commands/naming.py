"""How files are named on the command line: the newest run as `last`, and this program as a person calls it."""

import argparse
import os
import shlex
import shutil
import sys
from pathlib import Path

from yolo_tf.errors import InputError
from yolo_tf.terminal import say

LAST = "last"


def network_file(text):
    """Returns the path of a network file; `last` is best.keras of the newest run, `last/NAME` another file of it.

    For argparse, as the type of an argument.
    """
    try:
        return resolve_last(text, "best.keras")
    except InputError as error:
        raise argparse.ArgumentTypeError(str(error).removesuffix(".")) from None


def resolve_last(text, inside):
    """Returns a Path; where it begins with `last` or `runs/last` and no such file is there, that of the newest run; says it.

    Args:
        text: the path as it was given.
        inside: the file meant where none is given.

    Raises:
        InputError: no run holds it.
    """
    from yolo_tf.files.run_directory import newest_run

    path = Path(text)
    parts = path.parts[1:] if path.parts[:1] == ("runs",) else path.parts
    if parts[:1] != (LAST,) or path.exists():
        return path
    inside = Path(*parts[1:]) if parts[1:] else Path(inside)
    run = newest_run("runs", inside)
    if run is None:
        what = "" if inside == Path(".") else f" that has {inside}"
        raise InputError(f"{text}: there is no run below runs/{what}. Expected one of `yolo-tf train`. Name a file by its path.")
    say(f"{text}: {run / inside}")
    return run / inside


def name_last(overrides):
    """Returns the words section.key=value, those that name a file by `last` with its path."""
    from yolo_tf.config.reader import PATH_KEYS

    words = (word.partition("=") for word in overrides)
    return [f"{key}={resolve_last(value, 'best.keras')}" if key in PATH_KEYS else key + is_ + value for key, is_, value in words]


def shown(path):
    """Returns a path as a person would type it here: relative where it lies below the working directory."""
    path, here = Path(path), Path.cwd()
    return path.relative_to(here) if path.is_absolute() and path.is_relative_to(here) else path


def program():
    """Returns how this program is called here: yolo-tf where the shell finds it, else by the path it was called by."""
    called = Path(sys.argv[0])
    if shutil.which("yolo-tf"):
        return "yolo-tf"
    return str(shown(os.path.abspath(called))) if called.name == "yolo-tf" else f"{shown(sys.executable)} -m yolo_tf"


def commands_of(network, data, *, path="", lenient=False):
    """Returns the lines that show what goes with a network file: evaluate, predict, export.

    Args:
        network: its path.
        data: data set YAML.
        path: root of its data, where it is not that of the YAML.
        lenient: bad labels are left out.
    """
    from yolo_tf.files import FORMATS

    network, data = shown(network), shown(data)
    lines = [
        ["evaluate", network, "--data", data, *(["--path", shown(path)] if path else []), *["--lenient"] * lenient],
        ["predict", network, "PICTURES"],
        ["export", network, "--format", "tflite", "--out", network.with_suffix(FORMATS["tflite"].suffix)],
    ]
    return ["go on with:", *(f"  {program()} {shlex.join(map(str, words))}" for words in lines)]
