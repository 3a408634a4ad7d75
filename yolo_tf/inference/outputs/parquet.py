"""detections-00000.parquet, -00001 ...: one image per row, in parts that are each whole or absent."""

import contextlib

from yolo_tf.errors import InputError, shown
from yolo_tf.inference.outputs.spec import Output
from yolo_tf.system.atomic import atomic_path, remove_leftovers
from yolo_tf.system.packages import require_package

PATTERN = "detections-[0-9]*.parquet"


def part_path(out, number):
    """Returns the path of a part; the names sort as the numbers do."""
    return out / f"detections-{number:05d}.parquet"


@contextlib.contextmanager
def open_writer(run):
    """Yields the function that appends rows of images; a part is written as soon as it has enough, and at the end.

    The parts go on behind those that are there. A process that is killed loses the images that are in no part yet.
    """
    pyarrow, parquet = load_pyarrow()
    schema = _schema(pyarrow)
    number, waiting = len(_parts(run.out)), []  # tables, for a row of plain values takes ten times their memory

    def write_part():
        nonlocal number
        with atomic_path(part_path(run.out, number)) as temporary:
            parquet.write_table(pyarrow.concat_tables(waiting), temporary)
        waiting.clear()
        number += 1

    def append(rows):
        rows = [row | {key: shown(row[key]) for key in ("path", "error") if key in row} for row in rows]
        waiting.append(pyarrow.Table.from_pylist(rows, schema=schema))
        if sum(table.num_rows for table in waiting) >= run.part_images:
            write_part()

    try:
        yield append
    finally:  # stopped or ended, what was found is kept
        if waiting:
            write_part()


def read_paths(out):
    """Yields the path in each row of all parts, and where it stands; raises InputError where a part is missing or damaged."""
    count = 0
    for part in _parts(out):
        for batch in _open(part).iter_batches(columns=["path"]):
            for path in batch["path"].to_pylist():
                count += 1
                yield path, f"{part}, image {count}"


def cut(out, count):
    """Removes every part that ends behind the first `count` images, and what was left half-written.

    Returns:
        number of images in the parts that stay.
    """
    kept, behind = 0, []
    for part in _parts(out):
        rows = _open(part).metadata.num_rows
        if behind or kept + rows > count:
            behind.append(part)
        else:
            kept += rows
    for part in reversed(behind):  # killed in between, it leaves no gap
        part.unlink()
    remove_leftovers(out)
    return kept


def load_pyarrow():
    """Returns the modules pyarrow and pyarrow.parquet, or raises InputError with what to install."""
    parts = ("pyarrow", "pyarrow.parquet")
    return [
        require_package(part, where="save_parquet", purpose="Parquet files", extra="parquet", package="pyarrow") for part in parts
    ]


def _schema(pyarrow):
    """Returns the columns: those of a line of detections.jsonl."""
    detection = {
        "class_id": pyarrow.int32(),
        "class_name": pyarrow.string(),
        "score": pyarrow.float32(),
        "box": pyarrow.list_(pyarrow.float32(), 4),  # xyxy px
    }
    columns = {
        "path": pyarrow.string(),
        "height": pyarrow.int32(),
        "width": pyarrow.int32(),
        "detections": pyarrow.list_(pyarrow.struct(detection)),
        "error": pyarrow.string(),
    }
    return pyarrow.schema(columns)


def _parts(out):
    """Returns the parts in order; raises InputError where one is missing."""
    parts = sorted(out.glob(PATTERN))
    for number, part in enumerate(parts):
        if part != part_path(out, number):
            raise InputError(f"{part_path(out, number)}: is missing. Expected it before {part.name}. Change `out`.")
    return parts


def _open(part):
    pyarrow, parquet = load_pyarrow()
    try:
        return parquet.ParquetFile(part)
    except (pyarrow.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0][:150]
        raise InputError(f"{part}: cannot be read ({reason}). Expected a whole Parquet file. Change `out`.") from error


OUTPUT = Output(PATTERN, open_writer=open_writer, require=load_pyarrow, read_paths=read_paths, cut=cut)
