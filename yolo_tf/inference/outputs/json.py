"""detections.json: the images that could be read in one document, written when the last one is through."""

import contextlib

from yolo_tf.inference.outputs.spec import Output
from yolo_tf.system.atomic import write_json

NAME = "detections.json"


@contextlib.contextmanager
def open_writer(run):
    """Yields the function that collects rows of images; a run that stops writes nothing."""
    images = []
    yield lambda rows: images.extend(row for row in rows if "error" not in row)
    write_json(run.out / NAME, {"model": str(run.model), "class_names": list(run.class_names), "images": images})


OUTPUT = Output(NAME, open_writer=open_writer, holds_all=True)
