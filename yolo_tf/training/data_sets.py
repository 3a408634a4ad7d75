"""The data sets of a run: read, checked, and told apart from others."""

import dataclasses
import functools
import hashlib

from yolo_tf.data.image_scan import check_images, scan_images
from yolo_tf.data.selection import select_records
from yolo_tf.errors import InputError
from yolo_tf.evaluation.classes import renumbered
from yolo_tf.files import carries_spec, read_spec
from yolo_tf.sources import read_dataset, read_source, reading_lines
from yolo_tf.system.cache import cache_directory
from yolo_tf.terminal import say
from yolo_tf.terminal.progress import progress_bar


def read_splits(data, *, seed=0):
    """Reads the training and validation split of a DataConfig, and decodes every image that no earlier run found whole.

    A broken image stops the run here, before its first epoch, not hours later; with on_bad_image "skip" each is
    named and left out. Of the training split `fraction` and `background_fraction` are taken, drawn by `seed`.
    """
    if not data.dataset:
        raise InputError("config.data.dataset: is empty. Expected the path of a data set YAML. Add data.dataset=FILE.")
    source = read_source(data.dataset, path=data.path)
    say(*source.notes)
    sets, told = [], []
    for split in (data.train_split, data.val_split):
        leave_out = functools.partial(_tell_left_out, split) if data.on_bad_image == "skip" else None
        options = dict(classes=data.classes, single_class=data.single_class, strict=data.strict_labels)
        dataset = read_dataset(source, split, **options, on_bad_image=leave_out)
        say(*reading_lines(dataset, split))
        if not sets:
            options = dict(fraction=data.fraction, background_fraction=data.background_fraction, seed=seed)
            dataset, left_out = select_records(dataset, **options)
            say(*left_out)
        scan = (scan_images if leave_out else check_images)(
            dataset,
            progress_bar(len(dataset.records), label=f"{split}: decoded "),
            memory=cache_directory() / "scans",
            believe=data.scan == "remembered",
        )
        say(*(line for line in scan.notes(split) if line not in told))
        told += scan.notes(split)
        sets.append(_without_broken_images(dataset, split, scan) if scan.broken else dataset)
    names = [dataset.class_names for dataset in sets]
    if names[0] != names[1]:
        raise InputError(
            f"{source.yaml_path}: {data.train_split} has the classes {list(names[0])}, {data.val_split} {list(names[1])}."
            " Expected the same. Add `names` to the data set YAML."
        )
    return sets


def in_order_of_files(config, sets):
    """Returns the data sets with their classes numbered as by the first file that the run begins with or learns from.

    A trained detector with the same names in another order is told by name, and what is trained then has its order; says
    so. One of other classes is refused by whoever opens it, or, as `model.weights`, gives the rest of its weights.
    """
    named, ours = config.model.network or config.compress.teacher or config.model.weights, sets[0].class_names
    theirs = read_spec(named).class_names if named and carries_spec(named) else ours
    if theirs == ours or set(theirs) != set(ours):
        return sets
    say(f"classes are numbered as in {named}, by name: {list(theirs)}; the data set says {list(ours)}")
    return [renumbered(dataset, theirs) for dataset in sets]


def fingerprint(dataset):
    """Returns 16 hexadecimal digits that change with the number, order, sizes and boxes of the images of a DetectionDataset."""
    digest = hashlib.sha256(repr(dataset.class_names).encode())
    for record in dataset.records:
        digest.update(f"{record.width} {record.height} {len(record.boxes)}".encode())
        for array in (record.boxes, record.class_ids, record.is_crowd):
            digest.update(array.tobytes())
    return digest.hexdigest()[:16]


def _without_broken_images(dataset, split, scan):
    """Returns the DetectionDataset without its images that do not decode, as its ImageScan says; names each of them."""
    broken = scan.broken
    for line in broken.values():
        _tell_left_out(split, line)
    if len(broken) == len(dataset.records) > 0:
        raise InputError(f"{split}: none of its {len(broken)} images can be used. Expected files that decode. Check data.path.")
    kept = tuple(record for index, record in enumerate(dataset.records) if index not in broken)
    return dataclasses.replace(dataset, records=kept)


def _tell_left_out(split, line):
    say(f"{split}: left out: {line}")
