"""Checks of classes: names that no label uses, classes that a split lacks, classes that are rare."""

import numpy as np

from yolo_tf.doctor.findings import Check, Found

IMBALANCE = 100  # boxes of the most frequent class for one of the rarest


def counts_of(split, num_classes):
    """Returns the good boxes of each class in a SplitFacts, int64 [C]; crowds do not count."""
    ids = [record.class_ids[~record.is_crowd] for record in split.reading.records]
    return np.bincount(np.concatenate([np.zeros(0, np.int64), *ids]).astype(np.int64), minlength=num_classes)


def counts_of_record(record, num_classes):
    """Returns the good boxes of each class in an ImageRecord, int64 [C]; crowds do not count."""
    return np.bincount(record.class_ids[~record.is_crowd], minlength=num_classes)


def unused(facts):
    """Yields names that no label of any split has."""
    total = _totals(facts).sum(0) if facts.splits else ()
    for name, count in zip(facts.class_names, total, strict=True):
        if count == 0:
            yield Found(place=str(facts.source.yaml_path), message=f"no label has the class '{name}'.", value=name)


def absent(facts):
    """Yields classes that one split has and another has not."""
    totals = _totals(facts)
    for row, split in zip(totals, facts.splits, strict=True):
        for class_id in np.flatnonzero((row == 0) & (totals.sum(0) > 0)):
            others = [name for name, other in zip(facts.splits, totals, strict=True) if other[class_id]]
            count = int(totals[:, class_id].sum())
            message = f"has no '{facts.class_names[class_id]}', of which {' and '.join(others)} has {count}."
            yield Found(split=split, message=message, value=facts.class_names[class_id])


def imbalance(facts):
    """Yields a finding for each split whose classes are very unequal."""
    for row, split in zip(_totals(facts), facts.splits, strict=True):
        there = np.flatnonzero(row)
        if len(there) > 1 and row.max() > IMBALANCE * row[there].min():
            least, most = there[row[there].argmin()], row.argmax()
            message = (
                f"{row[most]} boxes are '{facts.class_names[most]}', {row[least]} '{facts.class_names[least]}':"
                f" {row[most] / row[least]:.0f} to 1."
            )
            yield Found(split=split, message=message, value=round(float(row[most] / row[least]), 1))


def _totals(facts):
    rows = [counts_of(split, len(facts.class_names)) for split in facts.splits.values()]
    return np.array(rows, np.int64).reshape(len(rows), len(facts.class_names))


CHECKS = {
    "classes.unused": Check(
        severity="warning", meaning="No label has this class.", advice="remove the name, or look for its labels", find=unused
    ),
    "classes.absent": Check(
        severity="warning",
        meaning="A split has no object of a class that another has: it cannot be learned, or not be judged.",
        advice="move images between the splits, or split anew with `resplit`",
        find=absent,
    ),
    "classes.imbalance": Check(
        severity="note",
        meaning="One class has over a hundred times as many boxes as another.",
        advice="collect more, or draw them more often with data.image_weights=true",
        find=imbalance,
    ),
}
