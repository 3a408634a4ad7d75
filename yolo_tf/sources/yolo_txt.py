"""YOLO text labels: one .txt per image, one line per object, in fractions of the image.

    images/train/0007.jpg -> labels/train/0007.txt        <class id> <x centre> <y centre> <width> <height>

`label_files` says where else a label file may lie.
A line with a class id and three or more points (x y x y x y …) is a polygon; its bounding box is taken. With keypoints
behind the box, which `kpt_shape: [number, 2 or 3]` in the YAML announces, the box alone is taken. An
image whose label file is missing or empty is background. Each split is a directory (read with everything
below it), a .txt file with one image path per line, or a list of these.
"""

from collections import Counter

from yolo_tf.errors import InputError, some_of
from yolo_tf.sources.dataset_yaml import find_path
from yolo_tf.sources.faults import collecting
from yolo_tf.sources.image_files import image_ids, usable_image_size
from yolo_tf.sources.label_check import RawLabel, listed_once, make_record, reject_label
from yolo_tf.sources.label_files import YOLO_LABELS, find_label_files, label_path, note_labels_without_image
from yolo_tf.sources.yolo_rows import RowFault, parse_row
from yolo_tf.system.file_lookup import real_file_finder
from yolo_tf.system.image_walk import walk_images
from yolo_tf.system.path_list import read_path_list
from yolo_tf.system.text_file import read_lines

OPTIONS = {"kpt_shape": (list | str, "")}
POSE_SHARE = 0.9  # of rows with a polygon, all of one length: where so many could be keypoints, nobody can tell


def read(source, split, problems):
    """Reads one split; see `yolo_tf.sources.READERS`.

    Raises:
        InputError: no `names`, a missing path, an unusable image, no label file for any image, or a bad label
            when problems.strict.
    """
    if not source.names and problems.labels:
        raise InputError(f"{source.yaml_path}: no class names. Expected `names: [a, b, …]` in the order of the ids. Add them.")
    listed = (path for entry in source.splits[split] for path in _image_paths(source, split, entry, problems))
    paths = listed_once(listed, split, problems, key=real_file_finder())
    label_files = find_label_files(paths, split, problems, YOLO_LABELS) if problems.labels else [None] * len(paths)
    if problems.labels and paths and not any(label_files):
        with collecting(problems, "unlabelled"):
            _refuse_unlabelled(source, split, paths)
    kpt_shape, polygons, records = _keypoint_shape(source), Counter(), []
    for path, label_file, image_id in zip(paths, label_files, image_ids(paths, source.path), strict=True):
        size = usable_image_size(path, problems)
        if size is None:
            continue
        labels = _read_labels(label_file, size, kpt_shape, polygons, problems) if label_file else ()
        records.append(make_record(image_id, path, size, labels, class_names=source.names, problems=problems))
    with collecting(problems, "keypoints"):
        _ask_about_keypoints(source, split, polygons)
    return source.names, records


def _keypoint_shape(source):
    """Returns kpt_shape as `parse_row` takes it."""
    stated = source.options["kpt_shape"]
    if stated in ("", "none"):
        return () if stated else None
    whole = isinstance(stated, list) and [type(number) for number in stated] == [int, int]
    if not whole or stated[0] < 1 or stated[1] not in (2, 3):
        raise InputError(
            f"{source.yaml_path}: kpt_shape: got {stated!r}. Expected [number of keypoints, 2 or 3], or none for polygons."
            " Correct the line."
        )
    return tuple(stated)


def _ask_about_keypoints(source, split, polygons):
    """Raises InputError where rows that pass for polygons are more likely boxes with keypoints.

    `polygons` is (columns of a row, whether it could be one) -> number of rows.
    """
    total, possible = polygons.total(), sum(count for (_, could_be), count in polygons.items() if could_be)
    lengths = {columns for columns, _ in polygons}
    if len(lengths) != 1 or possible < POSE_SHARE * total:
        return
    (columns,) = lengths
    raise InputError(
        f"{source.yaml_path}: {split}: {possible} of {total} rows of {columns} columns look like a box with"
        f" {(columns - 5) // 2} keypoints. Expected `kpt_shape: [{(columns - 5) // 2}, 2]` for these, or `kpt_shape: none` for"
        " polygons. Add one of them."
    )


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
        f" Expected {label_path(paths[0], YOLO_LABELS)} for {paths[0]}."
        " Put the labels there (empty files for images without objects)."
    )


def _image_paths(source, split, entry, problems):
    place = find_path(source, split, entry)
    if place.is_dir():
        walk = walk_images(place)
        problems.notes.extend(walk.notes(split))
        note_labels_without_image(place, (*walk.images, *walk.unread), split, problems, YOLO_LABELS)
        return walk.images
    if place.suffix.lower() != ".txt":
        raise InputError(
            f"{source.yaml_path}: {split}: '{entry}' is no directory and no .txt list. Expected one of them. Correct the line."
        )
    paths, note = read_path_list(place, (place.parent, source.path))
    problems.notes.extend([f"{split}: {note}"] if note else [])
    return paths


def _read_labels(path, size, kpt_shape, polygons, problems):
    """Yields the RawLabels of one label file and counts `polygons`; lines that cannot be read are rejected."""
    lines, first = [], ""  # first: the place of the first polygon
    with collecting(problems, "unreadable"):
        lines = read_lines(path)
    for number, line in enumerate(lines, start=1):
        columns = line.split()
        if not columns:
            continue
        where = f"{path}:{number}"
        try:
            class_id, (x1, y1, x2, y2), could_be_pose = parse_row(columns, kpt_shape)
        except RowFault as fault:
            reject_label(problems, where, str(fault), fault.kind)
            continue
        if could_be_pose is not None:
            polygons[len(columns), could_be_pose] += 1
            if problems.collected is not None:
                first = first or where
                problems.collected.polygons[first] = problems.collected.polygons.get(first, 0) + 1
        height, width = size
        yield RawLabel(where, class_id, (x1 * width, y1 * height, x2 * width, y2 * height))
