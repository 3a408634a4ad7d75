"""The published weight files by their names: found in a directory of the user's, in the cache, or fetched from their authors."""

from __future__ import annotations

import contextlib
import os
import socket
from pathlib import Path

from yolo_tf.checkpoints.yolox.checkpoint import read_yolox
from yolo_tf.checkpoints.yolox.names import SIZES
from yolo_tf.errors import InputError, look_up
from yolo_tf.files.onnx import FORMAT as ONNX_FILE
from yolo_tf.system.atomic import atomic_path

# Where the authors of YOLOX (Apache-2.0) publish their files; they state no checksums.
ADDRESS = "https://github.com/Megvii-BaseDetection/YOLOX/releases/download/0.1.1rc0/"
DIRECTORY = "YOLO_TF_WEIGHTS"  # environment variable: a directory that is looked into first
SUFFIXES = (".pth", ONNX_FILE.suffix)  # of the files there, the better first: an .onnx has lost the statistics of its batch norms
PATIENCE = 60.0  # seconds without a byte after which a server is given up
OPTION = "config.model.weights"


def read_published(name, *, address=ADDRESS, patience=PATIENCE):
    """Returns (the Path of a published file, what `read_yolox` reads in it).

    A file that is fetched is read before it gets its name: one that is cut off, or something else, leaves nothing behind.

    Args:
        name: of a published YOLOX: yolox_nano, _tiny, _s, _m, _l, _x.
        address: URL that the file's name is put behind.
        patience: seconds.

    Raises:
        InputError: there is no such file and it cannot be fetched, or it holds another network; what to do is in the message.
    """
    look_up({known: None for known, _ in SIZES.values()}, name, kind="published weights", where=OPTION)
    for directory in filter(None, (_own_directory(), cache_directory())):
        for path in (directory / f"{name}{suffix}" for suffix in SUFFIXES):
            if path.is_file():
                return path, _read(path, name, shown=path)
    path, url = cache_directory() / f"{name}.pth", f"{address}{name}.pth"
    try:
        with atomic_path(path) as temporary:
            _fetch(url, temporary, path, patience)
            checkpoint = _read(temporary, name, shown=url)
    except OSError as error:
        raise InputError(
            f"{path.parent}: {path.name} cannot be kept there ({error.strerror}). Expected a directory that can be written, with"
            f" room for it. Set KERAS_HOME to another, or put the file into a directory that {DIRECTORY} names."
        ) from error
    return path, checkpoint


def cache_directory():
    """Returns where fetched files are kept: `yolo_tf` in the directory of Keras, ~/.keras as a rule."""
    return Path(os.environ.get("KERAS_HOME") or "~/.keras").expanduser() / "yolo_tf"  # as keras.utils.get_file finds it


def _own_directory():
    """Returns the directory that the user names; None where none is named."""
    named = os.environ.get(DIRECTORY, "")
    if named and not Path(named).is_dir():
        raise InputError(f"{DIRECTORY}: no such directory '{named}'. Expected one with weight files. Correct or unset it.")
    return Path(named) if named else None


def _fetch(url, temporary, path, patience):
    """Fetches a file with progress; InputError where that fails."""
    import keras

    try:
        with _stalling_ends_after(patience):
            keras.utils.get_file(
                temporary.name, origin=url, cache_dir=str(temporary.parent), cache_subdir="", force_download=True
            )
    except Exception as error:  # get_file raises no narrower class
        told = " ".join(str(error).split()).removeprefix(f"URL fetch failure on {url}: ").removeprefix("None -- ")
        reason = told.rstrip(".")[:160] or type(error).__name__
        raise InputError(
            f"{OPTION}: {path.stem} cannot be fetched from {url} ({reason}). Expected the network, or the file {path.name} in"
            f" {path.parent}. Download it elsewhere and put it there, or into a directory that {DIRECTORY} names."
        ) from error


@contextlib.contextmanager
def _stalling_ends_after(seconds):
    """Lets a connection fail that gives no byte for so long; get_file has no option for it."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _read(path, name, *, shown):
    """Reads a file and checks that it is the network of its name; messages call it `shown`."""
    try:
        checkpoint = read_yolox(path)
    except InputError as error:
        hint = " Remove it, to have it fetched again." if shown == path else " Nothing was kept of it."
        raise InputError(f"{shown}{str(error).removeprefix(str(path))}{hint}") from error
    if checkpoint.shape.name != name:
        raise InputError(
            f"{shown}: holds {checkpoint.shape.name}, depth {checkpoint.shape.depth:g}, width {checkpoint.shape.width:g}."
            f" Expected {name}. Give the file its right name, or remove it."
        )
    return checkpoint
