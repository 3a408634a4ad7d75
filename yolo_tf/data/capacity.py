"""How many boxes a training image may hold after mosaic and mixup."""

import numpy as np

LEAST_PLACES = 150  # for boxes, however few there are: sums over as many terms have the same last bits
STEP = 50  # places are added by so many, so that a few new labels do not make another step


def most_boxes(dataset, *, data, augment, train):
    """Returns the most boxes that an image can have after augmentation.

    A mosaic shows four images, twice as many when it is blended with another. They are four different ones, unless the
    batch has fewer, the data set is smaller than the batch, or images are drawn with replacement: the fullest may then be
    there four times.

    Args:
        dataset: DetectionDataset; crowds are no targets.
        data: DataConfig; image_weights counts.
        augment: AugmentConfig; mosaic and mixup count.
        train: TrainConfig; batch_size counts.

    Example: 300 boxes in one image and 40 in each of nine, batch 8: 300 + 3 * 40 = 420.
    """
    counts = np.sort([0, *(np.count_nonzero(~record.is_crowd) for record in dataset.records)])[::-1]
    batch_size = 1 if train.batch_size == "auto" else train.batch_size
    tiles = 4 if augment.mosaic else 1
    differ = 4 <= batch_size <= len(dataset.records) and not data.image_weights
    return int(counts[:tiles].sum() if differ else tiles * counts[0]) * (2 if augment.mosaic and augment.mixup else 1)


def places_for(most):
    """Returns the places of an image that can have so many boxes, as data.max_boxes=auto chooses them: 420 boxes have 450."""
    return max(LEAST_PLACES, -(-most // STEP) * STEP)
