"""Labelled images on disk, in any of six formats -> DetectionDataset.

    source = read_source("configs/datasets/bccd.yaml")
    dataset = read_dataset(source, "train", classes=("WBC", "Platelets"))

One format per file. A reader is a module with `OPTIONS`, its own YAML keys as {key: (type, default)}, and
`read(source, split, problems) -> (class_names, records)`. To add one: write the module, add its row.
"""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from yolo_tf.errors import InputError, did_you_mean
from yolo_tf.sources import coco_json, pascal_voc, shapes, tfds, tfrecord, yolo_txt
from yolo_tf.sources.dataset_yaml import DatasetSource, read_dataset_yaml
from yolo_tf.sources.faults import Collected, Fault, ImageLabels
from yolo_tf.sources.label_check import Problems, distinct_records, notes_of
from yolo_tf.structures import DetectionDataset

__all__ = ["READERS", "DatasetSource", "Reading", "read_all", "read_dataset", "read_source", "reading_lines"]

READERS = {
    "yolo": yolo_txt,
    "coco": coco_json,
    "voc": pascal_voc,
    "tfds": tfds,
    "tfrecord": tfrecord,
    "shapes": shapes,
}


def read_source(yaml_path: Path | str, *, path: Path | str = "") -> DatasetSource:
    """Reads a data set YAML: where the data are and what the classes are called. Opens no image or label.

    Args:
        yaml_path: the file. Keys: format (default yolo), path, train, val, test, names, nc, and the options
            of the format. What other tools write there is ignored, and said in the notes of the source.
        path: root of the data, instead of the `path` of the file.

    Returns:
        DatasetSource.

    Raises:
        InputError: unreadable file, misspelt key, unknown format, unset variable in `path`, bad names.
    """
    return read_dataset_yaml(yaml_path, path=path, formats={name: reader.OPTIONS for name, reader in READERS.items()})


def read_dataset(
    source: DatasetSource,
    split: str,
    *,
    classes: Sequence[str] = (),
    single_class: bool = False,
    strict: bool = True,
    labels: bool = True,
    on_bad_image: Callable[[str], None] | None = None,
) -> DetectionDataset:
    """Reads and checks the labelled images of one split.

    Args:
        source: DatasetSource.
        split: "train", "val" or "test".
        classes: keep the boxes of these classes only, renumbered in this order; empty = all. Images that
            lose all their boxes stay, as background.
        single_class: name every object "object", after `classes` has been applied.
        strict: stop at the first bad label. Otherwise bad labels are left out, one line each in `problems`.
            Repeated labels and images are left out and listed either way: they harm nobody.
        labels: False where the images alone matter: a format that keeps labels in files of their own opens none.
        on_bad_image: told, as on_bad_image(line), of each image that cannot be read, which is left out; None = stop
            at the first.

    Returns:
        DetectionDataset, records in the order of the source, image ids unique.

    Raises:
        InputError: no such split, no images in it, unknown class, unusable image, bad label when strict.
    """
    _check_split(source, split)
    problems = Problems(strict=strict, labels=labels, on_bad_image=on_bad_image)
    class_names, records = READERS[source.format].read(source, split, problems)
    if not records:
        raise InputError(
            f"{source.yaml_path}: the {split} split ({', '.join(source.splits[split])}) has no images."
            f" Expected one or more. {' '.join(problems.notes) or 'Correct the line or add images.'}"
        )
    records = distinct_records(records, split, problems)
    notes = (_describe(records, split, problems), *problems.notes, *notes_of(problems, split))
    if classes:
        records = _keep_classes(records, class_names, classes, where=source.yaml_path)
        class_names = tuple(classes)
    if single_class:
        records = [dataclasses.replace(record, class_ids=np.zeros_like(record.class_ids)) for record in records]
        class_names = ("object",)
    return DetectionDataset(class_names=tuple(class_names), records=tuple(records), problems=tuple(problems.lines), notes=notes)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Reading:
    """One split with all that is wrong in it."""

    class_names: tuple[str, ...]
    records: tuple  # R ImageRecords with the labels that are good; one picture may be there twice
    labels: tuple[ImageLabels, ...]  # R, what each image had before
    faults: tuple[Fault, ...]  # in the order of reading; those of kind "image" are of pictures that have no record
    polygons: dict[str, int]  # place of a label file's first polygon -> number of its polygons
    without_labels: tuple[str, ...]  # paths of images that have no label file
    turned: tuple[str, ...]  # images whose stated size fits the stored pixels alone: their boxes were turned with them
    undecided: tuple[str, ...]  # turned images whose stated size fits either way
    notes: tuple[str, ...]


def read_all(source, split):
    """Reads one split as the lenient `read_dataset` does, and hands over every fault instead of counting or stopping.

    Args:
        source: DatasetSource.
        split: one of its splits.

    Returns:
        Reading.

    Raises:
        InputError: what leaves no images to speak of: no such split, a missing folder, a label file of all images
            (COCO) that is broken, no class names.
    """
    _check_split(source, split)
    collected = Collected()

    def note_bad_image(line):
        where, _, text = line.partition(": ")
        collected.faults.append(Fault("image", where, text))

    problems = Problems(strict=False, on_bad_image=note_bad_image, collected=collected)
    class_names, records = READERS[source.format].read(source, split, problems)
    return Reading(
        class_names=tuple(class_names),
        records=tuple(records),
        labels=tuple(collected.labels),
        faults=tuple(collected.faults),
        polygons=collected.polygons,
        without_labels=tuple(problems.without_labels),
        turned=tuple(problems.turned),
        undecided=tuple(problems.undecided),
        notes=tuple(problems.notes),
    )


def reading_lines(dataset: DetectionDataset, split: str) -> tuple[str, ...]:
    """Returns what a person should know of a split that was read: its notes, and the first label that was left out."""
    bad = f"{split}: {len(dataset.problems)} bad labels left out, the first: {dataset.problems[0]}" if dataset.problems else ""
    return (*dataset.notes, *([bad] if bad else []))


def _check_split(source, split):
    if split not in source.splits:
        known = ", ".join(source.splits) or "none"
        raise InputError(
            f"{source.yaml_path}: no {split} split. Expected a line `{split}: …`; the splits here are: {known}."
            " Add the line or choose another split."
        )


def _describe(records, split, problems):
    """Returns the line with the numbers of a split, before `classes` takes any label away."""
    labelled = sum(len(record.boxes) > 0 for record in records)
    missing = len({record.path for record in records} & set(problems.without_labels))
    return (
        f"{split}: {len(records)} images ({labelled} with labels, {len(records) - labelled - missing} empty,"
        f" {missing} without a label file), {sum(len(record.boxes) for record in records)} boxes"
    )


def _keep_classes(records, class_names, classes, *, where):
    for name in classes:
        if name not in class_names:
            raise InputError(
                f"{where}: there is no class '{name}' to keep.{did_you_mean(name, class_names)}"
                f" Expected some of: {', '.join(class_names)}. Correct data.classes."
            )
    new_ids = np.array([classes.index(name) if name in classes else -1 for name in class_names], np.int32)
    for record in records:
        class_ids = new_ids[record.class_ids]
        keep = class_ids >= 0
        yield dataclasses.replace(record, boxes=record.boxes[keep], class_ids=class_ids[keep], is_crowd=record.is_crowd[keep])
