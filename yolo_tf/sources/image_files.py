"""Image files without decoding them: where they are, how large they are, whether they are whole."""

from collections import Counter
from pathlib import Path

from PIL import Image

from yolo_tf.errors import InputError, shown
from yolo_tf.system.file_lookup import is_text
from yolo_tf.system.image_formats import IMAGE_FORMATS, IMAGE_WORDS

PILLOW_FORMATS = tuple(name.upper() for name in IMAGE_FORMATS)
# The bytes that close a whole file. A marker cannot occur inside compressed JPEG data (FF is stuffed).
END_MARKERS = {"JPEG": b"\xff\xd9", "MPO": b"\xff\xd9", "PNG": b"IEND"}
TAIL_BYTES = 64  # some writers pad the end of the file


def usable_image_size(path, problems):
    """Returns `read_image_size(path)`; of an unusable image tells problems.on_bad_image and returns None, or raises.

    One whose path is no UTF-8 is unusable too: no file with text in it, of results or of packed data, could name it.
    """
    try:
        if not is_text(path):
            raise InputError(f"{shown(path)}: its name is not in UTF-8. Expected a name that is text. Rename the file.")
        return read_image_size(path)
    except InputError as error:
        if problems.on_bad_image is None:
            raise
        problems.on_bad_image(str(error))
        return None


def read_image_size(path):
    """Returns the (height, width) of an image in stored pixels and makes sure that the file is whole.

    Reads the header and the end of the file; only where the end of a JPEG or PNG lacks its marker, and for
    the other, rarer formats, all pixels are decoded. An EXIF orientation is ignored: TensorFlow decodes the
    stored pixels, and the boxes refer to them.

    Raises:
        InputError: no such file, no image, a format that TensorFlow does not decode, damaged or cut short.
    """
    path = Path(path)
    try:
        with path.open("rb") as file, Image.open(file, formats=PILLOW_FORMATS) as image:
            width, height = image.size
            marker = END_MARKERS.get(image.format)
            position = file.tell()
            file.seek(max(0, file.seek(0, 2) - TAIL_BYTES))
            whole = marker is not None and marker in file.read()
            file.seek(position)
            if not whole:
                image.load()
    except FileNotFoundError as error:
        raise InputError(f"{path}: does not exist. Expected an image. Restore it or remove it from the list.") from error
    except (PermissionError, IsADirectoryError) as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}). Expected an image. Check the path.") from error
    except Image.UnidentifiedImageError as error:
        raise InputError(f"{path}: is no image that can be read. Expected {IMAGE_WORDS}. Convert or remove it.") from error
    except Image.DecompressionBombError as error:
        raise InputError(f"{path}: is too large ({error}). Expected under 179 million pixels. Cut it into tiles.") from error
    except (OSError, SyntaxError, ValueError) as error:  # what Pillow raises for damaged files
        if getattr(error, "errno", None):  # the disk's fault, not the file's
            raise
        raise InputError(f"{path}: is damaged or cut short ({error}). Expected a whole image. Restore or remove it.") from error
    return height, width


def image_ids(paths, root):
    """Returns a unique id for each path: its name without suffix, or its path from `root` where such names repeat."""
    counts = Counter(path.stem for path in paths)
    from_root = [path.relative_to(root) if path.is_relative_to(root) else path for path in paths]
    return [path.stem if counts[path.stem] == 1 else path.as_posix() for path in from_root]
