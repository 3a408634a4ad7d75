"""Checks across splits: can each be read, and are images of one in another?"""

from yolo_tf.doctor.checks.files import way_in_words
from yolo_tf.doctor.findings import Check, Found

JUDGED = ("val", "test")  # splits by which a detector is judged: an image of them in train is a leak


def unreadable(facts):
    """Yields splits that cannot be read at all, and those without images."""
    for name, text in facts.unread.items():
        where, _, rest = text.partition(": ")
        yield Found(split=name, place=where, message=rest)
    for name, split in facts.splits.items():
        if not split.images and not split.broken:
            yield Found(split=name, place=str(facts.source.yaml_path), message="has no images.")


def leaked(facts):
    """Yields images that are the same file as one of another split."""
    for number, twin in sorted(_same_elsewhere(facts).items()):
        (split, _), (other, _) = facts.places[number], facts.places[twin]
        path = facts.picture(twin).path
        yield Found(split=split, place=facts.picture(number).path, message=f"is in {other} too: {path}.", value=path)


def nearly_leaked(facts):
    """Yields images that look like one of another split."""
    for number, (twin, way) in sorted(_alike_elsewhere(facts).items()):
        (split, _), (other, _) = facts.places[number], facts.places[twin]
        path = facts.picture(twin).path
        message = f"looks as an image of {other} does{way_in_words(way)}: {path}."
        yield Found(split=split, place=facts.picture(number).path, message=message, value=path)


def leak_sentence(facts):
    """Returns "23 of 87 val images are in train" for each pair of splits."""
    return _sentence(facts, _same_elsewhere(facts), "are in")


def near_leak_sentence(facts):
    """Returns "5 of 87 val images look as one of train does" for each pair of splits."""
    return _sentence(facts, {number: twin for number, (twin, _) in _alike_elsewhere(facts).items()}, "look as images in")


def labelled_differently(facts):
    """Yields images that are the same file as an earlier one, with other labels."""
    for number, first in enumerate(facts.same):
        if first != number and truth_of(facts, number) != truth_of(facts, first):
            split = facts.places[number][0]
            message = f"is the same file as {facts.picture(first).path}, with other labels."
            yield Found(split=split, place=facts.picture(number).path, message=message, value=facts.picture(first).path)


def truth_of(facts, number):
    """Returns the good labels of a picture, in order, boxes to a tenth of a pixel."""
    name, index = facts.places[number]
    record = facts.splits[name].reading.records[index]
    return sorted(zip(record.class_ids.tolist(), record.boxes.round(1).tolist(), strict=True))


def _same_elsewhere(facts):
    """Returns {number of a picture in a later split: one of the same bytes in an earlier one}."""
    found = {}
    for number, first in enumerate(facts.same):
        if facts.places[number][0] != facts.places[first][0]:
            found[number] = first
    return found


def _alike_elsewhere(facts):
    """Returns {number of a picture in a later split: (one that looks alike in an earlier one, way)}; the same bytes are none."""
    found = {}
    for first, second, way in facts.alike.tolist():
        if facts.places[first][0] != facts.places[second][0]:
            found.setdefault(second, (first, way))
    return found


def _sentence(facts, twins, verb):
    pairs = {}
    for number, twin in twins.items():
        pair = facts.places[number][0], facts.places[twin][0]
        pairs[pair] = pairs.get(pair, 0) + 1
    return "; ".join(
        f"{count} of {len(facts.splits[of].images)} {of} images {verb} {into}" for (of, into), count in pairs.items()
    )


CHECKS = {
    "splits.unreadable": Check(
        severity="error", meaning="A split cannot be read, or is empty.", advice="correct the data set YAML", find=unreadable
    ),
    "splits.leak": Check(
        severity="error",
        meaning="The same image is in two splits: what is measured on it says nothing.",
        advice="remove it from one, or split anew with `resplit`",
        find=leaked,
        headline=leak_sentence,
    ),
    "splits.near_leak": Check(
        severity="warning",
        meaning="An image of one split looks like one of another, perhaps turned, mirrored, resized or compressed again.",
        advice="look at both, and split anew with `resplit` where they are one scene",
        find=nearly_leaked,
        headline=near_leak_sentence,
    ),
    "splits.labels_differ": Check(
        severity="warning",
        meaning="The same file is labelled in two ways.",
        advice="decide which labels are right",
        find=labelled_differently,
    ),
}
