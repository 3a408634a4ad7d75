"""Where results go: places judged before the work, by one rule, and the truth when a disk has no room."""

import errno
import os
import shutil
import tempfile
from pathlib import Path

from yolo_tf.errors import InputError

_FULL = (errno.ENOSPC, errno.EDQUOT)
_NO_ROOM = (*map(os.strerror, _FULL), "No usable temporary directory")  # as they stand in messages of other libraries


def check_target(path, *, option, folder=None):
    """Checks that a result can be written to `path`.

    A link stands for what it points to: that is judged, and that is written. What is not there yet is created, with the
    folders above it, but no folder through a link; a file may be replaced, a folder filled; nothing else is.

    Args:
        path: the place.
        option: name of the argument that gave it, for the message.
        folder: whether the result is one; None = either, which others judge.

    Raises:
        InputError: a folder is there and a file is expected, or the other way round; something is there that is neither
            (a device, a pipe, links in a circle); or nothing can be written there.
    """
    try:
        place = Path(path).resolve()
        above = next(parent for parent in place.parents if parent.exists())
    except (OSError, RuntimeError) as error:  # Python says so one way or the other
        raise InputError(f"{path}: leads nowhere ({error}). Expected a place to write. Change `{option}`.") from error
    there = place if place.is_dir() else above
    wanted = {None: "a file or a directory", True: "a directory", False: "a file to write"}[folder]
    what = None
    if place.is_symlink():  # what `resolve` could not follow
        what = "is a link that leads in a circle"
    elif place.exists() and not place.is_file() and not place.is_dir():
        what = "is no file and no directory"
    elif folder is False and place.is_dir():
        what = "is a directory"
    elif folder and place.is_file():
        what = "is a file"
    elif folder and Path(path).is_symlink() and not place.exists():  # the system creates no folder through a link
        what = "is a link to nothing"
    elif not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        what = f"cannot be written in {there}"
    if what:
        raise InputError(f"{path}: {what}. Expected {wanted}. Change `{option}`.")


def out_of_room(error):
    """Returns whether an exception, or one that it came from, says that a disk is full: libraries have words of their own."""
    while error is not None:
        if getattr(error, "errno", None) in _FULL or any(words in str(error) for words in _NO_ROOM):
            return True
        error = error.__cause__ or error.__context__
    return False


def describe_room(error, out=None):
    """Returns what to say of a full disk: how much is free where temporary files go, and where `out`, a path, lies."""
    scratch = tempfile.tempdir or os.environ.get("TMPDIR") or "/tmp"
    place = Path(out or ".").absolute()
    place = next(folder for folder in (place, *place.parents) if folder.exists())
    free = [f"{shutil.disk_usage(folder).free / 1e6:.1f} MB in {folder}" for folder in (scratch, place) if os.path.exists(folder)]
    where = getattr(error, "filename", None) or out or "a file"
    return (
        f"{where}: {os.strerror(errno.ENOSPC)}. Expected room for the result, and for temporary files in {scratch}. Free now:"
        f" {', '.join(free)}. Make room there, or set TMPDIR to a directory that has it."
    )
