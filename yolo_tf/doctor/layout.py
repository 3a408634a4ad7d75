"""A data set on disk in one of three formats: where images, labels, lists and the YAML lie. Images are links to the originals."""

import contextlib
import dataclasses
import math
import os
from collections import Counter
from pathlib import Path, PurePath

import yaml

from yolo_tf.errors import InputError, some_of
from yolo_tf.system.atomic import atomic_path, find_leftovers, json_text

FORMATS = ("yolo", "coco", "voc")  # those that can be written
YAML_NAME = "data.yaml"


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Entry:
    """One image that is to be written with its labels."""

    source: str  # path of the image file; "" where `contents` has the image
    suffix: str  # of the written file
    name: str  # wanted, without suffix; a number is added where two are equal
    label: object  # text of the label file (str or bytes; None = no file); for coco (image, annotations), dicts without ids
    contents: bytes = b""


def check_new(directory, option):
    """Raises InputError where `directory`, given as `option`, is there already; names what a killed run left beside it."""
    if not os.path.lexists(directory):
        return
    directory = Path(directory)
    left = find_leftovers(directory) if directory.is_dir() and not any(directory.iterdir()) else ()
    rest = f", or, where no other run is at work, remove it and {some_of(left)}, as one that was killed left them" if left else ""
    raise InputError(f"{directory}: is there already. Expected a new directory, as nothing is replaced. Change `{option}`{rest}.")


def check_outside(directory, source, option):
    """Raises InputError where `directory` would lie in a folder that a split of the DatasetSource is read from.

    All images below such a folder count, so the links of the new directory would become images of the data set.
    """
    if source.format != "yolo":  # others go by lists
        return
    from yolo_tf.sources.dataset_yaml import find_path

    place = Path(directory).resolve()
    for split, entry in ((split, entry) for split, entries in source.splits.items() for entry in entries):
        try:
            folder = find_path(source, split, entry)
        except InputError:  # whoever reads the split says so
            continue
        if folder.is_dir() and place.is_relative_to(folder.resolve()):
            raise InputError(
                f"{directory}: lies in {folder}, where all images are of the {split} split. Expected a place outside, as the"
                f" data set stays as it is. Change `{option}`."
            )


@contextlib.contextmanager
def reserved(directory, option):
    """Creates `directory`, which must be new, and yields a path to fill instead; it is whole, or absent where the block fails."""
    directory = Path(directory)
    check_new(directory, option)
    directory.parent.mkdir(parents=True, exist_ok=True)
    directory.mkdir()
    try:
        with atomic_path(directory) as temporary:
            temporary.mkdir()
            yield temporary
    except BaseException:
        with contextlib.suppress(OSError):
            directory.rmdir()  # what this made; with anything in it, it stays
        raise


def write_layout(root, format_name, entries, class_names, *, documents=None, options=None):
    """Writes a data set.

    Args:
        root: an empty directory.
        format_name: one of FORMATS.
        entries: {split: list of Entry}.
        class_names: C names.
        documents: for coco, {split: what its JSON has beside images and annotations}; None = categories 1..C.
        options: more keys of the YAML.
    """
    names = _unique_names(entries, format_name)
    written = {split: _write_split(root, format_name, split, entries[split], names[split]) for split in entries}
    if format_name == "coco":
        for split in entries:
            document = (documents or {}).get(split) or {"categories": _categories(class_names)}
            _write_coco(root / f"annotations/{split}.json", document, entries[split], written[split])
    if format_name == "voc":
        for split, stems in names.items():
            _put(root / f"ImageSets/Main/{split}.txt", "".join(f"{stem}\n" for stem in stems))
    splits = {split: _split_words(format_name, split) for split in entries}
    images = {"images": {split: f"images/{split}" for split in entries}} if format_name == "coco" else {}
    texts = {"format": format_name, "path": ".", **splits, **images, **(options or {}), "names": list(class_names)}
    _put(root / YAML_NAME, yaml.safe_dump(texts, sort_keys=False, allow_unicode=True))


def _split_words(format_name, split):
    return {"yolo": f"images/{split}", "coco": f"annotations/{split}.json", "voc": split}[format_name]


def _categories(class_names):
    return [{"id": number, "name": name} for number, name in enumerate(class_names, start=1)]


def _unique_names(entries, format_name):
    """Returns {split: names of its images}; they differ within a split, and for voc, where splits share a folder, over all."""
    taken, names = Counter(), {}
    for split, those in entries.items():
        taken = taken if format_name == "voc" else Counter()
        names[split] = []
        for entry in those:
            wanted = _listable(entry.name) if format_name == "voc" else entry.name
            name, number = wanted, 1
            while name.lower() in taken:
                number += 1
                name = f"{wanted}-{number}"
            taken[name.lower()] += 1
            names[split].append(name)
    return names


def _listable(name):
    """Returns a name that is found again in a list with a name on each line, from which spaces at both ends are taken."""
    return " ".join(name.splitlines()).strip() or "image"


def _write_split(root, format_name, split, entries, names):
    folder = "JPEGImages" if format_name == "voc" else f"images/{split}"
    label_folder, label_suffix = ("Annotations", ".xml") if format_name == "voc" else (f"labels/{split}", ".txt")
    (root / folder).mkdir(parents=True, exist_ok=True)
    written = []
    for entry, name in zip(entries, names, strict=True):
        place = root / folder / f"{name}{entry.suffix}"
        if entry.source:
            place.symlink_to(os.path.abspath(entry.source))
        else:
            place.write_bytes(entry.contents)
        written.append(place.relative_to(root).as_posix())
        if format_name != "coco" and entry.label is not None:
            _put(root / label_folder / f"{name}{label_suffix}", entry.label)
    return written


def _write_coco(path, document, entries, written):
    images, annotations = [], []
    for number, (entry, place) in enumerate(zip(entries, written, strict=True), start=1):
        image, those = entry.label
        images.append({**image, "id": number, "file_name": PurePath(place).name})
        annotations += [
            {**annotation, "id": len(annotations) + index, "image_id": number} for index, annotation in enumerate(those, 1)
        ]
    _put(path, json_text(finite({**document, "images": images, "annotations": annotations})))


def finite(value):
    """Returns a value of JSON with null for NaN and infinities, which Python reads though JSON has no such numbers."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: finite(one) for key, one in value.items()}
    return [finite(one) for one in value] if isinstance(value, (list, tuple)) else value


def _put(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
