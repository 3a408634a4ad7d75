"""COCO instances JSON: all labels of a split in one file, boxes as x, y, width, height in pixels.

    format: coco
    path: ../../datasets/coco
    train: annotations/instances_train2017.json
    val: annotations/instances_val2017.json
    images: {train: train2017, val: val2017}     # or one directory for all; default: path itself or beside the JSON

Class ids count up in the order of the category ids, or follow `names` where the YAML has them. An
annotation with iscrowd = 1 becomes a crowd box. An image without annotations is background.
Format: https://cocodataset.org/#format-data
"""

import json
from pathlib import PurePath

from yolo_tf.errors import InputError, did_you_mean, some_of
from yolo_tf.sources.dataset_yaml import find_path
from yolo_tf.sources.faults import collecting
from yolo_tf.sources.image_files import usable_image_size
from yolo_tf.sources.label_check import Problems, RawLabel, make_record, reject_label, upright_labels
from yolo_tf.sources.stated_flag import stated_flag
from yolo_tf.sources.stated_size import stated_size
from yolo_tf.system.class_names import clean_name
from yolo_tf.system.file_lookup import real_file_finder, written_name
from yolo_tf.system.text_file import read_text

ID_KINDS = (int, float, str)  # of what JSON holds; ids are looked up
OPTIONS = {"images": (str | dict, "")}


def read(source, split, problems):
    """Reads one split; see `yolo_tf.sources.READERS`. The image id is the file name without suffix.

    Raises:
        InputError: a missing path, a broken JSON file, an unusable image or one of another size than the JSON
            says, or a bad label when problems.strict.
    """
    if len(source.splits[split]) != 1:
        raise InputError(
            f"{source.yaml_path}: {split}: {len(source.splits[split])} files. Expected one COCO JSON file per split."
        )
    json_path = find_path(source, split, source.splits[split][0])
    images, annotations, categories = _read_json(json_path)
    named = {row["id"]: row["name"] for row in sorted(categories, key=lambda row: (isinstance(row["id"], str), row["id"]))}
    category_names = {number: clean_name(name, f"{json_path}: category {number}") for number, name in named.items()}
    class_names = source.names or tuple(category_names.values())
    if len(set(class_names)) < len(class_names):
        raise InputError(f"{json_path}: categories: names repeat. Expected each name once. Rename one.")
    directory = _image_directory(source, split, json_path, images)
    labels = {image["id"]: [] for image in images}
    for annotation in annotations:
        where = f"{json_path}: annotation {annotation.get('id')}"
        kind, fault = _fault(annotation, labels, category_names, class_names)
        if fault:
            reject_label(problems, where, fault, kind)
            continue
        class_id = class_names.index(category_names[annotation["category_id"]])
        x, y, width, height = annotation["bbox"]
        label = RawLabel(where, class_id, (x, y, x + width, y + height), stated_flag(annotation.get("iscrowd")))
        labels[annotation["image_id"]].append(label)
    records = []
    for name, entries in _by_file(images, directory, f"{split}: {json_path}", problems).items():
        path = directory / name
        size = usable_image_size(path, problems)
        if size is None:
            continue
        found = []
        for image in entries:
            stated, where = stated_size(image.get("height"), image.get("width")), f"{json_path}: image {image['id']}"
            with collecting(problems, "stated_size", where):
                found += upright_labels(labels[image["id"]], path, stated=stated, size=size, where=where, problems=problems)
        image_id = name.with_suffix("").as_posix()
        records.append(make_record(image_id, path, size, found, class_names=class_names, problems=problems))
    return class_names, records


def image_entries(source, split):
    """Returns (the whole document of a split, {path of an image file as text: its entries in `images`}); raises as `read`."""
    json_path = find_path(source, split, source.splits[split][0])
    images, _, _ = _read_json(json_path)
    directory = _image_directory(source, split, json_path, images)
    files = _by_file(images, directory, str(json_path), Problems(strict=False))
    document = json.loads(read_text(json_path, expected="a COCO instances file"))
    return document, {str(directory / name): entries for name, entries in files.items()}


