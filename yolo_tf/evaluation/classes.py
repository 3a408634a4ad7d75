"""Which class of a data set is which of a detector: told by name, for numbers agree by chance."""

import dataclasses

import numpy as np

from yolo_tf.errors import InputError
from yolo_tf.terminal import say

MOST_NAMED = 3  # names of one side in a message


def match_classes(dataset, class_names, *, of, merged=False):
    """Returns the DetectionDataset with its classes numbered as those of a detector; says where that changes anything.

    Names that are nothing but the numbers 0, 1, 2 ... are none: with those on either side classes go by their number.

    Args:
        dataset: DetectionDataset.
        class_names: of the detector, C in the order of its scores.
        of: what messages begin with: the path of the detector.
        merged: every object of the data set is of one class by wish, so the one class of a detector may have any name.

    Raises:
        InputError: the names are not the same set, or, where they are none, there are more on one side.

    Example: names (cat, dog) and a detector of (dog, cat): a box of class 0 becomes one of class 1.
    """
    ours, theirs = dataset.class_names, tuple(class_names)
    if ours == theirs:
        return dataset
    if set(ours) == set(theirs):
        say(f"classes are matched by name: the data set numbers them {_listed(ours)}, {of} {_listed(theirs)}")
        return renumbered(dataset, theirs)
    numbered = [side for side, names in ((of, theirs), ("the data set", ours)) if _is_numbered(names)]
    if len(ours) == len(theirs) and (numbered or merged and len(theirs) == 1):
        if numbered:
            say(f"classes are matched by number: {numbered[0]} has no names for them, the other side {_listed(ours, theirs)}")
        return dataclasses.replace(dataset, class_names=theirs)
    raise InputError(
        f"{of}: finds {len(theirs)} classes, {_listed(theirs)}; the data set has {len(ours)}, {_listed(ours)}."
        f" Expected the same names, in any order{_only('the detector', theirs, ours)}{_only('the data set', ours, theirs)}."
        " Use the data set it was trained on, correct the names in the data set YAML, or train on this one."
    )


def renumbered(dataset, class_names):
    """Returns the DetectionDataset with the same names in the order of `class_names`."""
    numbers = np.array([class_names.index(name) for name in dataset.class_names], np.int32)
    records = tuple(dataclasses.replace(record, class_ids=numbers[record.class_ids]) for record in dataset.records)
    return dataclasses.replace(dataset, class_names=tuple(class_names), records=records)


def _is_numbered(names):
    return names == tuple(map(str, range(len(names))))


def _listed(*sides):
    """Returns the first names of the first side that has any."""
    names = next((side for side in sides if not _is_numbered(side)), sides[0])
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return f"{list(names[:MOST_NAMED])}{more}"


def _only(whose, names, others):
    """Returns "; only the detector has 'car'" for what the other side lacks, or nothing."""
    missing = [name for name in names if name not in others]
    return f"; only {whose} has {_listed(missing)}" if missing else ""
