"""A corrected copy of a data set: links to its images, labels in its own format, and a log of every change."""

import dataclasses
import json
import os
import re
from collections import Counter, defaultdict
from pathlib import PurePath

import numpy as np

from yolo_tf.config.plain import plain
from yolo_tf.doctor.checks.boxes import nearly_equal_boxes
from yolo_tf.doctor.checks.classes import counts_of_record
from yolo_tf.doctor.checks.images import rotated_labels
from yolo_tf.doctor.checks.labels import counts_from_one
from yolo_tf.doctor.checks.splits import JUDGED, truth_of
from yolo_tf.doctor.layout import FORMATS, Entry, finite, reserved, write_layout
from yolo_tf.doctor.repair.label_texts import Orders, coco_labels, voc_labels, yolo_labels
from yolo_tf.doctor.repair.mending import KINDS
from yolo_tf.doctor.repair.resplit import names_below, new_splits
from yolo_tf.errors import InputError
from yolo_tf.system.image_formats import IMAGE_FORMATS

LOG = "changes.jsonl"
DAMAGED = ("missing", "empty", "unreadable", "truncated")  # of images, which go
LABELS = {"yolo": yolo_labels, "voc": voc_labels, "coco": coco_labels}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Change:
    """One difference between the data set and its copy."""

    split: str
    place: str
    kind: str  # of the Fault, or what was done to an image: "removed", "renamed", "moved"
    before: object
    after: object  # "" = removed

    to_json = plain


def repair(facts, directory, *, resplit=False):
    """Writes a corrected copy, whole or not at all; the data set itself is only read.

    Images that do not decode, or whose labels cannot be read or state another size, go, and so do repeated ones; of an image in
    two splits the one that is judged by (val, test) keeps it. Labels are mended where it is certain how, else they go.

    Args:
        facts: Facts of all its splits.
        directory: new; gains data.yaml, images, labels and changes.jsonl, one Change a line.
        resplit: share the images out anew: the same, alike and in one sequence by name on one side, shares as they were.

    Returns:
        tuple of Change.

    Raises:
        InputError: a format that has no label files, a split that cannot be read, or the directory is there already.
    """
    source = facts.source
    if source.format not in FORMATS:
        raise InputError(
            f"fix: {source.yaml_path} is of the format {source.format}. Expected {', '.join(FORMATS)}, which have label files."
            " Convert it first with `yolo-tf convert`."
        )
    if facts.unread:
        raise InputError(f"fix: {next(iter(facts.unread.values()))}")
    if empty := [name for name, split in facts.splits.items() if not split.images and not split.broken]:
        raise InputError(
            f"fix: {source.yaml_path}: {empty[0]} has no images. Expected one or more. Add some, or remove the line of"
            f" {empty[0]}."
        )
    if resplit and len(facts.splits) < 2:
        raise InputError(f"resplit: {source.yaml_path} has one split. Expected two or more. Add a line such as `val: …`.")
    with reserved(directory, "fix") as root:
        subtract = int(counts_from_one(facts))
        turned = frozenset(found.place for found in rotated_labels(facts))
        labels, documents = {}, {}
        for name, split in facts.splits.items():
            orders = Orders(
                kinds=_kinds(split), spoiled=_spoiled(split), turned=turned, subtract=subtract, class_names=facts.class_names
            )
            labels[name], documents[name] = LABELS[source.format](split, source, orders)
        gone = _lost(facts, labels)
        gone |= _repeated(facts, gone, resplit=resplit)
        entries, changes, places = {}, [], []
        for name, split in facts.splits.items():
            entries[name] = []
            changes += [_removed(name, image.path, image.text or "unusable") for image in split.broken]
            for index, image in enumerate(split.images):
                if (name, index) in gone:
                    changes.append(_removed(name, image.path, gone[name, index]))
                    continue
                entry, mine = _entry(image, labels[name][image.path], name)
                entries[name].append(entry)
                places.append((name, index))
                changes += mine
        changes += [
            Change(split=name, place=fault.where, kind=fault.kind, before=fault.text, after="")
            for name, split in facts.splits.items()
            for fault in split.reading.faults
            if fault.kind in ("orphan", "listed_twice", "no_image")
        ]
        if resplit:
            entries, moved = _shared_out(facts, entries, places)
            changes += moved
            documents = _one_document(documents, source)
        if empty := [name for name in entries if not entries[name]]:
            raise InputError(
                f"{source.yaml_path}: {empty[0]} would be left without images: they are damaged, or in another split too, or"
                " belong together with those of one. Expected some. Add others, or split anew with `resplit`."
            )
        options = {key: value for key, value in source.options.items() if value not in ("", None) and key != "images"}
        write_layout(
            root,
            source.format,
            entries,
            facts.class_names,
            documents=documents if source.format == "coco" else None,
            options=options,
        )
        lines = (json.dumps(finite(change.to_json()), ensure_ascii=False) for change in changes)
        (root / LOG).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", errors="backslashreplace")
    return tuple(changes)


