"""Pictures of boxes."""

import functools
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from yolo_tf.errors import InputError
from yolo_tf.pictures.fonts import FONT_PATH, drawable, split_by_font
from yolo_tf.pictures.palette import class_colors, text_color
from yolo_tf.structures import ImageDetections
from yolo_tf.system.atomic import atomic_path

MOST_JPEG_SIDE = 65500  # px; what the library that writes them takes
_font = functools.lru_cache(maxsize=32)(lambda path, size: ImageFont.truetype(str(path), size))  # size in px


def draw_boxes(image, boxes, class_ids, class_names, scores=None):
    """Draws boxes with their labels onto a copy of an image.

    Lines and letters grow with the image. The best boxes come last, so they lie on top, and labels lie
    on top of all boxes. A label stands above its box, or at the top inside it where the image ends. Letters that no font
    on the machine has are boxes: `fonts.describe_undrawable` says which.

    Args:
        image: uint8 [H, W, 3] RGB.
        boxes: [N, 4] xyxy, px of `image`; what lies outside of it is cut off.
        class_ids: int [N]; rows below 0 are padding and left out.
        class_names: C names.
        scores: [N], 0..1, written behind the names; None = names alone, boxes in the given order.

    Returns:
        uint8 [H, W, 3] RGB.
    """
    class_ids = np.asarray(class_ids, np.int64)
    order = np.arange(len(class_ids)) if scores is None else np.argsort(scores, kind="stable")
    order = order[class_ids[order] >= 0]
    names = [class_names[class_id] for class_id in class_ids[order]]
    texts = (
        names if scores is None else [f"{name} {score:.2f}" for name, score in zip(names, np.asarray(scores)[order], strict=True)]
    )
    colors = class_colors(len(class_names))[class_ids[order]]
    return draw_labelled(image, np.asarray(boxes).reshape(-1, 4)[order], texts, colors)


def draw_labelled(image, boxes, texts, colors, *, apart=False):
    """Draws boxes as `draw_boxes` does, each with a text and a colour of its own, the last on top.

    Args:
        image: uint8 [H, W, 3] RGB.
        boxes: [N, 4] xyxy, px of `image`.
        texts: N; "" = no label.
        colors: [N, 3] RGB, 0..255.
        apart: leave a label out where it would lie on that of a later box.

    Returns:
        uint8 [H, W, 3] RGB.
    """
    picture = Image.fromarray(np.ascontiguousarray(image))
    canvas = ImageDraw.Draw(picture)
    short_side = min(picture.size)
    line = max(1, round(short_side / 140))
    size = max(11, round(short_side / 38))
    corners = _corners(boxes, picture.size)
    colors = [tuple(color) for color in np.asarray(colors).tolist()]
    for corner, color in zip(corners, colors, strict=True):
        canvas.rectangle(corner, outline=color, width=line)
    labels, taken = [], []
    for corner, color, text in reversed(list(zip(corners, colors, texts, strict=True))):
        if text:
            text, place = _place_label(picture.size, drawable(text), corner[:2], size)
            if not (apart and any(_overlap(place, other) for other in taken)):
                taken.append(place)
                labels.append((text, place, color))
    for text, place, color in reversed(labels):
        _draw_label(canvas, text, place, size, color)
    return np.array(picture)


def draw_detections(image: np.ndarray, detections: ImageDetections, class_names: Sequence[str]) -> np.ndarray:
    """Draws ImageDetections, px of `image`, as `draw_boxes` draws, with the scores behind the names."""
    return draw_boxes(image, detections.boxes, detections.class_ids, class_names, detections.scores)


