"""Files as people name them: a suffix in any case, separators of another system, accents apart, names that are no Unicode."""

import os
import stat
import unicodedata
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
        name = next((names[key] for suffix in suffixes for key in _keys(stem, suffix) if key in names), None)
        return os.path.join(folder, name) if name else None

    return find


def real_file_finder():
    """Makes a function path -> the path, as text, of the file that it leads to, through all links; it follows each folder once.

    Two paths lead to one file where it gives the same. Files with several names on the disk itself (hard links) stay apart.
    """
    folders = {}

    def find(path):
        head, separator, name = os.fspath(path).rpartition(os.sep)
        if head not in folders:
            folders[head] = os.path.join(os.path.realpath(head + separator), "")
        place = folders[head] + name
        return os.path.realpath(place) if os.path.islink(place) else place

    return find


def is_device(path):
    """Returns whether a path leads to a device, a named pipe or a socket: one that is waited for, or never ends."""
    try:
        kind = os.stat(path).st_mode
    except (OSError, ValueError):  # nothing is there, or no such name can be
        return False
    return not (stat.S_ISREG(kind) or stat.S_ISDIR(kind))


def written_path(folder, text):
    """Returns the path that `text` means from `folder`; see `written_name`."""
    return Path(folder) / written_name(folder, text)


def written_name(folder, text):
    r"""Returns the path `text` from `folder` as it is called there.

    Of a\b.jpg that is, unless it is there, a/b.jpg. Where accents were taken apart from their letters (Unicode NFD), as archives
    of macOS have them, or put together (NFC), and the text has them the other way, it is the name that is there.
    """
    if text.isascii() and "\\" not in text:  # nearly all
        return text
    plain = text.replace("\\", "/")
    spelled = (text, plain, composed(plain), unicodedata.normalize("NFD", plain))
    return next((name for name in dict.fromkeys(spelled) if os.path.lexists(os.path.join(folder, name))), plain)


def composed(text):
    """Returns text with its accents and letters as one character each (Unicode NFC), so that both spellings are equal."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def is_text(name):
    """Returns whether a name or path is Unicode that a file can have; bytes in another encoding and U+0000 are not."""
    try:
        str(name).encode("utf-8")
    except UnicodeEncodeError:
        return False
    return "\0" not in str(name)


def _by_suffix(folder):
    """Returns (name without suffix, suffix in lower case) -> name of each file in a folder; see `_keys`."""
    try:
        names = sorted(os.listdir(folder or os.curdir))  # capitals come first, so that the plain spelling wins
    except OSError:  # no such folder: nothing is there
        return {}
    split = [(stem, suffix.lower(), stem + suffix) for stem, suffix in map(os.path.splitext, names)]
    by_either = {key: name for stem, suffix, name in split for key in _keys(stem, suffix)[1:]}
    return by_either | {(stem, suffix): name for stem, suffix, name in split}


def _keys(stem, suffix):
    """Returns what a file is looked up by: its name as it is and, where it is not ASCII, composed."""
    return [(stem, suffix)] if stem.isascii() else [(stem, suffix), (composed(stem), suffix)]
