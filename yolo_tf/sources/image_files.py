"""Image files without decoding them: where they are, how large they are, whether they are whole."""

import contextlib
import errno
import os
import warnings
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from yolo_tf.errors import InputError, shown
from yolo_tf.sources.orientation import PREFIX, UPRIGHT, orientation_in_exif, turned_size
from yolo_tf.system.file_lookup import is_device, is_text
from yolo_tf.system.image_formats import IMAGE_FORMATS, IMAGE_WORDS, MOST_PIXELS

PILLOW_FORMATS = tuple(name.upper() for name in IMAGE_FORMATS)
# The bytes that close a whole file. A marker cannot occur inside compressed JPEG data (FF is stuffed).
END_MARKERS = {"JPEG": b"\xff\xd9", "MPO": b"\xff\xd9", "PNG": b"IEND"}
TAIL_BYTES = 64  # some writers pad the end of the file
MOST_DEEP_IMAGES = 8  # of 16 bits, whose values are looked at; as a rule all of a data set come from one camera

MOST_LOOKED_AT = 1000  # images, whose first bytes tell

# A disk that fails, or a process that has too many files open, is no fault of one image.
FAULTS_OF_THE_PATH = (errno.EACCES, errno.EPERM, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.ENOTDIR, errno.ENXIO)


class ImageHeader(NamedTuple):
    """What a file says of its image before it is decoded."""

    stored_size: tuple[int, int]  # (height, width) px
    orientation: int  # EXIF, 1..8
    is_deep: bool  # 16 bits a channel


def usable_image_size(path, problems):
    """Returns `read_image_size(path)` and notes in problems what else the header says.

    Of an unusable image tells problems.on_bad_image and returns None, or raises. One whose path is no UTF-8 is unusable too:
    no file with text in it, of results or of packed data, could name it.
    """
    try:
        if not is_text(path):
            raise InputError(f"{shown(path)}: its name is not in UTF-8. Expected a name that is text. Rename the file.")
        header = read_image_header(path)
        if header.is_deep and len(problems.deep_images) < MOST_DEEP_IMAGES:
            problems.deep_images[str(path)] = largest_value(path)
        problems.orientations[str(path)] = header.orientation
        return turned_size(header.stored_size, header.orientation)
    except InputError as error:
        if problems.on_bad_image is None:
            raise
        problems.on_bad_image(str(error))
        return None


def read_image_size(path):
    """Returns the (height, width) px of an image, turned upright, and makes sure that the file is whole.

    Reads the header and the end of the file; only where the end of a JPEG or PNG lacks its marker, and for
    the other, rarer formats, all pixels of the first image are decoded.

    Raises:
        InputError: no such file, no image, a format that TensorFlow does not decode, damaged or cut short, or a header that
            declares more than MOST_PIXELS or an animated WebP, of which no pixel is decoded.
    """
    header = read_image_header(path)
    return turned_size(header.stored_size, header.orientation)


def read_image_header(path):
    """Returns the ImageHeader of a file; otherwise as `read_image_size`."""
    path = Path(path)
    if is_device(path):
        raise InputError(f"{path}: is a device or a named pipe. Expected an image file. Remove it.")
    with _telling_damage(path), path.open("rb") as file, _open_image(file) as image:
        width, height = image.size
        _check_header(path, image)
        orientation = orientation_in_exif(image.info.get("exif", b""))
        if orientation != UPRIGHT and image.format in ("JPEG", "MPO") and not _has_exif_in_front(file):
            raise InputError(
                f"{path}: its EXIF orientation stands behind tables or fill bytes, where it is not looked for. Expected it in"
                " front of them. Save the image again, upright."
            )
        is_deep = image.format == "PNG" and ";16" in str(image.tile)
        marker = END_MARKERS.get(image.format)
        position = file.tell()
        file.seek(max(0, file.seek(0, 2) - TAIL_BYTES))
        whole = marker is not None and marker in file.read()
        file.seek(position)
        if not whole:
            image.load()
    return ImageHeader((height, width), orientation, is_deep)


