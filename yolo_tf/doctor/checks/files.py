"""Checks of image files: are they there, whole, what their name says, each once?"""

import functools
import os

from yolo_tf.doctor.findings import Check, Found
from yolo_tf.doctor.fingerprints import WAYS
from yolo_tf.system.image_formats import IMAGE_FORMATS

WRITTEN = ("yolo", "voc", "coco", "shapes")  # formats whose images are files with names of their own


def with_fault(kind, facts):
    """Yields the images that have a fault of this kind."""
    for name, split in facts.splits.items():
        told = {fault.where: fault.text for fault in split.reading.faults if fault.kind == "image"}
        for image in (*split.images, *split.broken):
            refused = told.get(image.path)
            if image.fault == kind or (kind == "unreadable" and refused and not image.fault):
                yield Found(split=name, place=image.path, message=image.text or refused)


def with_wrong_suffix(facts):
    """Yields images whose suffix is that of another format."""
    for name, split in facts.splits.items():
        for image in (*split.images, *split.broken):
            suffix = os.path.splitext(image.path)[1].lower()
            if image.format and suffix and not image.path.endswith(")") and suffix not in IMAGE_FORMATS[image.format]:
                expected = " or ".join(IMAGE_FORMATS[image.format])
                message = f"is a {image.format} file called {suffix}."
                yield Found(split=name, place=image.path, message=message, value=image.format, expected=expected)


def reading_faults(kind, facts):
    """Yields the Faults of a kind."""
    for name, split in facts.splits.items():
        for fault in split.reading.faults:
            if fault.kind == kind:
                yield Found(split=name, place=fault.where, message=fault.text)


def left_out(facts):
    """Yields what the reader has to say of what it passed over."""
    yield from (Found(message=note) for note in facts.source.notes)
    for name, split in facts.splits.items():
        yield from (Found(split=name, message=note) for note in split.reading.notes)


def same_within(facts):
    """Yields images whose bytes an earlier one of their split has."""
    for number, first in enumerate(facts.same):
        (split, _), (before, _) = facts.places[number], facts.places[first]
        if first != number and split == before:
            message = f"is the same file as {facts.picture(first).path}."
            yield Found(split=split, place=facts.picture(number).path, message=message, value=facts.picture(first).path)


def alike_within(facts):
    """Yields images that look like an earlier one of their split."""
    for first, second, way in facts.alike.tolist():
        (before, _), (split, _) = facts.places[first], facts.places[second]
        if split == before:
            message = f"looks as {facts.picture(first).path} does{way_in_words(way)}."
            yield Found(split=split, place=facts.picture(second).path, message=message, value=facts.picture(first).path)


def way_in_words(way):
    """Returns ", turned or mirrored" for one of WAYS that is not upright."""
    transposed, down, across = WAYS[way]
    if transposed:
        return ", turned by 90°" if down != across else ", transposed"
    return {(False, False): "", (True, True): ", turned by 180°"}.get((down, across), ", mirrored")


CHECKS = {
    "files.missing": Check(
        severity="error",
        meaning="A listed image is not there.",
        advice="restore the file, or remove it from the list",
        find=functools.partial(with_fault, "missing"),
    ),
    "files.empty": Check(
        severity="error", meaning="An image file has 0 bytes.", advice="restore it", find=functools.partial(with_fault, "empty")
    ),
    "files.unreadable": Check(
        severity="error",
        meaning="A file is no image that can be read.",
        advice="convert or remove it",
        find=functools.partial(with_fault, "unreadable"),
    ),
    "files.truncated": Check(
        severity="error",
        meaning="An image is cut short or damaged: it does not decode, a check sum of a PNG does not fit, or scans are missing.",
        advice="restore it from the original",
        find=functools.partial(with_fault, "truncated"),
    ),
    "files.grey_edge": Check(
        severity="warning",
        meaning="A JPEG has an edge of even grey, as files have that were cut short and closed again.",
        advice="look at it, and restore it where it is cut",
        find=functools.partial(with_fault, "grey_edge"),
    ),
    "files.wrong_suffix": Check(
        severity="warning",
        meaning="The suffix of an image is that of another format.",
        advice="rename it: other programs go by the suffix",
        find=with_wrong_suffix,
        formats=WRITTEN,
    ),
    "files.listed_twice": Check(
        severity="warning",
        meaning="A list names an image twice; it counts once.",
        advice="remove one",
        find=functools.partial(reading_faults, "listed_twice"),
        formats=WRITTEN,
    ),
    "files.left_out": Check(
        severity="note",
        meaning="What the reading passed over or took for something.",
        advice="see that it is meant so",
        find=left_out,
    ),
    "files.same": Check(
        severity="warning",
        meaning="Two images of a split are the same file.",
        advice="keep one",
        find=same_within,
    ),
    "files.alike": Check(
        severity="note",
        meaning="Two images of a split look alike, one perhaps turned, mirrored, resized or compressed again.",
        advice="keep one, unless they are meant to be many",
        find=alike_within,
    ),
}
