"""The files that a long prediction writes, and how one that was stopped goes on in them."""

import contextlib
import json
from collections.abc import Callable
from typing import NamedTuple

from yolo_tf.errors import InputError
from yolo_tf.inference.outputs import jsonl, parquet
from yolo_tf.system.atomic import remove_leftovers, write_json

SETTINGS = "prediction_settings.json"  # in the directory: what every image was looked at with


class Output(NamedTuple):
    """One row of OUTPUTS. `out` is the directory."""

    exists: Callable  # (out) -> whether an earlier run wrote here
    count_held: Callable  # (out, paths) -> images that are in it, checked to be the first of paths
    keepable: Callable  # (out, count) -> most images, `count` at most, that it can be cut to
    cut: Callable  # (out, count): removes what is behind the first `count` images
    open_writer: Callable  # (out, part_images) -> context of append(rows)


OUTPUTS = {
    name: Output(module.exists, module.count_held, module.keepable, module.cut, module.open_writer)
    for name, module in (("jsonl", jsonl), ("parquet", parquet))
}


def begin(out, formats, paths, *, settings, resume):
    """Prepares a directory for a first run, or for one that goes on where another stopped.

    Args:
        out: directory; created.
        formats: rows of OUTPUTS.
        paths: of all images, in order.
        settings: everything that the detections depend on, ready for JSON; written, and compared on resuming.
        resume: whether to go on. Where nothing is yet, that is a first run.

    Returns:
        number of images that every output holds now; each output ends behind them.

    Raises:
        InputError: detections are there and `resume` is not given, or they are of other images or settings.
    """
    settings = json.loads(json.dumps(settings | {"formats": sorted(formats)}))  # as it comes back from the file
    if not any(output.exists(out) for output in OUTPUTS.values()):
        out.mkdir(parents=True, exist_ok=True)
        remove_leftovers(out)
        write_json(out / SETTINGS, settings)
        return 0
    if not resume:
        raise InputError(f"{out}: holds detections already. Expected a new directory. Add --resume to go on, or change --out.")
    _check_settings(out, settings)
    count = min(OUTPUTS[name].count_held(out, paths) for name in formats)
    count = min(OUTPUTS[name].keepable(out, count) for name in formats)
    for name in formats:
        OUTPUTS[name].cut(out, count)
    return count


@contextlib.contextmanager
def open_outputs(out, formats, *, part_images):
    """Yields the function that appends rows, as `result_to_json` makes them, to all outputs; see `open_writer` of each."""
    with contextlib.ExitStack() as stack:
        writers = [stack.enter_context(OUTPUTS[name].open_writer(out, part_images)) for name in sorted(formats)]

        def append(rows):
            for write in writers:
                write(rows)

        yield append


def _check_settings(out, settings):
    """Raises InputError where the run that is to be resumed had other settings."""
    path = out / SETTINGS
    try:
        before = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path}: cannot be read ({type(error).__name__}). Expected the settings of the run to resume. Change --out."
        ) from error
    for key in settings | before:
        if settings.get(key) != before.get(key):
            raise InputError(
                f"--resume: {key} is {settings.get(key)} now and was {before.get(key)} in the run in {out}. Expected the same."
                " Give the arguments of that run, or begin in another --out."
            )
