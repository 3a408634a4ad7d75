"""Which files of a directory are images: one walk for all who read directories, and what it passed over."""

import dataclasses
import glob
import os
from pathlib import Path

from yolo_tf.errors import InputError, some_of
from yolo_tf.system.image_formats import HEAD_BYTES, IMAGE_SUFFIXES, UNREAD_SUFFIXES, begins_as_image

# Folders, in lower case, that file servers, archives and editors put beside pictures, with smaller copies of them.
TOOL_FOLDERS = {"__macosx", "@eadir", "@recycle", "#recycle", "#snapshot", "$recycle.bin", "system volume information"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class ImageWalk:
    """The image files of a directory, sorted by path, and the pictures that do not count."""

    images: tuple[Path, ...]
    unread: tuple[Path, ...] = ()  # of a format that is not read
    hidden: tuple[Path, ...] = ()  # hidden images, and those in hidden folders and TOOL_FOLDERS
    unentered: tuple[Path, ...] = ()  # folders, where only one folder was asked for
    repeated: tuple[Path, ...] = ()  # linked folders that are not entered: what they lead to counts where it lies

    def notes(self, place):
        """Returns a line for each kind of picture that was passed over in `place`, with their number and the first ones."""
        inside = os.path.join(str(place), "**")
        suffixes = some_of(sorted({path.suffix.lower() for path in self.unread}), most=9)
        lines = (
            (
                self.unread,
                f"{place}: {len(self.unread)} pictures of formats that are not read ({suffixes}) are left out:"
                f" {some_of(self.unread)}. Convert them to PNG or JPEG.",
            ),
            (
                self.hidden,
                f"{place}: {len(self.hidden)} images that are hidden or in folders of tools are left out: {some_of(self.hidden)}."
                " Rename or move those that belong to the data.",
            ),
            (
                self.unentered,
                f"{place}: {len(self.unentered)} folders in it are not looked into: {some_of(self.unentered)}."
                f" Give '{inside}' for their images too.",
            ),
            (
                self.repeated,
                f"{place}: {len(self.repeated)} linked folders lead back to folders that are read anyway or hold this one, and"
                f" are left out: {some_of(self.repeated)}. Remove the links.",
            ),
        )
        return tuple(line for found, line in lines if found)


def is_hidden(name):
    """Returns whether a file or folder of this name is nobody's data."""
    return name.startswith(".") or name.lower() in TOOL_FOLDERS


def picture_kind(path):
    """Returns "image", "unread" or "" (no picture), by the suffix in any case; without one, by how the file begins."""
    suffix = os.path.splitext(path)[1].lower()
    if suffix in IMAGE_SUFFIXES:
        return "image"
    if suffix in UNREAD_SUFFIXES:
        return "unread"
    return "image" if not suffix and _begins_as_image(path) else ""


def walk_images(directory, *, below=True):
    """Finds the images of a directory; with `below` those of the folders in it too, linked ones included.

    Each folder is entered once, real ones before links, and never one that holds the directory itself. So a link in a
    circle ends, and no image counts twice because two links lead to it.

    Returns:
        ImageWalk.

    Raises:
        InputError: a folder that cannot be read.
    """
    found = {"image": [], "unread": [], "hidden": [], "unentered": [], "repeated": []}
    above = {*Path(directory).resolve().parents, *Path(os.path.abspath(directory)).parents}
    entered = {_identity(folder) for folder in above}
    folders, links = [(str(directory), False, None)], []
    while folders or links:
        folder, hidden, link = folders.pop() if folders else links.pop(0)
        if _identity(folder) in entered:
            found["repeated"] += [Path(link)] if link else []
            continue
        if not hidden:  # a link may lead there, as stores of data sets have it
            entered.add(_identity(folder))
        for entry in _entries(folder):
            hides = hidden or is_hidden(entry.name)
            is_folder = os.path.isdir(entry.path) if entry.is_symlink() else entry.is_dir()  # a link may lead to itself
            if not is_folder:
                kind = picture_kind(entry.path)
                if kind:
                    found["hidden" if hides else kind].append(Path(entry.path))
            elif not below:
                found["unentered"] += [] if hides else [Path(entry.path)]
            elif entry.is_symlink() or link:
                links += [] if hides else [(entry.path, hides, entry.path)]
            else:
                folders.append((entry.path, hides, None))
    images, *others = (tuple(sorted(paths)) for paths in found.values())
    return ImageWalk(images=images, **dict(zip(("unread", "hidden", "unentered", "repeated"), others, strict=True)))


def match_images(pattern):
    """Finds the images that a glob stands for, `**` included, as an ImageWalk; hidden files are none unless it says so.

    As in `walk_images`, each folder that `**` leads to is entered once, so a link in a circle ends.
    """
    found = {"image": [], "unread": [], "hidden": []}
    for name in dict.fromkeys(_matches(str(pattern))):
        kind = "" if os.path.isdir(name) else picture_kind(name)
        hides = any(part.lower() in TOOL_FOLDERS and part not in str(pattern) for part in Path(name).parts)
        if kind:
            found["hidden" if hides else kind].append(Path(name))
    images, unread, hidden = (tuple(sorted(paths, key=str)) for paths in found.values())
    return ImageWalk(images=images, unread=unread, hidden=hidden)


def _matches(pattern):
    """Yields the names that a glob stands for; `**` is any number of folders, as with glob.glob(…, recursive=True)."""
    before, stars, rest = pattern.partition("**")
    if not stars or before[-1:] not in ("", os.sep) or rest[:1] not in ("", os.sep):
        yield from glob.glob(pattern)
        return
    for top in glob.glob(before) if before else [""]:
        for folder in _folders(top):
            yield from _matches(os.path.join(glob.escape(folder), rest.lstrip(os.sep) or "*"))


def _folders(top):
    """Yields a folder and the folders below it that are not hidden, each once, real ones before links."""
    folders, links, entered = [top], [], set()
    while folders or links:
        folder = folders.pop() if folders else links.pop(0)
        if _identity(folder or os.curdir) in entered:
            continue
        entered.add(_identity(folder or os.curdir))
        yield folder
        for entry in _entries(folder or os.curdir):
            if not entry.name.startswith(".") and os.path.isdir(entry.path):
                (links if entry.is_symlink() else folders).append(os.path.join(folder, entry.name))


def _entries(folder):
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise InputError(f"{folder}: cannot be read ({error.strerror}). Expected a directory. Change its permissions.") from error


def _identity(folder):
    status = os.stat(folder)
    return status.st_dev, status.st_ino


def _begins_as_image(path):
    if not os.path.isfile(path):
        return False
    with open(path, "rb") as file:
        return begins_as_image(file.read(HEAD_BYTES))
