"""Faults of a data set, with kind and place, for those who judge them themselves where a reader would stop or count."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from typing import NamedTuple

import numpy as np

from yolo_tf.errors import InputError

NOTHING = contextlib.nullcontext()  # strict and lenient reading pass here for each file


class Fault(NamedTuple):
    """One thing that is wrong, as a reader found it."""

    kind: str  # "columns", "outside" …: what `doctor` has a check for
    where: str  # the file; "labels/0007.txt:3" or "instances.json: annotation 500" for a part of it
    text: str  # what is wrong, what is expected, how to mend it


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class ImageLabels:
    """The labels of one image as they were read, before any was judged; N of them."""

    file: str  # the part of its place that all labels have: "labels/0007.txt"; "" without labels
    places: tuple[str, ...]  # N ends of it: ":3"
    class_ids: np.ndarray  # int64 [N], in range or not
    boxes: np.ndarray  # float64 [N, 4] xyxy px of the upright image
    is_crowd: np.ndarray  # bool [N]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Collected:
    """What a reader found, good and bad: with it in `Problems`, no fault of one file stops the reading."""

    faults: list[Fault] = dataclasses.field(default_factory=list)
    labels: list[ImageLabels] = dataclasses.field(default_factory=list)  # one for each record, in the order they were made
    polygons: dict[str, int] = dataclasses.field(default_factory=dict)  # first row of a label file that is one -> how many are


def collecting(problems, kind, where=""):
    """Makes a Fault of an InputError that is raised inside the block, where faults are collected; elsewhere lets it pass.

    Its place is what the message begins with: `where`, or all up to the first colon and space.
    """
    return NOTHING if problems.collected is None else _collecting(problems.collected, kind, where)


@contextlib.contextmanager
def _collecting(collected, kind, where):
    try:
        yield
    except InputError as error:
        where = where or str(error).partition(": ")[0]
        text = str(error).removeprefix(f"{where}: ")
        collected.faults.append(Fault(kind, where, text))


def labels_as_read(labels):
    """Returns the ImageLabels of a list of RawLabels."""
    places = [label.where for label in labels]
    file = os.path.commonprefix(places) if len(places) > 1 else places[0] if places else ""
    if ":" in file:  # two lines 10 and 12 have more in common than their file
        file = file[: file.rindex(":")]
    return ImageLabels(
        file=file,
        places=tuple(place[len(file) :] for place in places),
        class_ids=np.array([label.class_id for label in labels], np.int64),
        boxes=np.array([label.box for label in labels], np.float64).reshape(-1, 4),
        is_crowd=np.array([label.is_crowd for label in labels], bool),
    )
