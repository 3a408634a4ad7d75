"""How many boxes of an image a run learns from, and what that costs, said before its first epoch."""

import dataclasses
import math

from yolo_tf.data.augment.raw_batch import count_boxes
from yolo_tf.data.capacity import LEAST_PLACES, most_boxes, places_for
from yolo_tf.data.pipeline import make_train_dataset
from yolo_tf.terminal import say
from yolo_tf.training.estimate import bytes_of_boxes

IMAGES_COUNTED = 128  # whose boxes are counted where places are short


def choose_max_boxes(config, train_set, spec):
    """Returns `config` with a number as `data.max_boxes`; says what more than the usual costs, and what fewer leave out."""
    sections = dict(data=config.data, augment=config.augment, train=config.train)
    most, given = most_boxes(train_set, **sections), config.data.max_boxes
    places = places_for(most)
    cost = f"about {bytes_of_boxes(spec, places) * _batch_size(config.train, train_set) / 1e6:.0f} MB of a step"
    if given == "auto":
        if places > LEAST_PLACES:
            fullest = max(int((~record.is_crowd).sum()) for record in train_set.records)
            say(f"boxes: up to {fullest} in a training image, {most} after mosaic: data.max_boxes={places} ({cost})")
        return dataclasses.replace(config, data=dataclasses.replace(config.data, max_boxes=places))
    if given < most:
        lost, num_images = share_left_out(train_set, given, **sections)
        if lost:
            say(
                f"warning: data.max_boxes={given} leaves out {lost:.1%} of the boxes of {num_images} images after mosaic"
                f" (they are learned as background). Set data.max_boxes={places} or auto ({cost})"
            )
    elif given > places:
        given_cost = bytes_of_boxes(spec, given) * _batch_size(config.train, train_set) / 1e6
        say(
            f"warning: no training image has more than {most} boxes after mosaic, so most of data.max_boxes={given} stay empty"
            f" ({given_cost:.0f} MB of a step). Set data.max_boxes={places} or auto ({cost})"
        )
    return config


def share_left_out(train_set, max_boxes, *, data, augment, train):
    """Returns (share of the boxes of the first training images that is beyond `max_boxes` of an image, 0..1; those images)."""
    batch_size = _batch_size(train, train_set)
    batches = make_train_dataset(
        train_set,
        data=dataclasses.replace(data, cache="none", service=""),
        augment=dataclasses.replace(augment, photometric={}),
        train=dataclasses.replace(train, batch_size=batch_size),
        augment_on="accelerator",
    )
    counts = [int(count) for (raw,) in batches.take(math.ceil(IMAGES_COUNTED / batch_size)) for count in count_boxes(raw)]
    return sum(max(0, count - max_boxes) for count in counts) / max(1, sum(counts)), len(counts)


def _batch_size(train, train_set):
    """Returns the batch of a TrainConfig, the largest that can be chosen for auto."""
    return min(train.nominal_batch_size, len(train_set.records)) if train.batch_size == "auto" else train.batch_size
