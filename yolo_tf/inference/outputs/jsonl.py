"""detections.jsonl: one image per line, each line written whole or cut off again."""

import contextlib
import json
import os

from yolo_tf.errors import InputError
from yolo_tf.inference.outputs.spec import Output
from yolo_tf.system.atomic import naming

NAME = "detections.jsonl"


@contextlib.contextmanager
def open_writer(run):
    """Yields the function that appends rows of images; what it has written stays when the process is killed."""
    place = run.out / NAME
    with open(place, "ab") as file:

        def append(rows):
            # without non-ASCII characters a line has one end, and any file name can be written
            with naming(place):
                file.write("".join(json.dumps(row, allow_nan=False) + "\n" for row in rows).encode("ascii"))
                file.flush()

        yield append
        with naming(place):
            file.flush()
            os.fsync(file.fileno())


def read_paths(out):
    """Yields the path in each whole line, and where it stands; a last line may lack its end, as a killed process leaves it.

    Raises:
        InputError: a line is no JSON, or has no path.
    """
    with contextlib.suppress(FileNotFoundError), open(out / NAME, "rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.endswith(b"\n"):
                break
            where = f"{out / NAME}:{number}"
            try:
                yield json.loads(line)["path"], where
            except (ValueError, KeyError, TypeError):
                raise InputError(
                    f"{where}: is no line of detections. Expected one with a path. Begin anew in another `out`."
                ) from None


def cut(out, count):
    """Removes everything behind line `count`, a torn line too; all of these lines stay."""
    with contextlib.suppress(FileNotFoundError), open(out / NAME, "r+b") as file:
        for _ in range(count):
            file.readline()
        file.truncate(file.tell())
    return count


OUTPUT = Output(NAME, open_writer=open_writer, read_paths=read_paths, cut=cut)
