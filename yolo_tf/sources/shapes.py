"""The generated data set: textured, overlapping shapes at many scales. Needs no download, exact by construction.

    format: shapes
    path: ../../datasets/shapes
    train: 600          # how many pictures
    val: 100
    seed: 0
    image_size: 320     # px, about: the sides of a picture vary from 0.75 to 1.25 of it
    max_objects: 8

The first reading paints all splits into `path` as a complete YOLO data set: images/, labels/, data.yaml, and
shapes.json with the options. Later readings find it there; other options in the YAML paint it anew. Picture i
of a split depends on the seed, the split and i alone, so more pictures leave the earlier ones as they are.
"""

import dataclasses
import json
import zlib

import numpy as np
from PIL import Image

from yolo_tf.errors import InputError
from yolo_tf.sources import yolo_txt
from yolo_tf.sources.shape_painting import CLASS_NAMES, paint_scene
from yolo_tf.system.atomic import atomic_path

OPTIONS = {"seed": (int, 0), "image_size": (int, 320), "max_objects": (int, 8)}
MARKER = "shapes.json"
GENERATOR = 1  # raise when the pictures change: data sets painted by an older generator are painted anew


def read(source, split, problems):
    """Reads one split, painting the data set first where needed; see `yolo_tf.sources.READERS`.

    Raises:
        InputError: a split that is no number, an option out of range, or a `path` that holds something else.
    """
    if source.names not in ((), CLASS_NAMES):
        raise InputError(
            f"{source.yaml_path}: names: got {list(source.names)}. Expected {list(CLASS_NAMES)} or no line. Remove it."
        )
    for option, least in (("seed", 0), ("image_size", 64), ("max_objects", 1)):
        if source.options[option] < least:
            raise InputError(
                f"{source.yaml_path}: {option}: got {source.options[option]}. Expected {least} or more. Correct the line."
            )
    wanted = {"generator": GENERATOR, **source.options, "counts": {name: _count(source, name) for name in source.splits}}
    if _painted(source) != wanted:
        _paint(source.path, wanted)
    places, options = {split: (f"images/{split}",)}, {"kpt_shape": "none"}
    as_yolo = dataclasses.replace(source, splits=places, names=CLASS_NAMES, options=options)
    return yolo_txt.read(as_yolo, split, problems)


def _count(source, split):
    entries = source.splits[split]
    if len(entries) != 1 or not entries[0].isdecimal() or int(entries[0]) == 0:
        raise InputError(
            f"{source.yaml_path}: {split}: got {', '.join(entries)}. Expected how many pictures, 1 or more. Correct the line."
        )
    return int(entries[0])


def _painted(source):
    """Returns the options of the data set at `path`, None where there is nothing yet."""
    try:
        options = json.loads((source.path / MARKER).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        options = None
    if isinstance(options, dict) and "generator" in options:
        return options
    if source.path.exists() and (not source.path.is_dir() or any(source.path.iterdir())):
        raise InputError(
            f"{source.yaml_path}: path: {source.path} holds files that are no generated shapes."
            " Expected a new or empty directory. Choose another path."
        )
    return None


def _paint(directory, options):
    with atomic_path(directory) as temporary:
        for split, count in options["counts"].items():
            for kind in ("images", "labels"):
                (temporary / kind / split).mkdir(parents=True)
            for index in range(count):
                rng = np.random.default_rng([options["seed"], zlib.crc32(split.encode()), index])
                height, width = (int(options["image_size"] * factor) for factor in rng.uniform(0.75, 1.25, 2))
                image, boxes, class_ids = paint_scene(rng, height=height, width=width, max_objects=options["max_objects"])
                Image.fromarray(image).save(temporary / "images" / split / f"{index:06d}.jpg", quality=92)
                rows = np.hstack([(boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]]) / ([width, height] * 2)
                table = np.column_stack([class_ids, rows])
                np.savetxt(temporary / "labels" / split / f"{index:06d}.txt", table, fmt=["%d"] + 4 * ["%.7f"])
        splits = "".join(f"{split}: images/{split}\n" for split in options["counts"])
        (temporary / "data.yaml").write_text(f"path: .\n{splits}names: [{', '.join(CLASS_NAMES)}]\n", encoding="utf-8")
        (temporary / MARKER).write_text(json.dumps(options, indent=2) + "\n", encoding="utf-8")
