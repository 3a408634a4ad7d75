"""Images shared out over splits so that what belongs together stays on one side, and classes keep their shares."""

import os
import re
from collections import Counter, defaultdict
from pathlib import PurePath

import numpy as np

from yolo_tf.doctor.fingerprints import groups_of

LEAST_SEQUENCES = 5  # names with so many different beginnings tell films apart; fewer are what a camera calls all its pictures
MOST_ROUNDS = 10  # of single moves
LEAST_GAIN = 1e-12  # of a move, beyond rounding
MOST_SHARE = 0.2  # of the images, that one sequence may have for the same reason


def names_below(paths):
    """Returns the paths of a split's images from the folder that all of them have in common."""
    if not paths:
        return []
    folder = os.path.commonpath([os.path.dirname(path) for path in paths])
    return [PurePath(path).relative_to(folder).as_posix() for path in paths]


def sequence_of(name):
    """Returns what names of one sequence begin with: "a/street2_frame" of a/street2_frame0007.jpg, "a" of a/07.jpg; "" = none."""
    path = PurePath(name)
    beginning = re.sub(r"[-_. ]*\d+$", "", path.stem)
    return "" if beginning == path.stem else str(path.parent / beginning).removeprefix(".")


def sequences(images):
    """Returns for each name a number of its sequence, -1 = none; all -1 where the names do not tell sequences apart."""
    names = [sequence_of(name) for name in images]
    counts = Counter(filter(None, names))
    if len(counts) < LEAST_SEQUENCES or max(counts.values()) > MOST_SHARE * len(images):
        return [-1] * len(images)
    numbers = {name: number for number, name in enumerate(counts)}
    return [numbers.get(name, -1) for name in names]


def new_splits(groups, images, classes, targets):
    """Shares images out, so that each split has near to its share of the images and of the boxes of each class.

    Each group goes, the largest first, where it brings the shares nearest to their targets (by the sum of squares, divided by
    the target; the classes together weigh as much as the images); then single ones move as long as that helps. The result is
    a pure function of the arguments.

    Args:
        groups: for each of N images a number; equal ones stay together.
        images: N names, with folders; those of one sequence stay together too.
        classes: int [N, C], boxes of each class.
        targets: {split: its share of the images}, above 0, sum 1.

    Returns:
        list of N names of splits.
    """
    members = _joined(groups, sequences(images))
    total = np.maximum(classes.sum(0), 1)
    shares = np.column_stack([np.full(len(images), 1 / len(images)), classes / total / np.sqrt(max(classes.shape[1], 1))])
    has = np.array([shares[indices].sum(0) for indices in members])  # [G, 1 + C], of each group
    wanted = np.array(list(targets.values()))[:, None]  # [S, 1]
    left = wanted * shares.sum(0)  # [S, 1 + C], what each split lacks
    rarity = shares[:, 1:].max(1, initial=0)
    order = sorted(range(len(members)), key=lambda group: (-len(members[group]), -max(rarity[members[group]]), group))
    home = np.full(len(members), -1)
    for _ in range(1 + MOST_ROUNDS):
        before = home.copy()
        for group in order:
            if home[group] >= 0:
                left[home[group]] += has[group]
            gain = ((2 * left - has[group]) * has[group] / wanted).sum(1)  # by which the sum of squares shrinks
            stays = home[group] >= 0 and gain.max() - gain[home[group]] < LEAST_GAIN
            home[group] = home[group] if stays else gain.argmax()
            left[home[group]] -= has[group]
        if (home == before).all():
            break
    names, chosen = list(targets), [""] * len(images)
    for indices, split in zip(members, home, strict=True):
        for index in indices:
            chosen[index] = names[split]
    return chosen


def _joined(groups, numbers):
    """Returns the lists of images that stay together: of one group, or of one sequence (-1 = of none)."""
    firsts, pairs = {}, []
    for index, (group, number) in enumerate(zip(groups, numbers, strict=True)):
        pairs.append((firsts.setdefault(("group", group), index), index))
        if number >= 0:
            pairs.append((firsts.setdefault(("sequence", number), index), index))
    members = defaultdict(list)
    for index, first in enumerate(groups_of(len(groups), pairs)):
        members[first].append(index)
    return list(members.values())
