"""The published weight files by their names: found in a directory of the user's, in the cache, or fetched from their authors."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
from pathlib import Path

from yolo_tf.checkpoints.yolox.checkpoint import read_yolox
from yolo_tf.checkpoints.yolox.classes import coco_names
from yolo_tf.checkpoints.yolox.names import SIZES
from yolo_tf.errors import InputError, look_up
from yolo_tf.files.onnx import FORMAT as ONNX_FILE
from yolo_tf.system.atomic import atomic_path, remove_leftovers
from yolo_tf.system.cache import CACHE, cache_directory
from yolo_tf.system.lock import locked
from yolo_tf.terminal import say

# Where the authors of YOLOX (Apache-2.0) publish their files; they state no checksums.
ADDRESS = "https://github.com/Megvii-BaseDetection/YOLOX/releases/download/0.1.1rc0/"
DIRECTORY = "YOLO_TF_WEIGHTS"  # environment variable: a directory that is looked into first
SUFFIXES = (".pth", ONNX_FILE.suffix)  # of the files there, the better first: an .onnx has lost the statistics of its batch norms
PATIENCE = 60.0  # seconds without a byte after which a server is given up
OF_THE_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS)  # what is no fault of the network
OPTION = "config.model.weights"


def read_published(name, *, address=ADDRESS, patience=PATIENCE):
    """Returns (the Path of a published file, what `read_yolox` reads in it).

    A file that is fetched is read before it gets its name: one that is cut off, or something else, leaves nothing behind.
    Of many processes that want it one fetches and the others wait; what one left that was killed is removed by the next.

    Args:
        name: of a published YOLOX: yolox_nano, _tiny, _s, _m, _l, _x.
        address: URL that the file's name is put behind.
        patience: seconds.

    Raises:
        InputError: there is no such file and it cannot be fetched, or it holds another network; what to do is in the message.
    """
    look_up({known: None for known, _ in SIZES.values()}, name, kind="published weights", where=OPTION)
    path = _placed(name)
    if path:
        return path, _read(path, name, shown=path)
    path, url = cache_directory() / f"{name}.pth", f"{address}{name}.pth"
    try:
        with locked(path.parent, waiting=lambda: say(f"{path.parent}: another process fetches weights; waiting")) as alone:
            there = _placed(name)  # by now
            if there:
                return there, _read(there, name, shown=there)
            if alone:
                remove_leftovers(path.parent, below=False)  # others may be at work there
            with atomic_path(path) as temporary:
                _fetch(url, temporary, path, patience)
                checkpoint = _read(temporary, name, shown=url)
    except OSError as error:
        raise InputError(
            f"{path.parent}: {path.name} cannot be kept there ({error.strerror}). Expected a directory that can be written, with"
            f" room for it. Set {CACHE} to another, or put the file into a directory that {DIRECTORY} names."
        ) from error
    return path, checkpoint


def _placed(name):
    """Returns the Path of a published file in the user's directory, else in the cache; None where neither has it."""
    for directory in filter(None, (_own_directory(), cache_directory())):
        for path in (directory / f"{name}{suffix}" for suffix in SUFFIXES):
            try:
                kind = path.lstat().st_mode
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError as error:
                raise InputError(
                    f"{path}: {error.strerror}. Expected a directory that can be read. Change its rights."
                ) from error
            if path.is_file():
                return path
            what = "is a directory" if path.is_dir() else "is a link to nothing" if stat.S_ISLNK(kind) else "is no file"
            raise InputError(f"{path}: {what}. Expected the file of {name}, or nothing of that name. Rename or remove it.")
    return None


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
        if isinstance(error, OSError) and error.errno in OF_THE_DISK:
            raise
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
    shape = checkpoint.shape
    found = (shape.depth, shape.width, shape.depthwise, checkpoint.num_classes)
    [multiples] = [multiples for multiples, (known, _) in SIZES.items() if known == name]
    wanted = (*multiples, len(coco_names()))
    if found != wanted:
        raise InputError(
            f"{shown}: holds a YOLOX of {_outline(*found)}. Expected {name}, of {_outline(*wanted)}. Give it another name and"
            " import it with `yolo-tf import-yolox`, or remove it."
        )
    return checkpoint


def _outline(depth, width, depthwise, num_classes):
    """Returns in words what tells one YOLOX from another."""
    kind, classes = "depthwise" if depthwise else "full", "class" if num_classes == 1 else "classes"
    return f"depth {depth:g}, width {width:g}, {kind} convolutions and {num_classes} {classes}"
