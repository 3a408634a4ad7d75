"""YOLO text labels: one .txt per image, one line per object, in fractions of the image.

    images/train/0007.jpg -> labels/train/0007.txt        <class id> <x centre> <y centre> <width> <height>

`label_files` says where else a label file may lie.
A line with a class id and three or more points (x y x y x y …) is a polygon; its bounding box is taken. An
image whose label file is missing or empty is background. Each split is a directory (read with everything
below it), a .txt file with one image path per line, or a list of these.
"""

import math
import os
from pathlib import Path

from yolo_tf.errors import InputError, some_of
from yolo_tf.sources.dataset_yaml import find_path
from yolo_tf.sources.image_files import image_ids, usable_image_size
from yolo_tf.sources.label_check import RawLabel, listed_once, make_record, reject_label
from yolo_tf.sources.label_files import find_label_files, label_path, note_labels_without_image
from yolo_tf.system.file_lookup import written_path
from yolo_tf.system.image_walk import walk_images
from yolo_tf.system.text_file import read_lines

OPTIONS = {}


def read(source, split, problems):
    """Reads one split; see `yolo_tf.sources.READERS`.

    Raises:
        InputError: no `names`, a missing path, an unusable image, no label file for any image, or a bad label
            when problems.strict.
    """
    if not source.names:
        raise InputError(f"{source.yaml_path}: no class names. Expected `names: [a, b, …]` in the order of the ids. Add them.")
    listed = (path for entry in source.splits[split] for path in _image_paths(source, split, entry, problems))
    paths = listed_once(listed, split, problems)
    label_files = find_label_files(paths, split, problems)
    if paths and not any(label_files):
        _refuse_unlabelled(source, split, paths)
    records = []
    for path, label_file, image_id in zip(paths, label_files, image_ids(paths, source.path), strict=True):
        size = usable_image_size(path, problems)
        if size is None:
            continue
        labels = _read_labels(label_file, size, problems) if label_file else ()
        records.append(make_record(image_id, path, size, labels, class_names=source.names, problems=problems))
    return source.names, records


def _refuse_unlabelled(source, split, paths):
    """Raises InputError for a split without any label file; for images that are missing too, as that comes first."""
    missing = [path for path in paths if not path.exists()]
    if missing:
        raise InputError(
            f"{source.yaml_path}: {split}: {len(missing)} of {len(paths)} listed images do not exist: {some_of(missing)}."
            " Expected paths from the list or from `path`. Correct the list or give data.path=DIR."
        )
    raise InputError(
        f"{source.yaml_path}: {split}: not one of {len(paths)} images has a label file."
        f" Expected {label_path(paths[0])} for {paths[0]}. Put the labels there (empty files for images without objects)."
    )


def _image_paths(source, split, entry, problems):
    place = find_path(source, split, entry)
    if place.is_dir():
        walk = walk_images(place)
        problems.notes.extend(walk.notes(split))
        note_labels_without_image(place, (*walk.images, *walk.unread), split, problems)
        return walk.images
    if place.suffix.lower() != ".txt":
        raise InputError(
            f"{source.yaml_path}: {split}: '{entry}' is no directory and no .txt list. Expected one of them. Correct the line."
        )
    # A relative path starts at the directory of the list or, where nothing lies there, at the root of the data.
    names = [line.strip() for line in read_lines(place) if line.strip()]
    beside = ((name, written_path(place.parent, name)) for name in names)
    paths = (path if path.exists() else written_path(source.path, name) for name, path in beside)
    return [Path(os.path.normpath(path)) if ".." in path.parts else path for path in paths]  # one name for each


def _read_labels(path, size, problems):
    """Yields the RawLabels of one label file; lines that cannot be read are rejected."""
    for number, line in enumerate(read_lines(path), start=1):
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
