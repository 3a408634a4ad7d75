"""detections.jsonl: one image per line, each line written whole or cut off again."""

import contextlib
import json
import os

from yolo_tf.errors import InputError

NAME = "detections.jsonl"


def exists(out):
    """Returns whether an earlier run wrote here."""
    return (out / NAME).exists()


def count_held(out, paths):
    """Counts the whole lines and makes sure that they are of the first of `paths`, one each.

    Returns:
        int; a last line without its end, as a killed process leaves it, does not count.

    Raises:
        InputError: a line is of another image than the path in its place, or no JSON.
    """
    count = 0
    with contextlib.suppress(FileNotFoundError), open(out / NAME, "rb") as file:
        for line in file:
            if not line.endswith(b"\n"):
                break
            try:
                found = json.loads(line)["path"]
            except (ValueError, KeyError, TypeError):
                raise InputError(
                    f"{out / NAME}:{count + 1}: is no line of detections. Expected one with a path. Begin anew in another --out."
                ) from None
            check_path(found, paths, count, f"{out / NAME}:{count + 1}")
            count += 1
    return count


def check_path(found, paths, index, where):
    """Raises InputError unless `found` is the path of image `index`."""
    expected = str(paths[index]) if index < len(paths) else "none"
    if found != expected:
        raise InputError(
            f"{where}: is of {found}, but image {index + 1} of the SOURCEs is {expected}. Expected the same SOURCEs in the same"
            " order; new ones may follow. Give those of the first run, or another --out."
        )


def keepable(out, count):
    """Returns how many of the first `count` images can be kept: all, for a file may be cut after any line."""
    return count


def cut(out, count):
    """Removes everything behind line `count`, a torn line too."""
    if not exists(out):
        return
    with open(out / NAME, "r+b") as file:
        for _ in range(count):
            file.readline()
        file.truncate(file.tell())


@contextlib.contextmanager
def open_writer(out, part_images):
    """Yields the function that appends rows of images; what it has written stays when the process is killed.

    Args:
        out: directory that exists.
        part_images: not used, the file is one.
    """
    with open(out / NAME, "ab") as file:

        def append(rows):
            # without non-ASCII characters a line has one end, and any file name can be written
            file.write("".join(json.dumps(row, allow_nan=False) + "\n" for row in rows).encode("ascii"))
            file.flush()

        yield append
        file.flush()
        os.fsync(file.fileno())
