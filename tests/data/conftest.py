"""Fixtures of the data tests: images with one painted rectangle each, as a batch and as files."""

import numpy as np
import pytest
from PIL import Image

from yolo_tf.structures import DetectionDataset, ImageRecord

COLOURS = ((250, 20, 20), (20, 250, 20), (20, 20, 250), (250, 250, 20))
BACKGROUND = 10


def paint(height, width, box, colour):
    """Returns a dark uint8 image with one painted rectangle."""
    image = np.full((height, width, 3), BACKGROUND, np.uint8)
    x1, y1, x2, y2 = box
    image[y1:y2, x1:x2] = colour
    return image


@pytest.fixture
def painted_batch():
    """A batch for (H, W) = (96, 160): images, sizes_hw, boxes, class_ids; class k is the colour of image k; N = 2."""
    sizes = np.array([(96, 120), (80, 160), (96, 160), (96, 70)], np.int32)
    rectangles = [(30, 20, 80, 60), (50, 10, 120, 50), (60, 40, 110, 90), (10, 30, 50, 85)]
    images = np.full((4, 96, 160, 3), 114, np.uint8)
    boxes = np.zeros((4, 2, 4), np.float32)
    class_ids = np.full((4, 2), -1, np.int32)
    for place, ((height, width), rectangle) in enumerate(zip(sizes, rectangles, strict=True)):
        images[place, :height, :width] = paint(height, width, rectangle, COLOURS[place])
        boxes[place, 0], class_ids[place, 0] = rectangle, place
    return images, sizes, boxes, class_ids


@pytest.fixture
def dataset_of(tmp_path):
    """Returns a function that writes PNG files with one rectangle each and returns their DetectionDataset.

    Sizes are given as (height, width). Image i has class i % 4, its colour, and a rectangle of half its
    size in the middle; images named in `empty` have no box, those in `crowds` a crowd box.
    """

    def write(sizes, *, empty=(), crowds=()):
        records = []
        for place, (height, width) in enumerate(sizes):
            box = (width // 4, height // 4, width // 4 + width // 2, height // 4 + height // 2)
            path = tmp_path / f"{place:03d}.png"
            Image.fromarray(paint(height, width, box, COLOURS[place % 4])).save(path)
            count = 0 if place in empty else 1
            records.append(
                ImageRecord(
                    image_id=path.stem,
                    path=str(path),
                    height=height,
                    width=width,
                    boxes=np.array([box] * count, np.float32).reshape(-1, 4),
                    class_ids=np.array([place % 4] * count, np.int32),
                    is_crowd=np.array([place in crowds] * count, bool),
                )
            )
        return DetectionDataset(class_names=("red", "green", "blue", "yellow"), records=tuple(records))

    return write
