"""Files as people name them: a suffix in any case, separators of another system, names that are no Unicode."""

import os
from pathlib import Path


def suffix_finder():
    """Makes a function that finds files whatever the case of their suffix is; it lists each folder once.

    Returns:
        Function (place, the path as text but for its suffix; suffixes in lower case) -> path, as text, of the first of these
        files that is there, that with the suffix in lower case where both are; None = there is none.
    """
    folders = {}

    def find(place, suffixes):
        folder, stem = os.path.split(place)
        if folder not in folders:
            folders[folder] = _by_suffix(folder)
        names = folders[folder]
        name = next((names[stem, suffix] for suffix in suffixes if (stem, suffix) in names), None)
        return os.path.join(folder, name) if name else None

    return find


def written_path(folder, text):
    """Returns the path that `text` means from `folder`; see `written_name`."""
    return Path(folder) / written_name(folder, text)


def written_name(folder, text):
    r"""Returns the path `text` from `folder` with the separators of this system: of a\b.jpg, unless it is there, a/b.jpg."""
    return text.replace("\\", "/") if "\\" in text and not (Path(folder) / text).exists() else text


def is_text(name):
    """Returns whether a name or path is Unicode that a file can have; bytes in another encoding and U+0000 are not."""
    try:
        str(name).encode("utf-8")
    except UnicodeEncodeError:
        return False
    return "\0" not in str(name)


def _by_suffix(folder):
    """Returns (name without suffix, suffix in lower case) -> name of each file in a folder."""
    try:
        names = sorted(os.listdir(folder or os.curdir))  # capitals come first, so that the plain spelling wins
    except OSError:  # no such folder: nothing is there
        return {}
    return {(stem, suffix.lower()): stem + suffix for stem, suffix in map(os.path.splitext, names)}
