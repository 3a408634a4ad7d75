"""Text files that name one file a line, as people and labelling tools write them."""

import os
import re

from yolo_tf.errors import InputError, shown
from yolo_tf.system.file_lookup import written_path
from yolo_tf.system.text_file import read_lines

LONGEST_PATH, LONGEST_NAME = 4096, 255  # bytes, of Linux; longer ones cannot even be asked for


def read_path_list(listing, folders):
    """Reads a list of files.

    A relative path begins at the first of `folders` from which it leads to something. Paths of another machine, or of an
    archive that was unpacked under another name (CVAT writes data/obj_train_data/x.jpg), are found by their ends, at least
    the folder and the name, where the first of those that lead nowhere is found so.

    Args:
        listing: the file; empty lines count for nothing.
        folders: that relative paths may begin at; of what is found nowhere the path begins at the last.

    Returns:
        (list of Path, a line about those that were found by their ends, or "").

    Raises:
        InputError: no such list, another encoding, or a line that is too long for a path.
    """
    lines = [(number, line.strip()) for number, line in enumerate(read_lines(listing), start=1) if line.strip()]
    for number, line in lines:
        data = os.fsencode(line)
        if len(data) > LONGEST_PATH or max(map(len, re.split(rb"[/\\]", data))) > LONGEST_NAME:
            raise InputError(
                f"{listing}:{number}: '{shown(line[:30])}…' is a line of {len(line)} characters, too long for a path. Expected"
                " one path a line. Correct the list."
            )
    paths = [_find(line, folders) for _, line in lines]
    missing = [index for index, path in enumerate(paths) if path is None]
    by_end = _find_by_end([lines[index][1] for index in missing], folders)
    for index, path in zip(missing, by_end, strict=True):
        paths[index] = path or written_path(folders[-1], lines[index][1])
    found = [(lines[index][1], path) for index, path in zip(missing, by_end, strict=True) if path]
    note = f"{listing}: {len(found)} paths are found by their ends alone, {found[0][0]} as {found[0][1]}." if found else ""
    return paths, note


def _find(text, folders):
    return next((path for path in (written_path(folder, text) for folder in folders) if os.path.lexists(path)), None)


def _find_by_end(texts, folders):
    """Returns for each text the file that its end leads to, or None; as much is left out in front of all as of the first."""
    parts = [[part for part in re.split(r"[/\\]+", text) if part not in ("", ".", "..")] for text in texts]
    for start in range(len(parts[0]) - 1 if parts else 0):
        if _find("/".join(parts[0][start:]), folders):
            return [_find("/".join(names[start:]), folders) if len(names) > start + 1 else None for names in parts]
    return [None] * len(texts)
