"""Checks of what a detector could learn of this data: whether anchors match the boxes, and how many boxes an image holds."""

import numpy as np

from yolo_tf.config.data import AugmentConfig, DataConfig
from yolo_tf.config.loss import LossConfig
from yolo_tf.config.train import TrainConfig
from yolo_tf.data.capacity import LEAST_PLACES, most_boxes, places_for
from yolo_tf.doctor.findings import Check, Found

HEAD, STRIDES = "anchor", (8, 16, 32)  # whose anchors are YOLOv5's
SPLIT = "train"  # what is learned from


def anchors(facts):
    """Yields a finding where YOLOv5's anchors match too few of the training boxes, with better ones."""
    from yolo_tf.config.model import ModelConfig
    from yolo_tf.heads import load_head

    split = facts.splits.get(SPLIT)
    if split is None or not any(len(record.boxes) for record in split.reading.records):
        return
    head = load_head(HEAD)
    layout = head.make_layout(ModelConfig(), STRIDES)
    for size in facts.image_sizes:
        options = dict(image_size=size, loss=LossConfig(), seed=0, keep=None)
        better, text = head.fit_layout(layout, split.dataset, **options)
        if better:
            message = f"with an input of {size[1]} x {size[0]} px: {text.removeprefix('anchors: ').replace(' and are used', '')}."
            yield Found(split=SPLIT, message=message, value=better["anchors"])


def many_boxes(facts):
    """Yields a finding where a mosaic of this data has more boxes than a small fixed data.max_boxes holds."""
    split = facts.splits.get(SPLIT)
    if split is None or not split.reading.records:
        return
    most = most_boxes(split.dataset, data=DataConfig(), augment=AugmentConfig(), train=TrainConfig())
    if most > LEAST_PLACES:
        counts = [int(np.count_nonzero(~record.is_crowd)) for record in split.reading.records]
        fullest = int(np.argmax(counts))
        message = (
            f"has {counts[fullest]} boxes; a mosaic of four images may hold {most}, so data.max_boxes needs {places_for(most)}."
        )
        yield Found(split=SPLIT, place=split.images[fullest].path, message=message, value=most)


CHECKS = {
    "anchors.recall": Check(
        severity="note",
        meaning="YOLOv5's anchors match fewer than 98 % of the training boxes.",
        advice="leave model.autoanchor at true, or set model.anchors to those named",
        find=anchors,
    ),
    "boxes.many": Check(
        severity="note",
        meaning="A mosaic of this data holds more than 150 boxes.",
        advice="leave data.max_boxes at auto, or set at least the number named",
        find=many_boxes,
    ),
}
