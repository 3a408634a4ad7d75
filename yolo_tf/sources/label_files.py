"""Where the YOLO label file of an image lies, and what lies elsewhere: files that are not looked for, labels of no image.

    images/train/0007.jpg -> labels/train/0007.txt, 0007.TXT or 0007.jpg.txt

The last folder called `images`, in any case, becomes the one called `labels`. Where there is no such folder, or the path
has none called `images`, the label files lie beside the images.
"""

import os
from collections import Counter, defaultdict
from pathlib import Path

from yolo_tf.errors import some_of
from yolo_tf.system.file_lookup import suffix_finder
from yolo_tf.system.image_walk import is_hidden

SUFFIXES = (".txt",)


def label_path(image_path):
    """Returns the label file of an image as it is spelled by rule: the last `images` folder becomes `labels`."""
    return _label_folder(image_path.parent, "labels") / f"{image_path.stem}.txt"


def find_label_files(paths, split, problems):
    """Finds the label files of images.

    Args:
        paths: of the images.
        split: for messages.
        problems: Problems; gains the images without a label file, and notes of label files that are not read although
            they lie beside such an image, of folders without any, and of files that serve two images.

    Returns:
        list of paths as text, as long as `paths`; None = the image has no label file.
    """
    find, folders, found, missing = suffix_finder(), {}, [], []
    for path in map(str, paths):
        folder, name = os.path.split(path)
        if folder not in folders:
            folders[folder] = str(_existing_label_folder(Path(folder)))
        place = os.path.join(folders[folder], name)
        label = find(os.path.splitext(place)[0], SUFFIXES) or find(place, SUFFIXES)
        found.append(label)
        if label is None:
            missing.append((path, folder))
    problems.without_labels.extend(path for path, _ in missing)
    beside = ((find(os.path.splitext(path)[0], SUFFIXES), folders[folder]) for path, folder in missing)
    beside = [f"{label} (looked for in {folder})" for label, folder in beside if label]
    if beside:
        problems.notes.append(
            f"{split}: {len(beside)} images count as background although a label file lies beside them: {some_of(beside)}."
            " Move these files to where they are looked for."
        )
    bare = set(folders) - {os.path.dirname(path) for path, label in zip(paths, found, strict=True) if label}
    if bare and len(bare) < len(folders):
        places = [f"{folder} (looked for in {folders[folder]})" for folder in sorted(bare)]
        problems.notes.append(f"{split}: {len(bare)} folders have images and no label file: {some_of(places)}.")
    shared = [f"{label} ({count} images)" for label, count in Counter(filter(None, found)).items() if count > 1]
    if shared:
        problems.notes.append(
            f"{split}: {len(shared)} label files belong to several images, which differ in the suffix alone: {some_of(shared)}."
            " Rename the images, or remove the copies."
        )
    return found


def note_labels_without_image(directory, paths, split, problems):
    """Notes in problems how many label files of a directory, and of the folders in it, have no image.

    Args:
        directory: of images.
        paths: of all pictures in it, those that are not read too.
        split: for messages.
        problems: Problems.
    """
    names = defaultdict(set)  # folder of images -> what its label files may be called, without their suffix
    for path in map(str, paths):
        folder, name = os.path.split(path)
        names[folder] |= {name, os.path.splitext(name)[0]}
    known = defaultdict(set)
    for folder, stems in names.items():
        known[str(_existing_label_folder(Path(folder)))] |= stems
    orphans = []
    for folder in sorted({*known, *_folders_below(_existing_label_folder(Path(directory)))}):
        for stem, suffix in map(os.path.splitext, sorted(os.listdir(folder)) if os.path.isdir(folder) else ()):
            path = os.path.join(folder, stem + suffix)
            if suffix.lower() in SUFFIXES and stem not in known[folder] and not is_hidden(stem) and _holds_labels(path):
                orphans.append(path)
    if orphans:
        problems.notes.append(
            f"{split}: {len(orphans)} label files have no image in {directory}: {some_of(orphans)}."
            " Restore the images, or remove the labels."
        )


def _folders_below(root):
    """Yields `root` and the folders in it, as text, but for hidden ones."""
    for folder, folders, _ in os.walk(root):
        folders[:] = [name for name in folders if not is_hidden(name)]
        yield folder


def _label_folder(folder, name):
    """Returns `folder` with its last part that is called images, in any case, replaced by `name`; without one, `folder`."""
    parts = list(folder.parts)
    last = max((index for index, part in enumerate(parts) if part.lower() == "images"), default=None)
    if last is None:
        return folder
    return Path(*parts[:last], name, *parts[last + 1 :])


def _existing_label_folder(folder):
    """Returns the folder where the label files of the images in `folder` are looked for."""
    plain = _label_folder(folder, "labels")
    spelled = (_label_folder(folder, name) for name in ("labels", "Labels", "LABELS"))
    return next((path for path in spelled if path.is_dir()), plain if not _holds_label_file(folder) else folder)


def _holds_label_file(folder):
    if not folder.is_dir():
        return False
    with os.scandir(folder) as entries:
        return any(os.path.splitext(entry.name)[1].lower() in SUFFIXES and _holds_labels(entry.path) for entry in entries)


def _holds_labels(path):
    """Returns whether a text file is empty or begins with a row of five numbers: lists, notes, folders and pipes do not."""
    if not os.path.isfile(path):
        return False
    with open(path, "rb") as file:
        columns = file.readline(1000).split()
    try:
        return len(list(map(float, columns))) >= 5 or not columns
    except ValueError:
        return False