def draw_grid(pictures, *, columns=None, cell_size=None, gap=6):
    """Puts pictures side by side on white, row by row.

    Args:
        pictures: uint8 [h, w, 3] each, at least one, of any sizes.
        columns: pictures in one row; None = as many as rows, or one more.
        cell_size: (height, width) of a cell, px; larger pictures are shrunk to fit, smaller ones centred.
            None = the largest height and the largest width.
        gap: white px between cells and around them.

    Returns:
        uint8 [rows * (height + gap) + gap, columns * (width + gap) + gap, 3].
    """
    columns = columns or math.ceil(math.sqrt(len(pictures)))
    rows = math.ceil(len(pictures) / columns)
    height, width = cell_size or np.max([picture.shape[:2] for picture in pictures], axis=0)
    grid = Image.new("RGB", (int(columns * (width + gap) + gap), int(rows * (height + gap) + gap)), "white")
    for index, picture in enumerate(pictures):
        cell = Image.fromarray(np.ascontiguousarray(picture))
        cell.thumbnail((int(width), int(height)), Image.Resampling.LANCZOS)
        row, column = divmod(index, columns)
        left = gap + column * (width + gap) + (width - cell.width) // 2
        top = gap + row * (height + gap) + (height - cell.height) // 2
        grid.paste(cell, (int(left), int(top)))
    return np.array(grid)


def write_picture(picture, path):
    """Writes a picture, uint8 [H, W, 3], whole or not at all; the suffix of `path` says the format.

    Raises:
        InputError: it is larger than a JPEG can be.
        OSError: the file cannot be written.
    """
    height, width = picture.shape[:2]
    if Path(path).suffix.lower() in (".jpg", ".jpeg") and max(height, width) > MOST_JPEG_SIDE:
        raise InputError(
            f"{path}: cannot be written, for the picture has {width} x {height} px. Expected at most {MOST_JPEG_SIDE} a side,"
            " the most that a JPEG holds. Cut the image into parts to see it."
        )
    with atomic_path(path) as temporary:
        Image.fromarray(picture).save(temporary, quality=92, subsampling=0)  # a JPEG with sharp colours; others take no notice


def _corners(boxes, size_wh):
    """Returns, per box, its first and last pixel inside an image of `size_wh`: int (x1, y1, x2, y2), x2 >= x1."""
    width, height = size_wh
    edges = np.round(np.asarray(boxes, np.float64).reshape(-1, 4)).astype(np.int64)
    first = np.clip(edges[:, :2], 0, (width - 1, height - 1))
    last = np.clip(edges[:, 2:] - 1, first, (width - 1, height - 1))  # Pillow includes the last pixel, xyxy does not
    return [tuple(row) for row in np.concatenate([first, last], axis=1).tolist()]


def _place_label(size_wh, text, box_corner, size):
    """Places `text` above `box_corner` (x, y), moved as far as needed to stay inside an image of `size_wh`.

    Returns:
        (text, cut where it is wider than the image; its rectangle (left, top, right, bottom), int px).
    """
    image_width, image_height = size_wh
    margin = _margin(size)
    text = _shorten(text, size, image_width - 2 * margin)
    ascent, descent = _font(FONT_PATH, size).getmetrics()
    width = math.ceil(_length(text, size)) + 2 * margin
    height = ascent + descent + 2
    x, y = box_corner
    left = max(0, min(x, image_width - width))
    top = y - height if y >= height else max(0, min(y, image_height - height))
    return text, (left, top, left + width - 1, top + height - 1)


def _draw_label(canvas, text, place, size, color):
    """Draws a text and a filled rectangle of `_place_label`."""
    left, top, _, _ = place
    ascent, _ = _font(FONT_PATH, size).getmetrics()
    canvas.rectangle(place, fill=color)
    x = left + _margin(size)
    for path, letters in split_by_font(text):
        font = _font(path, size)
        canvas.text((x, top + 1 + ascent), letters, fill=text_color(color), font=font, anchor="ls")  # all on one line
        x += font.getlength(letters)


def _margin(size):
    return max(2, round(size / 4))


def _overlap(place, other):
    return place[0] <= other[2] and other[0] <= place[2] and place[1] <= other[3] and other[1] <= place[3]


def _length(text, size):
    """Returns the width of a text of `drawable` in px."""
    return sum(_font(path, size).getlength(letters) for path, letters in split_by_font(text))


def _shorten(text, size, width):
    """Returns `text`, its end replaced by an ellipsis when it is wider than `width` px."""
    if _length(text, size) <= width:
        return text
    kept = len(text) - 1
    while kept > 1 and _length(text[:kept] + "…", size) > width:
        kept -= 1
    return text[:kept] + "…"
