"""Shards written by `yolo-tf pack`: a few TFRecord files instead of many image files.

    format: tfrecord
    path: .                # of the directories of the splits
    train: train           # a directory with shards and their index.json
    val: val

A shard holds one tf.train.Example per image: the bytes of its file, its size and its labels, under the names that
TensorFlow's object detection formats use. The index repeats all but the bytes, with the place of each image, so that
nothing else is read at the start of a run, and any image can be read alone.
"""

import dataclasses
import json
from pathlib import PurePath

from yolo_tf.errors import InputError
from yolo_tf.sources.dataset_yaml import find_path
from yolo_tf.sources.label_check import RawLabel, make_record
from yolo_tf.system.atomic import write_text
from yolo_tf.system.class_names import clean_names
from yolo_tf.system.image_formats import MOST_PIXELS

OPTIONS = {}
INDEX = "index.json"
INDEX_VERSION = 1


def read(source, split, problems):
    """Reads one split; see `yolo_tf.sources.READERS`. Opens the index and no shard.

    Raises:
        InputError: a missing directory or shard, a shard of another length than it was written with, an index that is
            none or of a newer version, classes that differ between directories.
    """
    class_names, records = source.names, []
    for entry in source.splits[split]:
        directory = find_path(source, split, entry)
        index = _read_index(directory / INDEX)
        names = clean_names(index["class_names"], directory / INDEX)
        if class_names and names != class_names:
            raise InputError(
                f"{directory / INDEX}: the classes are {list(names)[:10]}. Expected {list(class_names)[:10]}, as"
                f" {source.yaml_path} or another directory of the split says. Pack them with the same `names`."
            )
        class_names = names
        shards = [_check_shard(directory / shard["name"], shard["bytes"]) for shard in index["shards"]]
        for row in index["images"]:
            where = f"{directory / INDEX}: image {row['id']}"
            labels = [
                RawLabel(f"{where}, object {number}", class_id, tuple(box), bool(crowd))
                for number, (class_id, crowd, *box) in enumerate(row["labels"])
            ]
            size = (row["height"], row["width"])
            record = make_record(row["id"], shards[row["shard"]], size, labels, class_names=names, problems=problems)
            records.append(dataclasses.replace(record, byte_offset=row["offset"], orientation=row.get("orientation")))
    return class_names, records


def read_class_names(directory):
    """Returns the class names of a directory of shards."""
    return clean_names(_read_index(directory / INDEX)["class_names"], directory / INDEX)


def write_index(directory, class_names, shards, images):
    """Writes the index of a directory of shards.

    Args:
        directory, class_names: where the shards are; the names in the order of their ids.
        shards: list of (file name, bytes).
        images: list of (ImageRecord, number of its shard, byte offset of its record there).
    """
    document = {
        "index_version": INDEX_VERSION,
        "class_names": list(class_names),
        "shards": [{"name": name, "bytes": size} for name, size in shards],
        "images": [
            {
                "id": record.image_id,
                "shard": shard,
                "offset": offset,
                "height": record.height,
                "width": record.width,
                "orientation": record.orientation,
                "labels": [
                    [int(class_id), int(crowd), *box]
                    for class_id, crowd, box in zip(record.class_ids, record.is_crowd, record.boxes.tolist(), strict=True)
                ],
            }
            for record, shard, offset in images
        ],
    }
    write_text(directory / INDEX, json.dumps(document, ensure_ascii=False) + "\n")


def _read_index(path):
    fix = "Expected the index that `yolo-tf pack` writes. Pack the data again."
    try:
        index = json.loads(path.read_bytes())
        version = index["index_version"]
    except FileNotFoundError as error:
        raise InputError(f"{path}: does not exist. {fix}") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}). {fix}") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(f"{path}: is no index of packed data ({error}). {fix}") from error
    if version != INDEX_VERSION:
        raise InputError(
            f"{path}: is of version {version}. Expected {INDEX_VERSION}. Read it with the version of yolo_tf that packed it,"
            " or pack the data again."
        )
    fault = _index_fault(index)
    if fault:
        raise InputError(f"{path}: is no index of packed data ({fault}). {fix}")
    return index


def _index_fault(index):
    """Returns what is of the wrong kind or out of range in an index, as JSON has it, or ""."""
    names, shards, images = (index.get(key) for key in ("class_names", "shards", "images"))
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
        return f"class_names: {str(names)[:60]} are no names, each once"
    if not isinstance(shards, list) or not all(map(_is_shard, shards)):
        return f"shards: {str(shards)[:60]} are no names and bytes of files beside it"
    if not isinstance(images, list):
        return f"images: {str(images)[:60]} is no list"
    for number, row in enumerate(images):
        fault = _image_fault(row, shards) if isinstance(row, dict) else f"{str(row)[:60]} is no mapping"
        if fault:
            return f"images: entry {number}: {fault}"
    return ""


def _is_shard(row):
    name = row.get("name") if isinstance(row, dict) else None
    return isinstance(name, str) and PurePath(name).name == name and "\0" not in name and _is_whole(row.get("bytes"), 1)


def _image_fault(row, shards):
    """Returns what is wrong with the entry of one image, or ""."""
    if not isinstance(row.get("id"), str):
        return f"id {row.get('id')!r} is no text"
    shard, offset = row.get("shard"), row.get("offset")
    if not _is_whole(shard, 0) or shard >= len(shards):
        return f"shard {shard!r} is none of {len(shards)}"
    if not _is_whole(offset, 0) or offset >= shards[shard]["bytes"]:
        return f"offset {offset!r} is not in a shard of {shards[shard]['bytes']} bytes"
    height, width, orientation, labels = (row.get(key) for key in ("height", "width", "orientation", "labels"))
    if not _is_whole(height, 1) or not _is_whole(width, 1) or height * width > MOST_PIXELS:
        return f"height and width {height!r} x {width!r} are no size of an image"
    if orientation is not None and not (_is_whole(orientation, 1) and orientation <= 8):
        return f"orientation {orientation!r} is not in 1..8"
    if not isinstance(labels, list):
        return f"labels: {str(labels)[:60]} is no list"
    bad = next((str(label)[:60] for label in labels if not _is_label(label)), "")
    return f"label {bad} is not class id, crowd 0 or 1 and four numbers" if bad else ""


def _is_label(label):
    """Returns whether a value is [class id, crowd, x1, y1, x2, y2]; `make_record` looks at the numbers."""
    if type(label) is not list or len(label) != 6 or type(label[0]) is not int or label[1] not in (0, 1):
        return False
    return all(type(side) is float or (type(side) is int and abs(side) < 2**53) for side in label[2:])


def _is_whole(value, least):
    return type(value) is int and least <= value < 2**63


def _check_shard(path, size):
    """Returns the path of a shard that is there and whole."""
    found = path.stat().st_size if path.is_file() else None
    if found != size:
        state = "does not exist" if found is None else f"has {found} bytes"
        raise InputError(f"{path}: {state}. Expected {size} bytes. Copy the shard again, or pack the data again.")
    return path
