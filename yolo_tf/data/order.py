"""Which images a training batch shows: a pure function of (seed, epoch, step)."""

import numpy as np
import tensorflow as tf

from yolo_tf.errors import InputError
from yolo_tf.structures import DetectionDataset

# Second words of the seeds of the kinds of random numbers; the first is train.seed.
ORDER_STREAM, AUGMENT_STREAM, PHOTOMETRIC_STREAM, SIDE_STREAM = range(4)


def fold_in(seed, stream, number):
    """Returns an int64 [2] seed, a pure function of the three."""
    return tf.random.fold_in(tf.constant([seed, stream], tf.int64), number, alg="philox")


def steps_per_epoch(dataset: DetectionDataset, batch_size: int, *, least: int = 1) -> int:
    """Returns the number of batches that show every image, ceil(images / batch_size), or `least` if that is more."""
    return max(-(-len(dataset.records) // batch_size), least)


def epoch_order(num_images, batch_size, seed, epoch, *, weights=None, least_steps=1):
    """Draws the order of the images in one epoch, a pure function of (seed, epoch).

    Args:
        num_images: N of the data set.
        batch_size: B.
        seed: int.
        epoch: int or int64 tensor, from 0.
        weights: float [N], sum above 0; draw with replacement, each image as often as its share of the sum.
        least_steps: batches of an epoch, where N images make fewer.

    Returns:
        int32 [S * B], S = ceil(N / B) steps or `least_steps`: a permutation of 0 .. N - 1, continued from its own beginning to
        fill the last batch. Where more batches than that are wanted, permutations follow one another, each a new one. With
        `weights` so many independent draws.
    """
    key = fold_in(seed, ORDER_STREAM, tf.cast(epoch, tf.int64))
    needed = -(-num_images // batch_size)
    slots = max(needed, least_steps) * batch_size
    if weights is None:
        order = tf.random.experimental.stateless_shuffle(tf.range(num_images), key, alg="philox")
        if least_steps <= needed:
            return tf.gather(order, tf.range(slots) % num_images)
        ranks = tf.random.stateless_uniform(
            [-(-slots // num_images) - 1, num_images], tf.random.fold_in(key, 1, alg="philox"), alg="philox"
        )
        return tf.concat([order, tf.reshape(tf.argsort(ranks), [-1])], 0)[:slots]
    share_below = np.cumsum(weights, dtype=np.float64) / np.sum(weights, dtype=np.float64)
    drawn = tf.random.stateless_uniform([slots], key, dtype=tf.float64, alg="philox")
    # The last share is 1 up to rounding; a draw above it belongs to the last image of any weight.
    return tf.minimum(tf.searchsorted(share_below, drawn, side="right"), int(np.flatnonzero(weights)[-1]))


def class_balance_weights(dataset):
    """Computes how often each image should be drawn so that rare classes are seen more often.

    The weight of an image is the sum over its boxes of 1 / (boxes of that class in the data set): every class brings
    the same weight in all. Crowds do not count; an image without objects has weight 0 and is never drawn.

    Returns float64 [N], one for each record; raises InputError where no image has an object.

    Example: boxes (a, a, b) and (a): 1/3 + 1/3 + 1 and 1/3.

    Source: YOLOv5, doi 10.5281/zenodo.3908559, its image weights where all classes have the same accuracy.
    """
    singles = [record.class_ids[~record.is_crowd] for record in dataset.records]
    boxes_of_class = np.bincount(np.concatenate(singles), minlength=len(dataset.class_names))
    if not boxes_of_class.any():
        raise InputError(
            f"config.data.image_weights: none of the {len(singles)} training images has an object to weigh it by."
            " Expected labelled objects. Switch it off or correct the labels."
        )
    return np.array([np.sum(1 / boxes_of_class[class_ids]) for class_ids in singles])
