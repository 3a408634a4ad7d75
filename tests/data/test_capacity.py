"""How many boxes an image may hold after augmentation."""

import dataclasses

import numpy as np
import pytest

from yolo_tf.config import AugmentConfig, DataConfig, TrainConfig
from yolo_tf.data.capacity import LEAST_PLACES, most_boxes, places_for
from yolo_tf.structures import DetectionDataset, ImageRecord


def dataset_of(*counts, crowds=0):
    """Returns a DetectionDataset of images with so many boxes, and in each `crowds` more that are crowds."""
    records = []
    for number, count in enumerate(counts):
        boxes = np.tile(np.float32([[1, 2, 5, 9]]), (count + crowds, 1))
        crowd = np.arange(count + crowds) >= count
        options = dict(path="a.png", height=20, width=30, class_ids=np.zeros(count + crowds, np.int32))
        records.append(ImageRecord(image_id=str(number), boxes=boxes, is_crowd=crowd, **options))
    return DetectionDataset(class_names=("a",), records=tuple(records))


def needed(dataset, *, batch_size=8, **options):
    data, augment = DataConfig(image_weights=options.pop("image_weights", False)), AugmentConfig(**options)
    return most_boxes(dataset, data=data, augment=augment, train=TrainConfig(batch_size=batch_size))


@pytest.mark.parametrize(
    "options, expected",
    [
        (dict(), 420),  # 300 + 3 * 40
        (dict(mixup=0.1), 840),  # two such mosaics
        (dict(mosaic=0.0), 300),
        (dict(mosaic=0.0, mixup=0.1), 300),  # only mosaics are blended
        (dict(batch_size=3), 1200),  # three images make a mosaic of four: one is there twice, and alone four times
        (dict(batch_size=11), 1200),  # ten images in a batch of eleven
        (dict(batch_size=10), 420),
        (dict(batch_size="auto"), 1200),
        (dict(image_weights=True), 1200),
    ],
)
def test_four_pictures_worth(options, expected):
    dataset = dataset_of(40, 40, 40, 300, *[40] * 6, crowds=2)
    assert len(dataset.records) == 10 and needed(dataset, **options) == expected


def test_few_boxes_have_the_places_they_always_had():
    assert [places_for(most) for most in (0, 150, 151, 420, 1600)] == [150, 150, 200, 450, 1600] and LEAST_PLACES == 150
    assert needed(dataset_of(7, 0, 3)) == 28 and needed(dataclasses.replace(dataset_of(1), records=())) == 0
