"""Checks of pictures: their channels, sizes, and how they are turned; and which of them have labels."""

import functools

import numpy as np

from yolo_tf.doctor.checks.files import reading_faults
from yolo_tf.doctor.findings import Check, Found
from yolo_tf.sources.orientation import UPRIGHT, turned_size

TINY = 32  # px of the longer side: one cell of the coarsest level
EXTREME = 5.0  # longer side over shorter one
SLACK = 1.0  # px that a box may reach over the edge


def of_mode(modes, facts):
    """Yields the images that Pillow opens in one of `modes`."""
    for name, image in _pictures(facts):
        if image.mode in modes and not image.is_transparent:
            yield Found(split=name, place=image.path, message=f"has the colour mode {image.mode}.", value=image.mode)


def transparent(facts):
    """Yields images with transparency."""
    for name, image in _pictures(facts):
        if image.is_transparent:
            message = f"has transparency ({image.mode}), which is dropped: hidden pixels become visible."
            yield Found(split=name, place=image.path, message=message, value=image.mode)


def rotated(facts):
    """Yields one finding a split about images with an EXIF orientation, and what their labels were drawn on."""
    for name, split in facts.splits.items():
        turned = [image for image in split.images if image.orientation != UPRIGHT]
        if not turned:
            continue
        stored, either = len(split.reading.turned), len(split.reading.undecided)
        message = (
            f"{len(turned)} of {len(split.images)} images are stored turned (EXIF orientation), the first {turned[0].path}; by"
            f" the sizes that labels state, the boxes of {stored} were drawn on the stored pixels, those of {either} fit"
            f" either way, and the others are taken to be of the upright image."
        )
        yield Found(split=name, place=turned[0].path, message=message, value=len(turned))


def rotated_labels(facts):
    """Yields turned images whose boxes fit the stored pixels and reach outside the upright image."""
    for name, split in facts.splits.items():
        handled = {*split.reading.turned}
        for image, labels in zip(split.images, split.reading.labels, strict=True):
            height, width = turned_size(image.stored_size, image.orientation)
            if (height, width) == image.stored_size or image.path in handled or not len(labels.boxes):
                continue
            reach = np.nanmax(labels.boxes[:, 2:], axis=0)
            if _inside(reach, image.stored_size) and not _inside(reach, (height, width)):
                message = (
                    f"its boxes reach to ({reach[0]:g}, {reach[1]:g}) px: they fit the pixels as stored, {image.stored_size[1]} x"
                    f" {image.stored_size[0]}, not the upright image, {width} x {height}."
                )
                yield Found(split=name, place=image.path, message=message, value=reach.tolist())


def _inside(reach, size):
    return reach[0] <= size[1] + SLACK and reach[1] <= size[0] + SLACK


def tiny(facts):
    """Yields images that are smaller than a cell."""
    for name, image in _pictures(facts):
        height, width = image.stored_size
        if max(height, width) < TINY:
            yield Found(split=name, place=image.path, message=f"is {width} x {height} px.", expected=f"{TINY} px or more")


def extreme(facts):
    """Yields images that are very long."""
    for name, image in _pictures(facts):
        height, width = image.stored_size
        ratio = max(height, width) / max(1, min(height, width))
        if ratio > EXTREME:
            message = f"is {width} x {height} px: one side is {ratio:.1f} times the other, and most of the input stays grey."
            yield Found(split=name, place=image.path, message=message, value=round(ratio, 1))


def unlabelled(facts):
    """Yields images without a label file."""
    for name, split in facts.splits.items():
        unusable = {image.path for image in split.broken}
        for path in split.reading.without_labels:
            if path in unusable:
                continue
            yield Found(split=name, place=path, message="has no label file: it counts as background.")


def _pictures(facts):
    for name, split in facts.splits.items():
        yield from ((name, image) for image in split.images if image.format)


CHECKS = {
    "images.grey": Check(
        severity="note",
        meaning="An image has one channel, which is repeated.",
        advice="nothing, if the camera is one",
        find=functools.partial(of_mode, ("L", "1")),
    ),
    "images.cmyk": Check(
        severity="warning",
        meaning="An image is stored for print (CMYK); programs differ in the colours that they make of it.",
        advice="convert it to RGB",
        find=functools.partial(of_mode, ("CMYK", "YCCK", "LAB")),
    ),
    "images.deep": Check(
        severity="note",
        meaning="A PNG has 16 bits a channel, of which the upper 8 are seen.",
        advice="see that they are not dark: docs/data.md",
        find=functools.partial(of_mode, ("I;16", "I", "F")),
    ),
    "images.transparent": Check(
        severity="warning",
        meaning="An image has transparency.",
        advice="flatten it on the background that is meant",
        find=transparent,
    ),
    "images.rotated": Check(
        severity="note",
        meaning="Images are stored turned and say so (EXIF orientation), which is honoured.",
        advice="look at one with its boxes, or store them upright",
        find=rotated,
    ),
    "images.rotated_labels": Check(
        severity="error",
        meaning="The boxes of a turned image fit the stored pixels alone.",
        advice="state the stored size in the label file, or draw the boxes on the upright image",
        find=rotated_labels,
    ),
    "images.stated_size": Check(
        severity="error",
        meaning="A label file states another size than the image has.",
        advice="correct the size, or put back the image that was labelled",
        find=functools.partial(reading_faults, "stated_size"),
        formats=("coco", "voc"),
    ),
    "images.tiny": Check(severity="warning", meaning="An image is smaller than 32 px.", advice="remove it", find=tiny),
    "images.extreme_aspect": Check(
        severity="warning",
        meaning="One side of an image is more than five times the other.",
        advice="cut it into tiles",
        find=extreme,
    ),
    "images.unlabelled": Check(
        severity="warning",
        meaning="An image has no label file, so it counts as background.",
        advice="label it, or give it an empty file where it shows nothing",
        find=unlabelled,
        formats=("yolo", "voc"),
    ),
}
