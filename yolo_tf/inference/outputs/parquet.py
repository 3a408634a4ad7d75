"""detections-00000.parquet, -00001 ...: one image per row, in parts that are each whole or absent."""

import contextlib

from yolo_tf.errors import InputError
from yolo_tf.inference.outputs.jsonl import check_path
from yolo_tf.system.atomic import atomic_path, remove_leftovers

PATTERN = "detections-[0-9]*.parquet"


def part_path(out, number):
    """Returns the path of a part; the names sort as the numbers do."""
    return out / f"detections-{number:05d}.parquet"


def exists(out):
    """Returns whether an earlier run wrote here."""
    return any(out.glob(PATTERN))


def count_held(out, paths):
    """Counts the rows of all parts and makes sure that they are of the first of `paths`, one each.

    Raises:
        InputError: a row is of another image than the path in its place, or a part is missing or damaged.
    """
    count = 0
    for part in _parts(out):
        for batch in _open(part).iter_batches(columns=["path"]):
            for found in batch["path"].to_pylist():
                check_path(found, paths, count, f"{part}, image {count + 1}")
                count += 1
    return count


def keepable(out, count):
    """Returns how many of the first `count` images can be kept: those of the parts that end before."""
    kept = 0
    for part in _parts(out):
        rows = _open(part).metadata.num_rows
        if kept + rows > count:
            break
        kept += rows
    return kept


def cut(out, count):
    """Removes every part behind the first `count` images, and what was left half-written."""
    kept = 0
    for part in _parts(out):
        rows = _open(part).metadata.num_rows
        if kept + rows > count:
            part.unlink()
        kept += rows
    remove_leftovers(out)


@contextlib.contextmanager
def open_writer(out, part_images):
    """Yields the function that appends rows of images; a part is written as soon as it has enough, and at the end.

    Args:
        out: directory that exists; the parts go on behind those in it.
        part_images: images of one part. A process that is killed loses those that are in no part yet.

    Raises:
        InputError: pyarrow is not installed.
    """
    pyarrow, parquet = _load()
    schema = _schema(pyarrow)
    number, waiting = len(_parts(out)), []  # tables, for a row of plain values takes ten times their memory

    def write_part():
        nonlocal number
        with atomic_path(part_path(out, number)) as temporary:
            parquet.write_table(pyarrow.concat_tables(waiting), temporary)
        waiting.clear()
        number += 1

    def append(rows):
        waiting.append(pyarrow.Table.from_pylist(rows, schema=schema))
        if sum(table.num_rows for table in waiting) >= part_images:
            write_part()

    try:
        yield append
    finally:  # stopped or ended, what was found is kept
        if waiting:
            write_part()


def _schema(pyarrow):
    """Returns the columns: those of a line of detections.jsonl."""
    detection = pyarrow.struct(
        [
            ("class_id", pyarrow.int32()),
            ("class_name", pyarrow.string()),
            ("score", pyarrow.float32()),
            ("box", pyarrow.list_(pyarrow.float32(), 4)),  # xyxy px
        ]
    )
    return pyarrow.schema(
        [
            ("path", pyarrow.string()),
            ("height", pyarrow.int32()),
            ("width", pyarrow.int32()),
            ("detections", pyarrow.list_(detection)),
            ("error", pyarrow.string()),
        ]
    )


def _parts(out):
    """Returns the parts in order; raises InputError where one is missing."""
    parts = sorted(out.glob(PATTERN))
    for number, part in enumerate(parts):
        if part != part_path(out, number):
            raise InputError(f"{part_path(out, number)}: is missing. Expected it before {part.name}. Change --out.")
    return parts


def _open(part):
    pyarrow, parquet = _load()
    try:
        return parquet.ParquetFile(part)
    except (pyarrow.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0][:150]
        raise InputError(f"{part}: cannot be read ({reason}). Expected a whole Parquet file. Change --out.") from error


def _load():
    """Imports pyarrow, or raises InputError with what to install."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise InputError(
            "--save-parquet: the package pyarrow is not installed. Expected it for Parquet files."
            " Run pip install 'yolo_tf[parquet]'."
        ) from error
    return pyarrow, pyarrow.parquet
