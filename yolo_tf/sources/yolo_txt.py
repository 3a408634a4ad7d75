"""YOLO text labels: one .txt per image, one line per object, in fractions of the image.

    images/train/0007.jpg -> labels/train/0007.txt        <class id> <x centre> <y centre> <width> <height>

A line with a class id and three or more points (x y x y x y …) is a polygon; its bounding box is taken. An
image whose label file is missing or empty is background. Each split is a directory (read with everything
below it), a .txt file with one image path per line, or a list of these.
"""

import math
from pathlib import Path

from yolo_tf.errors import InputError
from yolo_tf.sources.dataset_yaml import find_path
from yolo_tf.sources.image_files import image_ids, list_images, usable_image_size
from yolo_tf.sources.label_check import RawLabel, listed_once, make_record, reject_label

OPTIONS = {}


def read(source, split, problems):
    """Reads one split; see `yolo_tf.sources.READERS`.

    Raises:
        InputError: no `names`, a missing path, an unusable image, no label file for any image, or a bad label
            when problems.strict.
    """
    if not source.names:
        raise InputError(f"{source.yaml_path}: no class names. Expected `names: [a, b, …]` in the order of the ids. Add them.")
    listed = (path for entry in source.splits[split] for path in _image_paths(source, split, entry))
    paths = listed_once(listed, split, problems)
    if paths and not any(label_path(path).exists() for path in paths):
        raise InputError(
            f"{source.yaml_path}: {split}: not one of {len(paths)} images has a label file."
            f" Expected {label_path(paths[0])} for {paths[0]}. Put the labels there (empty files for images without objects)."
        )
    records = []
    for path, image_id in zip(paths, image_ids(paths, source.path), strict=True):
        size = usable_image_size(path, problems)
        if size is None:
            continue
        labels = _read_labels(label_path(path), size, problems)
        records.append(make_record(image_id, path, size, labels, class_names=source.names, problems=problems))
    return source.names, records


def label_path(image_path):
    """Returns the label file of an image: the last `images` directory becomes `labels`; without one, it lies beside."""
    parts = list(image_path.parts)
    if "images" in parts[:-1]:
        last = len(parts) - 2 - parts[:-1][::-1].index("images")
        parts[last] = "labels"
    return Path(*parts).with_suffix(".txt")


def _image_paths(source, split, entry):
    place = find_path(source, split, entry)
    if place.is_dir():
        return list_images(place)
    if place.suffix != ".txt":
        raise InputError(
            f"{source.yaml_path}: {split}: '{entry}' is no directory and no .txt list. Expected one of them. Correct the line."
        )
    # A relative path starts at the directory of the list or, where nothing lies there, at the root of the data.
    names = [line.strip() for line in _read_text(place).splitlines() if line.strip()]
    return [place.parent / name if (place.parent / name).exists() else source.path / name for name in names]


def _read_labels(path, size, problems):
    """Yields the RawLabels of one label file; lines that cannot be read are rejected."""
    if not path.exists():
        return
    for number, line in enumerate(_read_text(path).splitlines(), start=1):
        columns = line.split()
        if not columns:
            continue
        where = f"{path}:{number}"
        try:
            class_id, (x1, y1, x2, y2) = _parse(columns)
        except ValueError as error:
            reject_label(problems, f"{where}: {error}")
            continue
        height, width = size
        yield RawLabel(where, class_id, (x1 * width, y1 * height, x2 * width, y2 * height))


def _parse(columns):
    """Returns (class id, box xyxy in fractions of the image); raises ValueError saying what is wrong with the row."""
    if len(columns) != 5 and (len(columns) < 7 or len(columns) % 2 == 0):
        raise ValueError(
            f"{len(columns)} columns. Expected 5 (class x y width height) or a class and 3 or more points. Correct the line."
        )
    shown = " ".join(columns)[:60]
    try:
        class_id, *values = (float(column) for column in columns)
    except ValueError:
        raise ValueError(f"'{shown}' is not all numbers. Expected class x y width height. Correct the line.") from None
    if not class_id.is_integer():
        raise ValueError(f"class id {columns[0]} is no whole number. Expected 0, 1, …. Correct the line.")
    if not all(math.isfinite(value) for value in values):
        raise ValueError(f"'{shown}' holds a value that is not finite. Expected numbers. Correct the line.")
    if max(values) > 2:  # far beyond rounding: pixels
        raise ValueError(
            f"coordinate {max(values):g} is no fraction of the image. Expected 0..1. Divide pixels by width and height."
        )
    if len(values) > 4:  # a polygon
        return int(class_id), (min(values[0::2]), min(values[1::2]), max(values[0::2]), max(values[1::2]))
    x, y, width, height = values
    return int(class_id), (x - width / 2, y - height / 2, x + width / 2, y + height / 2)


def _read_text(path):
    try:
        return path.read_text(encoding="utf-8-sig")  # with or without the mark that Windows editors put in front
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is no text file ({error.reason}). Expected UTF-8 text. Save it again as UTF-8.") from error
