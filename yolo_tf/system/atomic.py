"""Files that are either whole or absent: written under a temporary name, then renamed."""

import contextlib
import errno
import glob
import hashlib
import json
import os
import shutil
import tempfile
import time
from pathlib import Path

LEFTOVER = ".partial"  # suffix of the directory that a file is written in before it is renamed
LONGEST_PREFIX = 40  # characters of a file's name that go into that of this directory


@contextlib.contextmanager
def atomic_path(path):
    """Yields a temporary path beside `path`; moves it onto `path` on success, removes it on failure.

    The block may create a file or a directory at the temporary path, which keeps the suffix of `path`
    (Keras and Pillow choose the format by suffix). An existing file or directory at `path` is replaced,
    but never a directory by a file; it stays untouched when the block raises. A link stays, and what it points to is replaced.

    Args:
        path: the final place; its parent directory is created.

    Raises:
        OSError: the parent cannot be created or written, a directory would become a file, or the disk is full; its filename
            is `path` wherever it would be none, or one inside the temporary directory.
    """
    given = Path(path)
    path = given.resolve() if given.is_symlink() else given
    path.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{given.name[:LONGEST_PREFIX]}."  # a name may be as long as the system lets it, and this one is longer
    scratch = Path(tempfile.mkdtemp(prefix=prefix, suffix=LEFTOVER, dir=path.parent))
    temporary = scratch / given.name
    try:
        with naming(given, instead_of=scratch):
            yield temporary
        if path.is_dir():
            if not temporary.is_dir():  # a file in its place would take all that is in it along
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
            os.replace(path, scratch / "replaced")  # a directory cannot be renamed onto a full one
        os.replace(temporary, path)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


@contextlib.contextmanager
def naming(path, *, instead_of=None):
    """Lets an OSError that names no file, or one in the directory `instead_of`, name `path`: what a person can find."""
    try:
        yield
    except OSError as error:
        inside = instead_of is not None and str(error.filename).startswith(str(instead_of))
        if error.errno not in (None, errno.EPIPE) and (error.filename is None or inside):  # a pipe is no file
            error.filename = str(path)
        raise


def remove_leftovers(folder, *, below=True, older_than=0.0):
    """Removes what a process that was killed left half-written in `folder`, and with `below` in the folders in it too.

    None may be at work there, but for those that began to write less than `older_than` seconds ago.
    """
    latest, pattern = time.time() - older_than, f".*{LEFTOVER}"
    for scratch in list(Path(folder).rglob(pattern) if below else Path(folder).glob(pattern)):
        if not older_than or os.path.exists(scratch) and os.path.getmtime(scratch) < latest:
            shutil.rmtree(scratch, ignore_errors=True)


def find_leftovers(path):
    """Returns the directories in which runs that were killed, or are at work, write what is to be at `path`."""
    pattern = f".{glob.escape(Path(path).name[:LONGEST_PREFIX])}.*{LEFTOVER}"
    return sorted(Path(path).parent.glob(pattern))


def write_text(path, text):
    """Writes `text` (UTF-8) to `path`, whole or not at all; names of files that are not UTF-8 become the bytes that they are."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="surrogateescape")


def write_json(path, value):
    """Writes `value` as indented JSON to `path`, whole or not at all."""
    write_text(path, json_text(value))


def json_text(value, *, encoding="utf-8"):
    """Returns `value` as indented JSON with a newline at its end, in ASCII where `encoding` cannot hold it as it is."""
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:  # a standard output of another time, or names of files that are not UTF-8
        return json.dumps(value, indent=2, allow_nan=False) + "\n"
    return text


def digest_on_disk(path):
    """Returns a digest of the content of a file, or of all files in a directory with their names: 32 hexadecimal digits."""
    path, digest = Path(path), hashlib.blake2b(digest_size=16)
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    for file in files:
        digest.update(os.fsencode(file.relative_to(path)) + b"\0")
        with open(file, "rb") as content:
            while block := content.read(2**20):
                digest.update(block)
    return digest.hexdigest()


def sha256_on_disk(path):
    """Returns the SHA-256 of the content of a file, 64 hexadecimal digits, as `sha256sum` prints it."""
    digest = hashlib.sha256()
    with open(path, "rb") as content:
        while block := content.read(2**20):
            digest.update(block)
    return digest.hexdigest()


def size_on_disk(path):
    """Returns the bytes of a file, or of all files in a directory."""
    path = Path(path)
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return sum(file.stat().st_size for file in files)
