"""Checks of label files: what a reader refuses or leaves out, each kind under its id."""

import functools

import numpy as np

from yolo_tf.doctor.checks.files import reading_faults
from yolo_tf.doctor.findings import Check, Found

OF_FILES = ("yolo", "voc")  # formats with one label file for each image
WRITTEN = ("yolo", "voc", "coco")  # formats whose labels are text that people and tools write


def counts_from_one(facts):
    """Returns whether the class ids of a data set are those of C classes counted from 1: C is there and 0 is not."""
    count = len(facts.class_names)
    labels = (labels for split in facts.splits.values() for labels in split.reading.labels)
    ids = {int(number) for one in labels for number in set(one.class_ids.tolist())}
    return count in ids and min(ids) == 1 and max(ids) == count


def off_by_one(facts):
    """Yields a finding where class ids count from 1."""
    count = len(facts.class_names)
    if counts_from_one(facts):
        file = next(
            labels.file + labels.places[int(np.argmax(labels.class_ids))]
            for split in facts.splits.values()
            for labels in split.reading.labels
            if count in labels.class_ids
        )
        message = f"class ids are 1..{count}: they count from 1, and every object has the name of its neighbour."
        yield Found(place=file, message=message, value=[1, count], expected=f"0..{count - 1}")


def polygons(facts):
    """Yields one finding a split about rows that are polygons."""
    for name, split in facts.splits.items():
        files, first = split.reading.polygons, next(iter(split.reading.polygons), "")
        if files:
            message = f"{sum(files.values())} rows of {len(files)} label files are polygons: the boxes around them are used."
            yield Found(split=name, place=first, message=message, value=sum(files.values()))


def _of_kind(kind, severity, meaning, advice, *formats):
    find = functools.partial(reading_faults, kind)
    return Check(severity=severity, meaning=meaning, advice=advice, find=find, formats=formats)


CHECKS = {
    "labels.unreadable": _of_kind(
        "unreadable", "error", "A label file cannot be read.", "restore it, or save it as UTF-8", *OF_FILES
    ),
    "labels.none": _of_kind(
        "unlabelled", "error", "No image of a split has a label file.", "put them where they are looked for", "yolo"
    ),
    "labels.columns": _of_kind("columns", "error", "A row has a wrong number of columns.", "correct the row", "yolo"),
    "labels.not_numbers": _of_kind("numbers", "error", "A value is no number, or not finite.", "correct it", *WRITTEN),
    "labels.pixels": _of_kind("pixels", "error", "Pixels stand where fractions belong.", "divide by width and height", "yolo"),
    "labels.outside": _of_kind("outside", "error", "A box reaches outside its image.", "correct the box, or the image"),
    "labels.no_area": _of_kind("no_area", "error", "A box has no area.", "remove it"),
    "labels.swapped": _of_kind("swapped", "error", "The corners of a box are exchanged.", "exchange them"),
    "labels.class": _of_kind("class", "error", "A class is none of the data set.", "correct it, or add the name"),
    "labels.off_by_one": Check(
        severity="error",
        meaning="Class ids count from 1 instead of 0.",
        advice="take 1 from each, or put a name in front",
        find=off_by_one,
    ),
    "labels.keypoints": _of_kind("keypoints", "error", "Rows may hold keypoints.", "say so in the YAML: kpt_shape", "yolo"),
    "labels.flag": _of_kind("flag", "error", "A flag (difficult, iscrowd) is neither yes nor no.", "write 1 or 0", "coco", "voc"),
    "labels.no_image": _of_kind(
        "no_image", "error", "An annotation belongs to no image.", "correct its image_id, or remove it", "coco"
    ),
    "labels.orphan": _of_kind(
        "orphan", "warning", "A label file has no image.", "restore the image, or remove the labels", *OF_FILES
    ),
    "labels.misplaced": _of_kind("misplaced", "error", "A label file lies where it is not looked for.", "move it", *OF_FILES),
    "labels.shared": _of_kind("shared", "warning", "One label file serves several images.", "rename the images", *OF_FILES),
    "labels.polygons": Check(
        severity="note",
        meaning="Rows are polygons; their boxes are used.",
        advice="nothing, if they are meant so",
        find=polygons,
        formats=("yolo",),
    ),
    "labels.repeated": _of_kind("repeated", "warning", "A label is there twice; it counts once.", "remove one"),
}
