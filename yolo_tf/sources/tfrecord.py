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

from yolo_tf.errors import InputError
from yolo_tf.sources.dataset_yaml import find_path
from yolo_tf.sources.label_check import RawLabel, make_record
from yolo_tf.system.atomic import write_text
from yolo_tf.system.class_names import clean_names

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
            labels = [RawLabel(where, class_id, tuple(box), bool(crowd)) for class_id, crowd, *box in row["labels"]]
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
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: is no index of packed data ({error}). {fix}") from error
    if version != INDEX_VERSION:
        raise InputError(
            f"{path}: is of version {version}. Expected {INDEX_VERSION}. Read it with the version of yolo_tf that packed it,"
            " or pack the data again."
        )
    return index


def _check_shard(path, size):
    """Returns the path of a shard that is there and whole."""
    found = path.stat().st_size if path.is_file() else None
    if found != size:
        state = "does not exist" if found is None else f"has {found} bytes"
        raise InputError(f"{path}: {state}. Expected {size} bytes. Copy the shard again, or pack the data again.")
    return path