def format_changes(changes):
    """Returns Changes as lines: how many of each kind."""
    counts = Counter((change.kind, _what_was_done(change)) for change in changes)
    rows = [f"  {count} {kind}{done}" for (kind, done), count in sorted(counts.items())]
    return "\n".join([f"{len(changes)} changes", *rows])


def _what_was_done(change):
    if change.kind in ("moved", "renamed"):
        return ""
    return ": removed" if change.after == "" else ": mended"


def _removed(split, path, why):
    return Change(split=split, place=path, kind="image", before=why, after="")


def _spoiled(split):
    """Returns {place of a label file, or of an image in one: why its labels say nothing of the image}."""
    faults = [fault for fault in split.reading.faults if fault.kind in ("unreadable", "stated_size")]
    ends = {re.sub(r":\d+$", "", fault.where): fault.text for fault in faults if fault.kind == "unreadable"}
    return ends | {fault.where: fault.text for fault in faults}


def _lost(facts, labels):
    """Returns {(split, index): why} of images that do not decode, or whose labels say nothing of them."""
    found = {}
    for name, split in facts.splits.items():
        for index, image in enumerate(split.images):
            why = labels[name][image.path].unusable or (image.text if image.fault in DAMAGED else "")
            found |= {(name, index): why} if why else {}
    return found


def _repeated(facts, gone, *, resplit):
    """Returns {(split, index): why} of images whose bytes another has that stays, but for those that are `gone` already.

    The first stays, and those that are labelled differently, as a person has to decide; of several splits alone those of the
    last to be judged by. With `resplit` all splits are one.
    """
    rank = {name: 0 if resplit or name not in JUDGED else 1 + JUDGED.index(name) for name in facts.splits}
    twins, found = defaultdict(list), {}
    for number, first in enumerate(facts.same):
        if facts.places[number] not in gone:
            twins[first].append(number)
    for numbers in twins.values():
        stay = []
        for number in sorted(numbers, key=lambda number: (-rank[facts.places[number][0]], number)):
            split, _ = facts.places[number]
            same = [one for one in stay if truth_of(facts, one) == truth_of(facts, number)]
            home = facts.places[stay[0]][0] if stay else split
            if home != split and not resplit:
                found[facts.places[number]] = f"the same file as {facts.picture(stay[0]).path} in {home}"
            elif same:
                found[facts.places[number]] = f"the same file as {facts.picture(same[0]).path}"
            else:
                stay.append(number)
    return found


def _kinds(split):
    """Returns {place: kind} of the labels to be mended."""
    faults = {fault.where: fault.kind for fault in split.reading.faults if fault.kind in KINDS}
    for labels in split.reading.labels:
        for later, earlier, _ in nearly_equal_boxes(labels.boxes):
            if labels.class_ids[later] == labels.class_ids[earlier] and not labels.is_crowd[[later, earlier]].any():
                faults.setdefault(labels.file + labels.places[later], "repeated")
    return faults


def _entry(image, labels, name):
    """Returns the Entry of an image, and its Changes."""
    stem, suffix = os.path.splitext(image.path)
    changes = [
        Change(split=name, place=place, kind=kind, before=before, after=after) for place, kind, before, after in labels.changes
    ]
    if suffix.lower() not in IMAGE_FORMATS[image.format]:
        right = IMAGE_FORMATS[image.format][0]
        changes.append(Change(split=name, place=image.path, kind="renamed", before=suffix, after=right))
        suffix = right
    return Entry(source=image.path, suffix=suffix, name=PurePath(stem).name, label=labels.label), changes


def _shared_out(facts, entries, places):
    """Returns the entries in new splits, and a Change for each that moved."""
    number_of = {place: number for number, place in enumerate(facts.places)}
    groups = [facts.groups[number_of[place]] if place in number_of else -1 - index for index, place in enumerate(places)]
    flat = [entry for those in entries.values() for entry in those]
    classes = np.array(
        [counts_of_record(facts.splits[name].reading.records[index], len(facts.class_names)) for name, index in places]
    )
    count = sum(len(split.images) for split in facts.splits.values())
    targets = {name: len(split.images) / count for name, split in facts.splits.items()}
    images = [name for those in entries.values() for name in names_below([entry.source for entry in those])]
    chosen = new_splits(groups, images, classes, targets)
    shared, changes = {name: [] for name in entries}, []
    for entry, (before, _), after in zip(flat, places, chosen, strict=True):
        shared[after].append(entry)
        if after != before:
            changes.append(Change(split=before, place=entry.source, kind="moved", before=before, after=after))
    return shared, changes


def _one_document(documents, source):
    """Returns the documents of all splits with the categories of all, for annotations that change the split."""
    categories = {}
    for document in documents.values():
        for category in document.get("categories", ()):
            if categories.setdefault(category["id"], category)["name"] != category["name"]:
                raise InputError(
                    f"resplit: {source.yaml_path}: category {category['id']} is '{category['name']}' in one split and"
                    f" '{categories[category['id']]['name']}' in another. Expected one name each. Convert the data set first with"
                    " `yolo-tf convert`."
                )
    return {name: document | {"categories": list(categories.values())} for name, document in documents.items()}
