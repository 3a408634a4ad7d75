"""labels/NAME.txt: one line per detection as YOLO writes labels, so that what was found can be labels, too."""

import numpy as np

from yolo_tf.inference.outputs.spec import Output
from yolo_tf.system.atomic import write_text

LEAST_SIDE = 1e-6  # of width and height, fractions of the image: six decimals are written


def write_image(path, result, class_names, *, scores=False):
    """Writes the lines of an ImageResult: class id, centre x, centre y, width, height as fractions of the image (, score).

    What lies outside of the image but for its edge has no area, and as a label would be an error: it has no line.
    """
    height, width = result.size_hw
    found = result.detections
    low, high = found.boxes[:, :2], found.boxes[:, 2:]
    numbers = [(low + high) / 2 / (width, height), (high - low) / (width, height), found.scores[:, None]]
    numbers = np.concatenate(numbers if scores else numbers[:2], 1)
    lines = (
        " ".join([str(class_id), *(f"{number:.6f}" for number in row)]) + "\n"
        for class_id, row in zip(found.class_ids.tolist(), numbers.tolist(), strict=True)
        if min(row[2:4]) >= LEAST_SIDE
    )
    write_text(path, "".join(lines))


OUTPUT = Output("labels/{}.txt", write_image=write_image)
