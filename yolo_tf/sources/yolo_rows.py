"""One row of a YOLO label file: a box, a polygon, or a box with keypoints, which the number of columns alone does not tell."""

import math

POINT_SLACK = 0.01  # of the image: how far a keypoint may lie outside its box, and a box outside the image
VISIBILITIES = (0, 1, 2)  # not labelled, hidden, seen


class RowFault(ValueError):
    """What is wrong with a row, as text; `kind` is that of the Fault."""

    def __init__(self, kind, text):
        super().__init__(text)
        self.kind = kind


def parse_row(columns, kpt_shape):
    """Reads a row.

    Args:
        columns: list of str: class x y width height; class and three or more points; or the first and keypoints.
        kpt_shape: (number of keypoints, 2 or 3 numbers each); () = there are none; None = nobody has said.

    Returns:
        (class id; box xyxy in fractions of the image; of a polygon whether it could be a box with keypoints, else None).

    Raises:
        RowFault: what is wrong with the row.
    """
    count, keypoints = len(columns), math.prod(kpt_shape) if kpt_shape else 0
    if keypoints and count == 5 + keypoints:
        columns = columns[:5]  # the keypoints are no part of a box
    elif count != 5 and (keypoints or count < 7 or (count % 2 == 0 and not (kpt_shape is None and count % 3 == 2))):
        raise RowFault("columns", _wrong_count(columns, keypoints))
    shown = " ".join(columns)[:60]
    try:
        class_id, *values = (float(column) for column in columns)
    except ValueError:
        text = f"'{shown}' is not all numbers. Expected class x y width height. Correct the line."
        raise RowFault("numbers", text) from None
    if not class_id.is_integer():
        raise RowFault("class", f"class id {columns[0]} is no whole number. Expected 0, 1, …. Correct the line.")
    if not all(math.isfinite(value) for value in values):
        raise RowFault("numbers", f"'{shown}' holds a value that is not finite. Expected numbers. Correct the line.")
    if len(values) > 4 and kpt_shape is None and _is_pose(values, 3):
        raise RowFault(
            "keypoints",
            f"{count} columns look like a box with {(count - 5) // 3} keypoints of x, y and visibility. Expected"
            f" `kpt_shape: [{(count - 5) // 3}, 3]` in the data set YAML, or `kpt_shape: none` for polygons. Add one of them.",
        )
    if count % 2 == 0 and not keypoints:
        raise RowFault("columns", _wrong_count(columns, keypoints))
    if max(values) > 2:  # far beyond rounding: pixels
        raise RowFault(
            "pixels",
            f"coordinate {max(values):g} is no fraction of the image. Expected 0..1. Divide pixels by width and height.",
        )
    if len(values) > 4:  # a polygon
        box = (min(values[0::2]), min(values[1::2]), max(values[0::2]), max(values[1::2]))
        return int(class_id), box, kpt_shape is None and _is_pose(values, 2)
    x, y, width, height = values
    return int(class_id), (x - width / 2, y - height / 2, x + width / 2, y + height / 2), None


def _wrong_count(columns, keypoints):
    """Returns what is said of a row whose number of columns fits nothing."""
    count = len(columns)
    if keypoints:
        return (
            f"{count} columns. Expected 5 (class x y width height), or {5 + keypoints} as kpt_shape in the data set YAML says."
            " Correct the line or kpt_shape."
        )
    expected = "Expected 5 (class x y width height) or a class and 3 or more points."
    try:
        is_score = count == 6 and 0 <= float(columns[5]) <= 1
    except ValueError:
        is_score = False
    if is_score:
        return (
            f"6 columns, of which the last, {columns[5]}, looks like the score of a prediction. {expected}"
            " Remove the scores, or write predictions without them."
        )
    return f"{count} columns. {expected} Correct the line."


def _is_pose(values, size):
    """Returns whether the first four numbers make a box around the points of `size` numbers that follow."""
    x, y, width, height, *rest = values
    inside = abs(x - 0.5) + width / 2 <= 0.5 + POINT_SLACK and abs(y - 0.5) + height / 2 <= 0.5 + POINT_SLACK
    if len(rest) % size or width <= 0 or height <= 0 or not inside:
        return False
    if size == 3 and not all(value in VISIBILITIES for value in rest[2::3]):
        return False
    points = [point for point in zip(rest[0::size], rest[1::size], strict=True) if point != (0, 0)]  # 0 0 is not labelled
    across, down = width / 2 + POINT_SLACK, height / 2 + POINT_SLACK
    return bool(points) and all(abs(px - x) <= across and abs(py - y) <= down for px, py in points)