def _by_file(images, directory, where, problems):
    """Returns the path of each file from `directory` -> its entries: as many as there were tasks that had the picture."""
    real_file, files, names = real_file_finder(), {}, {}
    for image in images:
        name = PurePath(written_name(directory, image["file_name"]))
        first = names.setdefault(real_file(directory / name), name)
        files.setdefault(first, []).append(image)
    repeated = [name for name, entries in files.items() if len(entries) > 1]
    if repeated:
        problems.notes.append(
            f"{where}: {len(repeated)} images are listed more than once: {some_of(repeated)}."
            " Each counts once, with the objects of all its entries."
        )
    return files


def _read_json(json_path):
    try:
        document = json.loads(read_text(json_path, expected="a COCO instances file"))
    except InputError:
        raise
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"{json_path}: is not valid JSON ({error}). Expected a COCO instances file. Correct or replace it."
        ) from error
    needed = {"images": ("id", "file_name"), "annotations": (), "categories": ("id", "name")}
    for key, fields in needed.items():
        rows = document.get(key) if isinstance(document, dict) else None
        if not isinstance(rows, list) or not all(isinstance(row, dict) and all(field in row for field in fields) for row in rows):
            entries = f" of entries with {' and '.join(fields)}" if fields else ""
            raise InputError(f"{json_path}: no list '{key}'{entries}. Expected a COCO instances file. Correct or replace it.")
    for key in ("images", "categories"):
        ids = [row["id"] for row in document[key]]
        other = next((number for number in ids if not isinstance(number, ID_KINDS)), "")
        if other != "":
            raise InputError(f"{json_path}: {key}: id {other!r} is no number. Expected each entry to have one. Number them.")
        if len(set(ids)) < len(ids):
            raise InputError(f"{json_path}: {key}: ids repeat. Expected each id once. Renumber them.")
    for row in document["images"]:
        name = row["file_name"]
        if not isinstance(name, str) or not name.strip() or "\0" in name:
            raise InputError(
                f"{json_path}: images: file_name {name!r} of image {row['id']} is no name of a file. Expected text. Correct it."
            )
    return tuple(document[key] for key in needed)


def _image_directory(source, split, json_path, entries):
    images = source.options["images"]
    if isinstance(images, dict):
        if split not in images:
            raise InputError(
                f"{source.yaml_path}: images: no line for {split}.{did_you_mean(split, images)}"
                f" Expected {split}: DIRECTORY. Add it."
            )
        images = str(images[split])
    if images or not entries:
        return find_path(source, "images", images)
    names = [entry["file_name"] for entry in entries]
    for directory in (find_path(source, "images", ""), json_path.parent):  # the latter as Roboflow has them
        if any((directory / written_name(directory, name)).exists() for name in names):
            return directory
    raise InputError(
        f"{source.yaml_path}: images: is not given, and none of {len(names)} images ({some_of(names, most=1)}) is in"
        f" {source.path} or beside {json_path}. Expected the directory of the images. Add `images: DIRECTORY`."
    )


def _is_number(value):
    """Returns whether a value of JSON is a number that fits into 64 bits."""
    return type(value) is float or (type(value) is int and abs(value) < 2**63)


def _fault(annotation, labels, category_names, class_names):
    """Returns (kind, text) of what is wrong with an annotation, or two empty texts."""
    image_id, category_id, bbox = (annotation.get(key) for key in ("image_id", "category_id", "bbox"))
    if not isinstance(image_id, ID_KINDS) or image_id not in labels:
        return "no_image", f"image_id {image_id} is not among the images. Expected the id of one. Correct or remove it."
    if not isinstance(category_id, ID_KINDS) or category_id not in category_names:
        expected = f"Expected one of {list(category_names)[:10]}. Correct it."
        return "class", f"category_id {category_id} is not among the categories. {expected}"
    if category_names[category_id] not in class_names:
        return "class", (
            f"category '{category_names[category_id]}' is not among {list(class_names)[:10]}. Expected one of these."
            " Correct it or add the name to the data set YAML."
        )
    if not isinstance(bbox, list) or len(bbox) != 4 or not all(map(_is_number, bbox)):
        return "numbers", f"bbox {bbox} is not four numbers. Expected [x, y, width, height] in pixels. Correct it."
    try:
        stated_flag(annotation.get("iscrowd"))
    except ValueError as error:
        return "flag", f"iscrowd {error} Correct it."
    return "", ""
