"""TensorFlow Datasets: voc/2007, coco/2017 and any data set with `image` and `objects` features.

    format: tfds
    name: voc/2007
    path: ~/tensorflow_datasets       # where TensorFlow Datasets keeps its data (its data_dir)
    train: train+validation           # its split names, slices such as train[:80%] included
    val: test
    images: ~/voc_images              # optional: where image files go; default: path/yolo_tf_images
    download: false                   # true: fetch the data when they are not in path

`objects` needs `bbox` and `label`; `is_crowd` and `is_difficult`, where present, mark crowd boxes. The first
reading writes the encoded images, unchanged, as files; later readings find them there, until the files of the data
set have another size or time: then they are written anew.
"""

import json
import re
from pathlib import Path, PurePath

from yolo_tf.errors import InputError
from yolo_tf.sources.image_files import image_ids, usable_image_size
from yolo_tf.sources.label_check import RawLabel, make_record
from yolo_tf.system.atomic import atomic_path
from yolo_tf.system.class_names import clean_names

SOURCE = "source.json"  # beside the images: what they were taken from
OPTIONS = {"name": (str, ""), "images": (str, ""), "download": (bool, False)}


def read(source, split, problems):
    """Reads one split; see `yolo_tf.sources.READERS`. The image id is `image/filename` without suffix, or the position.

    Raises:
        InputError: no such data set or split, data not there, features that do not fit, a bad label when
            problems.strict.
    """
    builder = _open_builder(source)
    class_names = _class_names(builder, source)
    tfds_split = "+".join(source.splits[split])
    examples = _open_examples(builder, tfds_split, source, split)
    images_root = Path(source.options["images"] or "yolo_tf_images").expanduser()
    directory = source.path / images_root / builder.info.full_name / re.sub(r"[^\w.+-]", "_", tfds_split)
    state = _state(builder)
    if _read_state(directory) != state:
        with atomic_path(directory) as temporary:
            temporary.mkdir()
            for index, example in enumerate(examples):
                (temporary / f"{index:06d}{_suffix(example)}").write_bytes(example["image"])
            (temporary / SOURCE).write_text(json.dumps(state, indent=2) + "\n", encoding="utf-8")
    names, paths, objects = [], [], []
    for index, example in enumerate(examples):
        paths.append(directory / f"{index:06d}{_suffix(example)}")
        names.append(PurePath(example["image/filename"].decode() if "image/filename" in example else paths[-1].name))
        objects.append(example["objects"])
    records = []
    for index, image_id in enumerate(image_ids(names, PurePath("/"))):
        size = usable_image_size(paths[index], problems)
        if size is None:
            continue
        labels = _raw_labels(objects[index], size, f"{builder.info.full_name} {tfds_split}: example {index}")
        records.append(make_record(image_id, paths[index], size, labels, class_names=class_names, problems=problems))
    return class_names, records


def _state(builder):
    """Returns {file of the prepared data set: [bytes, time of its last change in ns]}, which tells sets of one version apart."""
    import tensorflow as tf

    names = sorted(name for name in tf.io.gfile.listdir(builder.data_dir) if not name.endswith("/"))
    stats = [tf.io.gfile.stat(tf.io.gfile.join(builder.data_dir, name)) for name in names]
    return {name: [stat.length, stat.mtime_nsec] for name, stat in zip(names, stats, strict=True)}


def _read_state(directory):
    """Returns the state that the images in `directory` were taken from; None where there are none, or of an earlier version."""
    try:
        return json.loads((directory / SOURCE).read_bytes())
    except (FileNotFoundError, ValueError):
        return None


def _open_builder(source):
    if not source.options["name"]:
        raise InputError(
            f"{source.yaml_path}: no data set name. Expected `name: voc/2007` or another TensorFlow Datasets name. Add it."
        )
    import tensorflow_datasets

    name, data_dir = source.options["name"], str(source.path)
    try:
        builder = tensorflow_datasets.builder(name, data_dir=data_dir)
    except (tensorflow_datasets.core.registered.DatasetNotFoundError, ValueError, AttributeError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InputError(
            f"{source.yaml_path}: name: '{name}' cannot be opened in {data_dir} ({reason})."
            " Expected a name from https://www.tensorflow.org/datasets or a data set built in `path`. Correct name or path."
        ) from error
    if source.options["download"]:
        builder.download_and_prepare()
    if not builder.is_prepared():
        raise InputError(
            f"{source.yaml_path}: {name} is not in {data_dir}. Expected downloaded data."
            f" Fetch them once with `python -c \"import tensorflow_datasets as t; t.builder('{name}', data_dir='{data_dir}')"
            '.download_and_prepare()"`, or write `download: true`.'
        )
    return builder


def _class_names(builder, source):
    features = builder.info.features
    try:
        names = clean_names(features["objects"]["label"].names, f"{source.yaml_path}: {builder.info.full_name}")
        fits = "image" in features and "bbox" in features["objects"].feature
    except (KeyError, TypeError, AttributeError):
        fits = False
    if not fits:
        raise InputError(
            f"{source.yaml_path}: {builder.info.full_name} has the features {', '.join(features)}."
            " Expected image, objects/bbox and objects/label with class names. Choose a detection data set."
        )
    if source.names and names == tuple(map(str, range(len(source.names)))):  # classes that are only numbered
        return source.names
    if source.names and source.names != names:
        raise InputError(
            f"{source.yaml_path}: names: {list(source.names)[:10]} differ from {builder.info.full_name}."
            f" Expected {list(names)[:10]}. Remove the line; to select classes use data.classes."
        )
    return names


def _open_examples(builder, tfds_split, source, split):
    """Returns the examples as numpy, images still encoded, in the same order at every reading."""
    import tensorflow_datasets

    try:
        examples = builder.as_dataset(
            split=tfds_split, shuffle_files=False, decoders={"image": tensorflow_datasets.decode.SkipDecoding()}
        )
    except (ValueError, KeyError) as error:
        raise InputError(
            f"{source.yaml_path}: {split}: {builder.info.full_name} has no split '{tfds_split}'."
            f" Expected one of: {', '.join(builder.info.splits)}, or a slice of one. Correct the line."
        ) from error
    return tensorflow_datasets.as_numpy(examples)


def _suffix(example):
    return ".png" if example["image"].startswith(b"\x89PNG") else ".jpg"


def _raw_labels(objects, size, where):
    height, width = size
    crowd = [key for key in ("is_crowd", "is_difficult") if key in objects]
    for number, (box, label) in enumerate(zip(objects["bbox"], objects["label"], strict=True)):
        ymin, xmin, ymax, xmax = (float(value) for value in box)  # fractions of the image
        yield RawLabel(
            f"{where}, object {number}",
            int(label),
            (xmin * width, ymin * height, xmax * width, ymax * height),
            any(bool(objects[key][number]) for key in crowd),
        )
