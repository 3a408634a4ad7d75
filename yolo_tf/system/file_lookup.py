"""Files as people name them: a suffix in any case, separators of another system, names that are no text."""

import os
from pathlib import Path


def suffix_finder():
    """Makes a function that finds files whatever the case of their suffix is; it lists each folder once.

    Returns:
        Function (place, a path without suffix; suffixes in lower case) -> Path of the first of these files that is there,
        that with the suffix in lower case where both are; None = there is none.
    """
    folders = {}

    def find(place, suffixes):
        if place.parent not in folders:
            folders[place.parent] = _by_suffix(place.parent)
        names = folders[place.parent]
        name = next((names[place.name, suffix] for suffix in suffixes if (place.name, suffix) in names), None)
        return place.parent / name if name else None

    return find


def written_path(folder, text):
    r"""Returns the path that `text` means from `folder`; of a\b.jpg, where nothing is called that, a/b.jpg."""
    path = Path(folder) / text
    return Path(folder) / text.replace("\\", "/") if "\\" in text and not path.exists() else path


def shown(name):
    r"""Returns a name or path as text that can be written: bytes that are no UTF-8 as caf\xe9."""
    return str(name).encode("utf-8", "backslashreplace").decode().replace(r"\udc", r"\x")  # such a byte is U+DC80 to U+DCFF


def is_text(name):
    """Returns whether a name or path is Unicode; one of bytes in another encoding is not."""
    try:
        str(name).encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _by_suffix(folder):
    """Returns (name without suffix, suffix in lower case) -> name of each file in a folder."""
    try:
        names = sorted(os.listdir(folder))  # capitals come first, so that the plain spelling wins
    except OSError:  # no such folder: nothing is there
        return {}
    return {(stem, suffix.lower()): stem + suffix for stem, suffix in map(os.path.splitext, names)}
