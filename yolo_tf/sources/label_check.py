"""What every reader does with what it read: check each label, then build the ImageRecord."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Callable
from pathlib import PurePath
from typing import NamedTuple

import numpy as np

from yolo_tf.errors import InputError, shown, some_of
from yolo_tf.sources.faults import Collected, Fault, labels_as_read
from yolo_tf.sources.orientation import UPRIGHT, turned_box, turned_size
from yolo_tf.structures import ImageRecord
from yolo_tf.system.file_lookup import real_file_finder

DARK = 65536 // 8  # of a 16-bit image, the eighth of the range below which something was stored in fewer bits
MIN_SIDE = 0.01  # px; a thinner box is none, and float32 could make its two edges equal


@dataclasses.dataclass(frozen=True, kw_only=True)
class Problems:
    """What was found out about labels and images so far, and whether a fault stops the reading."""

    strict: bool
    labels: bool = True  # False: the images alone are wanted, and no label file is asked for
    on_bad_image: Callable[[str], None] | None = None  # told of each unusable image, which is left out; None = stop there
    lines: list[str] = dataclasses.field(default_factory=list)  # one per label or repeated image that was left out
    notes: list[str] = dataclasses.field(default_factory=list)  # what a person should know beside that, each kind in one line
    without_labels: list[str] = dataclasses.field(default_factory=list)  # images that have no label file
    orientations: dict[str, int] = dataclasses.field(default_factory=dict)  # image file -> EXIF orientation, of those looked at
    deep_images: dict[str, int] = dataclasses.field(default_factory=dict)  # some images of 16 bits -> their largest values
    turned: list[str] = dataclasses.field(default_factory=list)  # images whose labels were of the stored pixels, and were turned
    undecided: list[str] = dataclasses.field(default_factory=list)  # turned images whose stated size fits either way
    collected: Collected | None = None  # takes every fault, and all labels, for those who judge them; None = nobody does


class RawLabel(NamedTuple):
    """One label as a reader found it, not yet trusted."""

    where: str  # "labels/0007.txt:3"
    class_id: int
    box: tuple[float, float, float, float]  # xyxy px of the upright image
    is_crowd: bool = False


def reject_label(problems, where, text, kind):
    """Raises InputError for a bad label if problems.strict, else notes there that it is left out.

    Args:
        problems: Problems.
        where: its place.
        text: what is wrong with it.
        kind: of the Fault that it is, where faults are collected.
    """
    if problems.strict:
        raise InputError(f"{where}: {text} Or leave out bad labels with data.strict_labels=false.")
    leave_out(problems, where, text, kind)


def leave_out(problems, where, text, kind):
    """Notes in problems a label or image that is left out, also when strict."""
    problems.lines.append(f"{where}: {text}")
    if problems.collected is not None:
        problems.collected.faults.append(Fault(kind, str(where), text))


def notes_of(problems, split):
    """Returns the lines about a split that are no faults: labels of images stored turned, 16-bit images that are dark."""
    return (*_about_turned(problems, split), *_about_undecided(problems, split), *_about_dark(problems, split))


def _about_dark(problems, split):
    line = describe_dark(problems.deep_images)
    return (f"{split}: {line}",) if line else ()


def describe_dark(largest_values):
    """Returns what to say of 16-bit images, {path: largest value}, where some use less than an eighth of the range; else ""."""
    dark = {path: value for path, value in largest_values.items() if value < DARK}
    if not dark:
        return ""
    path, value = max(dark.items(), key=lambda item: item[1])
    return (
        f"{shown(path)}: the largest value is {value} of 65535, which the network sees as {value // 256} of 255; so it is below"
        f" an eighth of the range in {len(dark)} of the first {len(largest_values)} 16-bit images. If they are too dark,"
        f" multiply the values by {65535 // max(value, 1)}."
    )


def _about_turned(problems, split):
    if not problems.turned:
        return ()
    return (
        f"{split}: {some_of(problems.turned, most=1)}: the stated size fits the pixels as stored, not the image turned as its"
        f" EXIF orientation says: the boxes of {len(problems.turned)} were turned with the image. Where they were drawn on the"
        " upright image, exchange the stated height and width.",
    )


def _about_undecided(problems, split):
    if not problems.undecided:
        return ()
    return (
        f"{split}: {some_of(problems.undecided, most=1)}: square, mirrored or turned by 180° as the EXIF orientation says, so the"
        f" stated size fits the stored pixels too: the boxes of {len(problems.undecided)} are taken to be of the upright image."
        " Look at one, and store the images upright where they are not.",
    )


def listed_once(items, split, problems, key=None):
    """Returns `items` in order, each once; a repeated one is noted in problems, also when strict.

    An image that is listed twice would count twice in every metric. Items are the same where `key`, a function of one, says so.
    """
    once = {}
    for item in items:
        place = key(item) if key else item
        if place in once:
            leave_out(
                problems, item, f"is listed twice in the {split} split. Expected each image once. Remove one.", "listed_twice"
            )
        once.setdefault(place, item)
    return list(once.values())


def distinct_records(records, split, problems):
    """Returns the records of one split with each image once and each id once; a repeated image is noted in problems.

    Two paths to one file, through links too, are one image.

    An id that several images have gains the suffix of the file and, where that does not tell them apart, a number: of p0.jpg
    and p0.png, both of id p0, p0.jpg and p0.png.
    """
    real_file, by_place = real_file_finder(), {}
    for record in records:
        place = real_file(record.path), record.byte_offset
        if place in by_place:
            listed_once([f"{record.path} (image {record.image_id})"] * 2, split, problems)
        by_place.setdefault(place, record)
    records = list(by_place.values())
    counts, taken = Counter(record.image_id for record in records), set()
    for index, record in enumerate(records):
        if counts[record.image_id] == 1:
            continue
        suffix = "" if record.byte_offset is not None else PurePath(record.path).suffix
        image_id = wanted = record.image_id.removesuffix(suffix) + suffix
        number = 1
        while image_id in taken or counts[image_id] == 1:
            number += 1
            image_id = f"{wanted}-{number}"
        taken.add(image_id)
        records[index] = dataclasses.replace(record, image_id=image_id)
    return records


def upright_labels(labels, path, *, stated, size, where, problems):
    """Returns labels in px of the upright image: turned with it where a stated size fits the pixels as stored, and those alone.

    Args:
        labels: RawLabels.
        path: the image file, whose orientation problems knows; noted there where labels are turned, or it cannot be told.
        stated: (height, width) px that the labels say; None = they do not.
        size: (height, width) px of the upright image.
        where: what a message begins with.
        problems: Problems.

    Raises:
        InputError: the stated size fits neither the upright image nor the stored pixels.
    """
    orientation = problems.orientations[str(path)]
    stored = turned_size(size, orientation)
    if stated in (None, size):
        if stated == stored and orientation != UPRIGHT:
            problems.undecided.append(str(path))
        return labels
    if stated != stored:
        raise InputError(
            f"{where}: height and width are {stated[0]} x {stated[1]}, but {path} is {size[0]} x {size[1]}."
            " Expected the same. Correct them or replace the image."
        )
    problems.turned.append(str(path))
    return [label._replace(box=turned_box(label.box, size, orientation)) for label in labels]


def make_record(image_id, path, size, labels, *, class_names, problems):
    """Checks the labels of one image and returns its ImageRecord.

    A box that reaches over the edge by rounding, at most 1 px or 1/1000 of the side, is clipped without a
    word. A repeated label (same class and box) is left out and listed, also when strict: it is untidy, not
    wrong.

    Args:
        image_id: unique in the data set.
        path: of the image file.
        size: (height, width) px, upright.
        labels: RawLabels.
        class_names: in the order of the ids.
        problems: Problems; gains a line for each label left out.

    Raises:
        InputError: a bad label, when problems.strict: class id out of range, a coordinate that is no number,
            no area, outside the image.
    """
    height, width = size
    if problems.collected is not None:
        labels = list(labels)
        problems.collected.labels.append(labels_as_read(labels))
    accepted = {}  # (class id, box, is_crowd) -> nothing: a set that keeps the order
    for label in labels:
        kind, fault = _class_fault(label.class_id, class_names) or _box_fault(label.box, height, width) or ("", "")
        if fault:
            reject_label(problems, label.where, fault, kind)
            continue
        x1, y1, x2, y2 = label.box
        key = (label.class_id, (max(x1, 0.0), max(y1, 0.0), min(x2, width), min(y2, height)), label.is_crowd)
        if key in accepted:
            repeats = f"repeats an earlier label of {path}. Expected each object once. Remove it."
            leave_out(problems, label.where, repeats, "repeated")
        accepted[key] = None
    return ImageRecord(
        image_id=image_id,
        path=str(path),
        height=height,
        width=width,
        orientation=problems.orientations.get(str(path)),
        boxes=np.array([box for _, box, _ in accepted], np.float32).reshape(-1, 4),
        class_ids=np.array([class_id for class_id, _, _ in accepted], np.int32),
        is_crowd=np.array([is_crowd for _, _, is_crowd in accepted], bool),
    )


def area_fault(x1, y1, x2, y2):
    """Returns the kind of fault of a box without area."""
    return "swapped" if (x2 < x1 or y2 < y1) and x2 != x1 and y2 != y1 else "no_area"


def _class_fault(class_id, class_names):
    """Returns (kind, text) of what is wrong with a class id, or None."""
    if 0 <= class_id < len(class_names):
        return None
    names = str(list(class_names)) if len(class_names) <= 10 else f"{len(class_names)} names"
    return "class", (
        f"class id {class_id} is out of range. Expected 0..{len(class_names) - 1} for {names}."
        " Correct the label or add the name to the data set YAML."
    )


def _box_fault(box, height, width):
    """Returns (kind, text) of what is wrong with a box, or None."""
    if not all(math.isfinite(value) for value in box):
        return "numbers", f"box {_shown(box)} is not finite. Expected four numbers. Correct the label."
    x1, y1, x2, y2 = box
    if x2 - x1 < MIN_SIDE or y2 - y1 < MIN_SIDE:
        text = f"box {_shown(box)} has no area. Expected x1 < x2 and y1 < y2. Correct or remove the label."
        return area_fault(*box), text
    x_slack, y_slack = max(1.0, width / 1000), max(1.0, height / 1000)
    inside = x1 >= -x_slack and y1 >= -y_slack and x2 <= width + x_slack and y2 <= height + y_slack
    if not inside or min(x2, width) - max(x1, 0) < MIN_SIDE or min(y2, height) - max(y1, 0) < MIN_SIDE:
        return "outside", (
            f"box {_shown(box)} reaches outside the image. Expected 0..{width} across and 0..{height} down, of the upright image."
            " Correct the label."
        )
    return None


def _shown(box):
    return "({:g}, {:g}, {:g}, {:g}) px".format(*box)
