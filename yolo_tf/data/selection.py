"""Leaves training images out: a share of all, and images without objects above theirs."""

import dataclasses

import numpy as np

from yolo_tf.errors import InputError


def select_records(dataset, *, fraction=1.0, background_fraction=1.0, seed=0):
    """Keeps a share of the images, drawn by `seed`, in their order.

    Args:
        dataset: DetectionDataset.
        fraction: above 0, at most 1; round(fraction * N) images are kept, at least one.
        background_fraction: 0..1, most images without objects (crowds are none) as a share of the images that
            are kept; applied after `fraction`.
        seed: int.

    Returns:
        (DetectionDataset, list of str: a line for each filter that left images out).

    Raises:
        InputError: no image has objects and background is limited.

    Example: 6 images with objects and 10 without, background_fraction 0.25: 2 of the 10 stay, 2 of 8 are a quarter.
    """
    rng = np.random.default_rng([seed, 1])
    records, lines = dataset.records, []
    if fraction < 1:
        kept = rng.permutation(len(records))[: max(1, round(fraction * len(records)))]
        lines.append(f"data.fraction={fraction:g}: {len(records) - len(kept)} of {len(records)} training images left out")
        records = [records[index] for index in sorted(kept)]
    has_objects = np.array([not record.is_crowd.all() for record in records], bool)
    background = np.flatnonzero(~has_objects)
    if background_fraction < 1:
        # b / (b + objects) <= f. The small addition keeps a whole number whole: 0.1 / 0.9 * 9 is just below 1.
        most = int(background_fraction / (1 - background_fraction) * has_objects.sum() + 1e-9)
        if not has_objects.any():
            raise InputError(
                f"config.data.background_fraction: none of {len(records)} training images has objects, so a limit of"
                f" {background_fraction:g} leaves none. Expected labelled objects. Set it to 1 or correct the labels."
            )
        if len(background) > most:
            left_out = set(rng.permutation(background)[most:].tolist())
            lines.append(
                f"data.background_fraction={background_fraction:g}: {len(left_out)} of {len(background)} training images"
                " without objects left out"
            )
            records = [record for index, record in enumerate(records) if index not in left_out]
    return dataclasses.replace(dataset, records=tuple(records)), lines
