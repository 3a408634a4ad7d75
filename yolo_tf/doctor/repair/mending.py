"""One label mended in the words of its own format: a row of a YOLO file, an object of a VOC file, an annotation of COCO.

What cannot be told for sure goes: a wrong box teaches more wrong than a missing one.
"""

import math

from yolo_tf.sources.label_check import MIN_SIDE

KINDS = ("columns", "numbers", "pixels", "outside", "no_area", "swapped", "class", "flag", "no_image", "repeated")  # of Faults
SLACK = 0.01  # of the image, that a box in pixels may reach over the edge by rounding


def mended_box(box, size):
    """Returns a box with its corners in order, cut off at the edges of the image; None where nothing of it is left.

    Args:
        box: (x1, y1, x2, y2) px.
        size: (height, width) px.
    """
    if not all(map(math.isfinite, box)):
        return None
    x1, x2 = (min(max(value, 0.0), size[1]) for value in sorted((box[0], box[2])))
    y1, y2 = (min(max(value, 0.0), size[0]) for value in sorted((box[1], box[3])))
    return (x1, y1, x2, y2) if x2 - x1 >= MIN_SIDE and y2 - y1 >= MIN_SIDE else None


def meaning_of_pixels(rows):
    """Returns what the numbers of rows in pixels are: "centre" (x y width height) or "corners" (x1 y1 x2 y2).

    It must fit all of them, and the other must not: else "", as it cannot be told.

    Args:
        rows: list of (text of a row that is no polygon, (height, width) px of its image).
    """
    boxes = [(_box_of_centre(values), values, size) for text, size in rows if len(values := _numbers(text)) == 4]
    fits = [
        name for name, place in (("centre", 0), ("corners", 1)) if boxes and all(_is_inside(box[place], box[2]) for box in boxes)
    ]
    return fits[0] if len(fits) == 1 else ""


def mended_row(kind, row, size, *, pixels=""):
    """Returns the row of a YOLO file as it should be; "" where it goes.

    Args:
        kind: of its Fault.
        row: text, the whole line.
        size: (height, width) px of the image.
        pixels: what numbers in pixels are, as `meaning_of_pixels` says.
    """
    columns, values = row.split(), _numbers(row)
    if kind == "columns" and len(values) == 5:  # the fifth is a score, or nobody knows
        values = values[:4]
    elif kind not in ("outside", "swapped", "pixels"):
        return ""
    if len(values) != 4:  # a polygon
        return _mended_polygon(columns[0], values, size, pixels=kind == "pixels")
    if kind == "pixels" and not (pixels and _is_inside(values if pixels == "corners" else _box_of_centre(values), size)):
        return ""  # of another image, or it cannot be told
    box = values if kind == "pixels" and pixels == "corners" else _box_of_centre(values)
    scale = [size[1], size[0]] * 2 if kind == "pixels" else [1] * 4
    box = mended_box([side / one for side, one in zip(box, scale, strict=True)], (1.0, 1.0))
    if box is None:
        return ""
    x1, y1, x2, y2 = box
    return f"{columns[0]} {(x1 + x2) / 2:.9g} {(y1 + y2) / 2:.9g} {x2 - x1:.9g} {y2 - y1:.9g}"


def _numbers(row):
    """Returns the numbers of a row behind its class; [] where one is none."""
    try:
        return [float(column) for column in row.split()[1:]]
    except ValueError:
        return []


def _box_of_centre(values):
    x, y, width, height = values
    return (x - width / 2, y - height / 2, x + width / 2, y + height / 2)


def _is_inside(box, size):
    """Returns whether a box in px has its corners in order and inside the image, but for SLACK."""
    (x1, y1, x2, y2), (height, width) = box, size
    inside = min(x1 / width, y1 / height) >= -SLACK and max(x2 / width, y2 / height) <= 1 + SLACK
    return inside and x1 < x2 and y1 < y2


def _mended_polygon(class_word, values, size, *, pixels):
    scale = (size[1], size[0]) if pixels else (1, 1)
    values = [value / scale[index % 2] for index, value in enumerate(values)]
    if len(values) % 2 or not values or max(values) > 2:
        return ""
    return " ".join([class_word, *(f"{min(max(value, 0.0), 1.0):.9g}" for value in values)])


def mend_object(kind, node, size, class_names):
    """Mends an object element of a VOC file; returns whether it stays."""
    if kind not in ("flag", "outside", "swapped") or (node.findtext("name") or "").strip() not in class_names:
        return False
    if kind == "flag":
        node.find("difficult").text = "0"
    sides = [node.find(f"bndbox/{side}") for side in ("xmin", "ymin", "xmax", "ymax")]
    xmin, ymin, xmax, ymax = (float(side.text) for side in sides)
    (xmin, xmax), (ymin, ymax) = sorted((xmin, xmax)), sorted((ymin, ymax))
    box = mended_box((xmin - 1, ymin - 1, xmax, ymax), size)
    if box is None or box[2] - box[0] <= 1 or box[3] - box[1] <= 1:
        return False
    for side, value in zip(sides, (box[0] + 1, box[1] + 1, *box[2:]), strict=True):
        side.text = f"{value:.9g}"
    return True


def mend_annotation(kind, annotation, size):
    """Mends an annotation of COCO; returns whether it stays."""
    if kind not in ("flag", "outside", "swapped"):
        return False
    if kind == "flag":
        annotation["iscrowd"] = 0
    x, y, width, height = annotation["bbox"]
    box = mended_box((x, y, x + width, y + height), size)
    if box is None:
        return False
    annotation["bbox"] = [box[0], box[1], box[2] - box[0], box[3] - box[1]]
    return True
