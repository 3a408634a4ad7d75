"""Checks of boxes that are valid, and still look wrong: nearly equal, of two classes, as large as the image, too small."""

import numpy as np

from yolo_tf.doctor.findings import Check, Found

NEARLY = 0.9  # IoU from which two boxes are one object that was drawn twice
COVERS = 0.99  # share of the image
SMALLEST = 3.0  # px of the shorter side in the network's input, below which a box cannot be learned


def nearly_equal(facts):
    """Yields boxes that are nearly an earlier one of the same class."""
    for name, labels, later, earlier, iou in _overlapping(facts):
        if labels.class_ids[later] == labels.class_ids[earlier] and not (labels.boxes[later] == labels.boxes[earlier]).all():
            message = f"is nearly the box of {_in_words(labels.places[earlier])} (IoU {iou:.2f}), of the same class."
            yield Found(split=name, place=labels.file + labels.places[later], message=message, value=round(iou, 3))


def two_classes(facts):
    """Yields boxes that lie on one of another class."""
    for name, labels, later, earlier, iou in _overlapping(facts):
        if labels.class_ids[later] != labels.class_ids[earlier]:
            is_now, was = (_name_of(facts, int(labels.class_ids[index])) for index in (later, earlier))
            where = _in_words(labels.places[earlier])
            message = f"is {is_now}, and {where} says {was} of nearly the same box (IoU {iou:.2f})."
            yield Found(split=name, place=labels.file + labels.places[later], message=message, value=round(iou, 3))


def covering(facts):
    """Yields boxes that cover their image."""
    for name, record, labels in _labelled(facts):
        x1, y1, x2, y2 = np.clip(labels.boxes, 0, [record.width, record.height] * 2).T
        for index in np.flatnonzero((x2 - x1) * (y2 - y1) >= COVERS * record.width * record.height):
            message = f"covers the whole image, {record.width} x {record.height} px."
            yield Found(split=name, place=labels.file + labels.places[index], message=message)


def vanishing(facts):
    """Yields boxes that are too thin in the network's input."""
    for size in facts.image_sizes:
        for name, record, labels in _labelled(facts):
            scale = min(size[0] / record.height, size[1] / record.width)
            sides = (labels.boxes[:, 2:] - labels.boxes[:, :2]) * scale
            thin = (sides > 0).all(1) & (sides.min(1) < SMALLEST)
            for index in np.flatnonzero(thin):
                width, height = sides[index]
                message = f"is {width:.1f} x {height:.1f} px in an input of {size[1]} x {size[0]} px."
                place = labels.file + labels.places[index]
                yield Found(split=name, place=place, message=message, value=round(float(sides[index].min()), 2))


def share_vanishing(facts):
    """Returns how many boxes are too thin at each size."""
    lines = []
    for size in facts.image_sizes:
        thin, count = 0, 0
        for _, record, labels in _labelled(facts):
            sides = (labels.boxes[:, 2:] - labels.boxes[:, :2]) * min(size[0] / record.height, size[1] / record.width)
            thin, count = thin + int(((sides > 0).all(1) & (sides.min(1) < SMALLEST)).sum()), count + len(sides)
        lines += [f"{thin} of {count} boxes ({thin / count:.1%}) at {size[1]} x {size[0]} px"] if thin else []
    return "; ".join(lines)


def _labelled(facts):
    for name, split in facts.splits.items():
        for record, labels in zip(split.reading.records, split.reading.labels, strict=True):
            if len(labels.boxes):
                yield name, record, labels


def _overlapping(facts):
    """Yields (split, ImageLabels, later index, earlier index, IoU) of boxes of one image that are nearly equal."""
    for name, _, labels in _labelled(facts):
        for later, earlier, iou in nearly_equal_boxes(labels.boxes):
            if not labels.is_crowd[[later, earlier]].any():
                yield name, labels, later, earlier, iou


def nearly_equal_boxes(boxes):
    """Yields (later, earlier, IoU) of boxes [N, 4] xyxy whose IoU is NEARLY or more, for each the most alike earlier one.

    Only boxes whose left edges are near can be; so sorted by them, no table of all pairs is made.
    """
    widths = boxes[:, 2] - boxes[:, 0]
    order = np.argsort(boxes[:, 0], kind="stable")
    left = boxes[order, 0]
    ends = np.searchsorted(left, left + (1 - NEARLY) * np.maximum(widths[order], 0), side="right")
    best = {}
    for place, end in enumerate(ends):
        one, others = order[place], order[place + 1 : end]
        if not len(others):
            continue
        low, high = np.maximum(boxes[one, :2], boxes[others, :2]), np.minimum(boxes[one, 2:], boxes[others, 2:])
        shared = np.maximum(high - low, 0).prod(1)
        union = (boxes[one, 2:] - boxes[one, :2]).prod() + (boxes[others, 2:] - boxes[others, :2]).prod(1) - shared
        iou = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
        for other, value in zip(others[iou >= NEARLY], iou[iou >= NEARLY], strict=True):
            later, earlier = max(one, other), min(one, other)
            if value > best.get(later, (0, 0.0))[1]:
                best[later] = (earlier, float(value))
    yield from ((int(later), int(earlier), value) for later, (earlier, value) in sorted(best.items()))


def _in_words(place):
    """Returns "line 3" of ":3", "annotation 500" of ": annotation 500"."""
    place = place.lstrip(": ")
    return f"line {place}" if place.isdigit() else place


def _name_of(facts, class_id):
    return facts.class_names[class_id] if 0 <= class_id < len(facts.class_names) else f"class {class_id}"


CHECKS = {
    "boxes.nearly_equal": Check(
        severity="warning",
        meaning="Two boxes of one class are nearly equal (IoU 0.9 or more): one object, drawn twice.",
        advice="remove one",
        find=nearly_equal,
    ),
    "boxes.two_classes": Check(
        severity="warning",
        meaning="Two boxes of different classes are nearly equal (IoU 0.9 or more).",
        advice="decide what the object is",
        find=two_classes,
    ),
    "boxes.cover_image": Check(
        severity="warning",
        meaning="A box covers the whole image.",
        advice="see that it is no placeholder",
        find=covering,
    ),
    "boxes.vanish": Check(
        severity="warning",
        meaning="A box is under 3 px in the network's input.",
        advice="train with a larger data.image_size, or cut the images into tiles",
        find=vanishing,
        headline=share_vanishing,
    ),
}
