"""One process at a time in a directory that many share."""

import contextlib
import os
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

LOCK = ".lock"  # name of the file in the directory, there while someone is at work, or after that one was killed


@contextlib.contextmanager
def locked(directory, *, waiting=lambda: None):
    """Keeps a directory to one process, or thread, as long as the block takes; others wait at its beginning.

    The system gives the lock back when a process ends, however it ends.

    Args:
        directory: is created.
        waiting: called without arguments, once, where another is at work.

    Yields:
        Whether the others are kept out: False where the system, or that of the files, knows no locks.

    Raises:
        OSError: the directory cannot be created, or written.
    """
    path = Path(directory) / LOCK
    path.parent.mkdir(parents=True, exist_ok=True)
    if fcntl is None:
        yield False
        return
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(open(path, "a"))
        took = _take(file, waiting)
        while took and not _is_at(file, path):  # who had it removed it at the end: another may have made a new one
            file = stack.enter_context(open(path, "a"))
            took = _take(file, lambda: None)
        try:
            yield took
        finally:
            path.unlink(missing_ok=True)


def _take(file, waiting):
    """Locks an open file, and returns whether that is possible."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        waiting()
        fcntl.flock(file, fcntl.LOCK_EX)
    except OSError:  # of a network, without locks
        return False
    return True


def _is_at(file, path):
    """Returns whether an open file is the one at a path, not one that was removed there."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), os.stat(path))
    except FileNotFoundError:
        return False
