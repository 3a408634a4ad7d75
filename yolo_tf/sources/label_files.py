"""Where the label file of an image lies, and what lies elsewhere: files that are not looked for, labels of no image.

    images/train/0007.jpg -> labels/train/0007.txt, 0007.TXT or 0007.jpg.txt        (YOLO_LABELS)
    JPEGImages/0007.jpg   -> Annotations/0007.xml                                   (VOC_LABELS)

The last folder called `images`, in any case, becomes the one called `labels`. Where there is no such folder, or the path
has none called `images`, the label files lie beside the images.
"""

import dataclasses
import os
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path

from yolo_tf.errors import some_of
from yolo_tf.sources.faults import Fault
from yolo_tf.system.file_lookup import composed, suffix_finder
from yolo_tf.system.image_walk import is_hidden


@dataclasses.dataclass(frozen=True)
class LabelPlaces:
    """What the folders and files of a format are called."""

    images: tuple[str, ...]  # folders of images, in lower case
    labels: tuple[str, ...]  # the folders that stand for them, the usual spelling first
    suffix: str  # of a label file, in lower case
    holds_labels: Callable  # whether a line of bytes may be the first of a label file; lists and notes have others


def label_path(image_path, places):
    """Returns the label file of an image as it is spelled by rule: the last `images` folder becomes `labels`."""
    return _label_folder(image_path.parent, places.labels[0], places) / f"{image_path.stem}{places.suffix}"


def find_label_files(paths, split, problems, places):
    """Finds the label files of images.

    Args:
        paths: of the images.
        split: for messages.
        problems: Problems; gains the images without a label file, and notes of label files that are not read although
            they lie beside such an image, of folders without any, and of files that serve two images.
        places: LabelPlaces.

    Returns:
        list of paths as text, as long as `paths`; None = the image has no label file.
    """
    find, suffixes, folders, found, missing = suffix_finder(), (places.suffix,), {}, [], []
    for path in map(str, paths):
        folder, name = os.path.split(path)
        if folder not in folders:
            folders[folder] = str(_existing_label_folder(Path(folder), places))
        place = os.path.join(folders[folder], name)
        label = find(os.path.splitext(place)[0], suffixes) or find(place, suffixes)
        found.append(label)
        if label is None:
            missing.append((path, folder))
    problems.without_labels.extend(path for path, _ in missing)
    beside = ((find(os.path.splitext(path)[0], suffixes), folders[folder]) for path, folder in missing)
    beside = {label: folder for label, folder in beside if label}
    lies = "lies beside its image, and is not read. Expected it in {}. Move it there."
    if beside and not _collect(problems, "misplaced", {label: lies.format(folder) for label, folder in beside.items()}):
        looked = [f"{label} (looked for in {folder})" for label, folder in beside.items()]
        problems.notes.append(
            f"{split}: {len(beside)} images count as background although a label file lies beside them: {some_of(looked)}."
            " Move these files to where they are looked for."
        )
    bare = set(folders) - {os.path.dirname(path) for path, label in zip(paths, found, strict=True) if label}
    if bare and len(bare) < len(folders):
        looked = [f"{folder} (looked for in {folders[folder]})" for folder in sorted(bare)]
        problems.notes.append(f"{split}: {len(bare)} folders have images and no label file: {some_of(looked)}.")
    shared = {label: count for label, count in Counter(filter(None, found)).items() if count > 1}
    belongs = "belongs to {} images, which differ in the suffix alone. Expected one each. Rename the images."
    if shared and not _collect(problems, "shared", {label: belongs.format(count) for label, count in shared.items()}):
        those = [f"{label} ({count} images)" for label, count in shared.items()]
        problems.notes.append(
            f"{split}: {len(shared)} label files belong to several images, which differ in the suffix alone: {some_of(those)}."
            " Rename the images, or remove the copies."
        )
    return found


def note_labels_without_image(directory, paths, split, problems, places):
    """Notes in problems how many label files of a directory, and of the folders in it, have no image.

    Args:
        directory: of images.
        paths: of all pictures in it, those that are not read too.
        split: for messages.
        problems: Problems.
        places: LabelPlaces.
    """
    names = defaultdict(set)  # folder of images -> what its label files may be called, without their suffix
    for path in map(str, paths):
        folder, name = os.path.split(path)
        names[folder] |= {composed(name), composed(os.path.splitext(name)[0])}
    known = defaultdict(set)
    for folder, stems in names.items():
        known[str(_existing_label_folder(Path(folder), places))] |= stems
    orphans = []
    for folder in sorted({*known, *_folders_below(_existing_label_folder(Path(directory), places))}):
        for stem, suffix in map(os.path.splitext, sorted(os.listdir(folder)) if os.path.isdir(folder) else ()):
            path = os.path.join(folder, stem + suffix)
            wanted = suffix.lower() == places.suffix and composed(stem) not in known[folder] and not is_hidden(stem)
            if wanted and _holds_labels(path, places):
                orphans.append(path)
    lost = f"has no image in {directory}. Expected one of its name. Restore the image, or remove the labels."
    if orphans and not _collect(problems, "orphan", dict.fromkeys(orphans, lost)):
        problems.notes.append(
            f"{split}: {len(orphans)} label files have no image in {directory}: {some_of(orphans)}."
            " Restore the images, or remove the labels."
        )


def _collect(problems, kind, texts):
    """Keeps a Fault for each place of {place: text}, where faults are collected; returns whether they are."""
    if problems.collected is None:
        return False
    problems.collected.faults.extend(Fault(kind, place, text) for place, text in texts.items())
    return True


def _folders_below(root):
    """Yields `root` and the folders in it, as text, but for hidden ones."""
    for folder, folders, _ in os.walk(root):
        folders[:] = [name for name in folders if not is_hidden(name)]
        yield folder


def _label_folder(folder, name, places):
    """Returns `folder` with its last part that is called as one of images replaced by `name`; without one, `folder`."""
    parts = list(folder.parts)
    last = max((index for index, part in enumerate(parts) if part.lower() in places.images), default=None)
    if last is None:
        return folder
    return Path(*parts[:last], name, *parts[last + 1 :])


def _existing_label_folder(folder, places):
    """Returns the folder where the label files of the images in `folder` are looked for."""
    spelled = [_label_folder(folder, name, places) for name in places.labels]
    return next((path for path in spelled if path.is_dir()), folder if _holds_label_file(folder, places) else spelled[0])


def _holds_label_file(folder, places):
    if not folder.is_dir():
        return False
    with os.scandir(folder) as entries:
        return any(entry.name.lower().endswith(places.suffix) and _holds_labels(entry.path, places) for entry in entries)


def _holds_labels(path, places):
    """Returns whether a file is empty or begins as a label file: lists, notes, folders and pipes do not."""
    if not os.path.isfile(path):
        return False
    with open(path, "rb") as file:
        line = file.readline(1000)
    return not line.strip() or places.holds_labels(line)


def _begins_with_numbers(line):
    try:
        return len(list(map(float, line.split()))) >= 5
    except ValueError:
        return False


YOLO_LABELS = LabelPlaces(("images",), ("labels", "Labels", "LABELS"), ".txt", _begins_with_numbers)
VOC_LABELS = LabelPlaces(
    ("jpegimages", "images"), ("Annotations", "annotations", "ANNOTATIONS"), ".xml", lambda line: b"<" in line
)
