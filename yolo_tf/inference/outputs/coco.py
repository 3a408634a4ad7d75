"""coco.json: what was found as a data set in the format of COCO, which pycocotools and labelling tools load.

Source: cocodataset.org, "Data format" and "Results format": boxes are x, y, width, height.
"""

import contextlib
from pathlib import Path

from yolo_tf.inference.outputs.spec import Output
from yolo_tf.system.atomic import write_json

NAME = "coco.json"


@contextlib.contextmanager
def open_writer(run):
    """Yields the function that collects rows of images; a run that stops writes nothing."""
    ids, images, annotations = image_ids(run.paths), [], []

    def append(rows):
        for row in rows:
            if "error" in row:
                continue
            path = Path(row["path"])
            images.append({"id": ids[path], "file_name": row["path"], "width": row["width"], "height": row["height"]})
            for found in map(_annotation, row["detections"]):
                if found["area"] > 0:  # what touches the image with its edge alone is no object in it
                    annotations.append({"id": len(annotations) + 1, "image_id": ids[path], **found})

    yield append
    categories = [{"id": number, "name": name} for number, name in enumerate(run.class_names)]
    write_json(run.out / NAME, {"images": images, "annotations": annotations, "categories": categories})


def image_ids(paths):
    """Returns {path: id}: the numbers that the files are called, as COCO's are, where all are numbers; otherwise 1, 2, 3 ...

    Example: 000000000139.jpg, 000000000285.jpg -> 139, 285.
    """
    stems = [path.stem for path in paths]
    numbers = [int(stem) for stem in stems if stem.isascii() and stem.isdigit()]
    named = len(set(numbers)) == len(paths)
    return dict(zip(paths, numbers if named else range(1, len(paths) + 1), strict=True))


def _annotation(found):
    x1, y1, x2, y2 = found["box"]
    width, height = round(x2 - x1, 3), round(y2 - y1, 3)
    return {
        "category_id": found["class_id"],
        "bbox": [x1, y1, width, height],
        "area": round(width * height, 3),
        "iscrowd": 0,
        "score": found["score"],
    }


OUTPUT = Output(NAME, open_writer=open_writer, holds_all=True)
