"""labels/NAME.txt: one line per detection as YOLO writes labels, with the score behind."""

import numpy as np

from yolo_tf.inference.outputs.spec import Output
from yolo_tf.system.atomic import write_text


def write_image(path, result, class_names):
    """Writes the lines of an ImageResult: class id, centre x, centre y, width, height as fractions of the image, score."""
    height, width = result.size_hw
    found = result.detections
    low, high = found.boxes[:, :2], found.boxes[:, 2:]
    numbers = np.concatenate([(low + high) / 2 / (width, height), (high - low) / (width, height), found.scores[:, None]], 1)
    lines = (
        " ".join([str(class_id), *(f"{number:.6f}" for number in row)]) + "\n"
        for class_id, row in zip(found.class_ids.tolist(), numbers.tolist(), strict=True)
    )
    write_text(path, "".join(lines))


OUTPUT = Output("labels/{}.txt", write_image=write_image)
