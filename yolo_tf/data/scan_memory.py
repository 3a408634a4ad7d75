"""Which images were found whole before, so that the next run need not decode them again.

Of each is kept a key of 8 bytes: a digest of its file (path through all links, bytes, times of its last change), of its place
in a shard, of what its record says, and of the program that decoded it. What could change the answer makes another key, so a
set of keys is all there is to remember.

They lie in files that are whole or absent and carry a digest of themselves. Processes take no turns: each writes a file of
its own with all that it read and found, then removes those that it read; the next one reads whatever is there.
"""

import dataclasses
import functools
import hashlib
import os
import stat
import time
import uuid
from pathlib import Path

import numpy as np
import tensorflow as tf

from yolo_tf.errors import some_of
from yolo_tf.system.atomic import atomic_path, remove_leftovers
from yolo_tf.system.cache import CACHE
from yolo_tf.system.file_lookup import real_file_finder

SUFFIX = ".whole1"  # raise the number when these files change, or what counts as whole
DIGEST_BYTES = 16  # at the head of a file, of all keys behind it
NOT_KEPT = 0  # the key of an image that is not remembered
MOST = 4_000_000  # keys; where there would be more, those of the present data set alone stay
SETTLED_NS = 2 * 10**9  # one step of the coarsest clock of a file system: within it, a file can change twice and look the same
LEFT_SECONDS = 3600  # after which what is half-written has no writer any more


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class ScanMemory:
    """What is remembered of all images."""

    directory: Path | None  # None = nothing is kept
    keys: np.ndarray  # uint64, sorted, each once
    files: tuple[Path, ...] = ()  # that hold them
    notes: tuple[str, ...] = ()  # one line for each kind of thing that went wrong


NO_MEMORY = ScanMemory(directory=None, keys=np.empty(0, np.uint64))


def image_keys(records):
    """Returns what each of N ImageRecords is remembered by, uint64 [N].

    NOT_KEPT where there is no file, or one that changed within the last moment: what is written now and looked at in the
    same tick of the clock may be other bytes with the same time afterwards. Ask before the images are looked at, so that
    one that changes meanwhile has another key.
    """
    real_file, state_of = real_file_finder(), functools.lru_cache(maxsize=64)(_state)  # shards hold many images each
    now, program = time.time_ns(), hashlib.blake2b(tf.__version__.encode() + b"\0", digest_size=8)
    keys = np.full(len(records), NOT_KEPT, np.uint64)
    for index, record in enumerate(records):
        path = real_file(record.path)
        state = state_of(path)
        if state is None or any(abs(now - changed) < SETTLED_NS for changed in state[1:]):
            continue
        digest = program.copy()
        digest.update(os.fsencode(path))
        digest.update(repr((state, record.byte_offset, record.height, record.width, record.orientation)).encode())
        keys[index] = int.from_bytes(digest.digest(), "little")
    return keys


def _state(path):
    """Returns (bytes, time of the last change to the content, to the entry; ns) of a regular file; None of anything else."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    # The second time cannot be set by a program: it tells of a copy that was given the time of what it replaced.
    return (found.st_size, found.st_mtime_ns, found.st_ctime_ns) if stat.S_ISREG(found.st_mode) else None


def read_memory(directory):
    """Returns the ScanMemory in a directory, which need not exist; a damaged file is removed, with a note."""
    directory = Path(directory)
    try:
        files = sorted(directory.glob(f"*{SUFFIX}"))
        contents = {path: _read(path) for path in files}
    except OSError as error:
        return dataclasses.replace(NO_MEMORY, notes=(_no_place(directory, error),))
    damaged = [path for path, keys in contents.items() if keys is None]
    notes = ()
    if damaged:
        notes = (f"{some_of(damaged)}: damaged, and removed: the images that it had as whole are looked at again",)
    return ScanMemory(directory=directory, keys=_united(contents.values()), files=tuple(files), notes=notes)


def remember(memory, found, *, forget=()):
    """Keeps the keys of images that were found whole; returns the ScanMemory with them.

    Args:
        memory: ScanMemory; changes nothing where its directory is None.
        found: uint64 [n], keys of the present data set.
        forget: keys of images that are not whole after all.
    """
    if memory.directory is None:
        return memory
    keys = np.setdiff1d(_united([memory.keys, found]), forget)
    keys = keys[keys != NOT_KEPT]
    if np.array_equal(keys, memory.keys):
        return memory
    if len(keys) > MOST:
        keys = np.setdiff1d(found, [*forget, NOT_KEPT])
    path = memory.directory / f"{uuid.uuid4().hex}{SUFFIX}"
    try:
        memory.directory.mkdir(parents=True, exist_ok=True)
        remove_leftovers(memory.directory, older_than=LEFT_SECONDS)
        body = keys.astype("<u8").tobytes()
        with atomic_path(path) as temporary:
            temporary.write_bytes(_digest(body) + body)
        for old in memory.files:
            old.unlink(missing_ok=True)
    except OSError as error:
        return dataclasses.replace(memory, directory=None, notes=(*memory.notes, _no_place(memory.directory, error)))
    return dataclasses.replace(memory, keys=keys, files=(path,))


def _read(path):
    """Returns the keys in a file, uint64; none where another process removed it; None, and removes it, where it is damaged."""
    try:
        contents = path.read_bytes()
    except FileNotFoundError:
        return NO_MEMORY.keys
    digest, body = contents[:DIGEST_BYTES], contents[DIGEST_BYTES:]
    if _digest(body) == digest and len(body) % 8 == 0:
        return np.frombuffer(body, "<u8").astype(np.uint64)
    path.unlink(missing_ok=True)
    return None


def _digest(body):
    return hashlib.blake2b(body, digest_size=DIGEST_BYTES).digest()


def _united(parts):
    return np.unique(np.concatenate([NO_MEMORY.keys, *(keys for keys in parts if keys is not None)]))


def _no_place(directory, error):
    return (
        f"{directory}: which images are whole cannot be kept there ({error.strerror}), so the next run decodes all of them"
        f" again. Set {CACHE} to a directory that can be written"
    )