def _has_exif_in_front(file):
    """Returns whether the Exif segment of a JPEG stands among its first ones, where `data.orientation` reads it."""
    position, place, found = file.tell(), 2, False
    while not found:
        file.seek(place)
        head = file.read(4 + len(PREFIX))
        if len(head) < 4 or head[0] != 0xFF or not (head[1] >> 4 == 0xE or head[1] == 0xFE):
            break
        found = head[1] == 0xE1 and head[4:] == PREFIX
        place += 2 + int.from_bytes(head[2:4], "big")
    file.seek(position)
    return found


def largest_value(path):
    """Returns the largest value of a 16-bit image, 0..65535; of one in colour to 255 exactly. Raises as `read_image_size`."""
    with _telling_damage(path), open(path, "rb") as file, _open_image(file) as image:
        largest = int(np.asarray(image).max())
        return largest if image.mode.startswith("I") else largest * 256 + 255


def deep_images(paths):
    """Finds 16-bit images, MOST_DEEP_IMAGES at most, among the first MOST_LOOKED_AT of `paths`; returns {path: largest value}."""
    found = {}
    for path in paths[:MOST_LOOKED_AT]:
        with contextlib.suppress(OSError, InputError):  # what cannot be read is told by whoever decodes it
            if os.path.isfile(path) and _is_deep_png(path):
                found[str(path)] = largest_value(path)
        if len(found) == MOST_DEEP_IMAGES:
            break
    return found


def _is_deep_png(path):
    with open(path, "rb") as file:
        head = file.read(25)
    return head.startswith(b"\x89PNG\r\n\x1a\n") and head[24:] == b"\x10"


@contextlib.contextmanager
def _telling_damage(path):
    """Makes one line, an InputError, of what is raised where a file is missing or damaged."""
    try:
        yield
    except InputError:
        raise
    except FileNotFoundError as error:
        raise InputError(f"{path}: does not exist. Expected an image. Restore it or remove it from the list.") from error
    except Image.UnidentifiedImageError as error:
        raise InputError(f"{path}: is no image that can be read. Expected {IMAGE_WORDS}. Convert or remove it.") from error
    except Image.DecompressionBombError as error:
        raise _too_large(path, str(error)) from error
    except (OSError, SyntaxError, ValueError) as error:  # what Pillow raises for damaged files
        number = getattr(error, "errno", None)
        if number in FAULTS_OF_THE_PATH:
            raise InputError(f"{path}: cannot be read ({error.strerror}). Expected an image. Check the path.") from error
        if number:
            raise
        raise InputError(f"{path}: is damaged or cut short ({error}). Expected a whole image. Restore or remove it.") from error


def _open_image(file):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of half the pixels that are refused, and of damaged EXIF blocks, which say nothing
        return Image.open(file, formats=PILLOW_FORMATS)


def _check_header(path, image):
    """Raises InputError for what the header alone says must not be decoded: `data.images.decode_image` draws the same lines."""
    width, height = image.size
    if width * height > MOST_PIXELS:
        raise _too_large(path, f"{width} x {height} px")
    if image.format == "WEBP" and image.is_animated:
        raise InputError(
            f"{path}: is an animated WebP, which cannot be decoded safely. Expected {IMAGE_WORDS}. Save its first frame."
        )


def _too_large(path, how):
    return InputError(f"{path}: is too large ({how}). Expected under {MOST_PIXELS / 1e6:.0f} million pixels. Cut it into tiles.")


def image_ids(paths, root):
    """Returns a unique id for each path: its name without suffix, or its path from `root` where such names repeat."""
    counts = Counter(path.stem for path in paths)
    from_root = [path.relative_to(root) if path.is_relative_to(root) else path for path in paths]
    return [path.stem if counts[path.stem] == 1 else path.as_posix() for path in from_root]
