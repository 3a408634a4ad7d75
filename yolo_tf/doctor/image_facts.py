"""What the doctor knows of a picture: one reading of its file, all that is asked later, none of its pixels but a thumbnail."""

import dataclasses
import hashlib
import io
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from PIL import Image

from yolo_tf.doctor.fingerprints import THUMBNAIL_SHAPE
from yolo_tf.sources.image_damage import JPEG_HEAD, PNG_HEAD, fits_check_sums, lacks_scans
from yolo_tf.sources.orientation import UPRIGHT, orientation_in_exif
from yolo_tf.system.file_lookup import is_device
from yolo_tf.system.image_formats import IMAGE_FORMATS, MOST_PIXELS

FORMATS = {name.upper(): name for name in IMAGE_FORMATS} | {"MPO": "JPEG"}  # as Pillow calls them

ENOUGH = 64  # px; a JPEG is decoded at an eighth, a quarter or half of its size, down to this
FILLED_IN = 128  # what libjpeg puts where data are missing
AT_ONCE = 256  # files whose bytes may be in memory together, at most


@dataclasses.dataclass(frozen=True, kw_only=True)
class ImageFacts:
    """One picture of a split."""

    path: str
    fault: str = ""  # "missing", "empty", "unreadable", "truncated", "grey_edge"; "" = none
    text: str = ""  # what is to be said of the fault
    format: str = ""  # a row of IMAGE_FORMATS, by the bytes; "" = none of them
    stored_size: tuple[int, int] = (0, 0)  # (height, width) px, as stored
    orientation: int = UPRIGHT  # EXIF, 1..8
    mode: str = ""  # of Pillow: "RGB", "L", "CMYK", "P", "I;16" …
    is_transparent: bool = False
    digest: bytes = b""  # of the file, 16 bytes
    thumbnail: bytes = b""  # uint8 THUMBNAIL_SHAPE, grey values of the stored picture; empty where it does not decode


def image_facts(paths, *, progress=None):
    """Reads and decodes files in threads; returns their ImageFacts in order.

    Args:
        paths: of image files, as text.
        progress: called as progress(images done, images in all) after each one; None = silent.
    """
    found = []
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        for start in range(0, len(paths), AT_ONCE):
            for facts in pool.map(_facts_of_file, paths[start : start + AT_ONCE]):
                found.append(facts)
                if progress:
                    progress(len(found), len(paths))
    return tuple(found)


def facts_of_bytes(path, contents):
    """Returns the ImageFacts of the content (bytes) of an image file."""
    if not contents:
        return ImageFacts(path=path, fault="empty", text="has 0 bytes.")
    facts = ImageFacts(path=path, digest=hashlib.blake2b(contents, digest_size=16).digest())
    try:
        image = Image.open(io.BytesIO(contents), formats=tuple(FORMATS))
    except Exception as error:  # Pillow raises what its many formats raise
        reason = "" if isinstance(error, Image.UnidentifiedImageError) else f" ({error})"
        return dataclasses.replace(facts, fault="unreadable", text=f"begins as no image that can be read{reason}.")
    width, height = image.size
    try:
        orientation = orientation_in_exif(image.info.get("exif", b""))
    except Exception:  # a damaged block says nothing
        orientation = UPRIGHT
    facts = dataclasses.replace(
        facts,
        format=FORMATS[image.format],
        stored_size=(height, width),
        orientation=orientation,
        mode="I;16" if image.format == "PNG" and ";16" in str(image.tile) else image.mode,
        is_transparent="transparency" in image.info or image.mode in ("RGBA", "LA", "PA"),
    )
    if width * height > MOST_PIXELS:
        return dataclasses.replace(facts, fault="unreadable", text=f"declares {width} x {height} px.")
    if contents.startswith(PNG_HEAD) and not fits_check_sums(contents):
        return dataclasses.replace(facts, fault="truncated", text="the check sum of a part of the PNG does not fit.")
    try:
        image.draft("RGB" if image.mode not in ("L", "CMYK") else image.mode, (ENOUGH, ENOUGH))
        image.load()
        pixels = image.convert("RGBA").convert("RGB") if facts.is_transparent else image.convert("RGB")
    except Exception as error:
        return dataclasses.replace(facts, fault="truncated", text=f"does not decode to its end ({error}).")
    grey = image if image.mode == "L" else pixels.convert("L")
    # Not BOX: a pixel on the border of two boxes would go to one of them, and a mirrored picture look different.
    facts = dataclasses.replace(facts, thumbnail=grey.resize(THUMBNAIL_SHAPE, Image.Resampling.BILINEAR).tobytes())
    if contents.startswith(JPEG_HEAD):
        if lacks_scans(contents):
            return dataclasses.replace(facts, fault="truncated", text="lacks the last scans of a progressive JPEG.")
        if _has_grey_edge(np.asarray(pixels)):
            return dataclasses.replace(facts, fault="grey_edge", text="has an edge of even grey (128, 128, 128).")
    return facts


def _facts_of_file(path):
    try:
        if is_device(path):
            return ImageFacts(path=path, fault="unreadable", text="is a device or a named pipe.")
        with open(path, "rb") as file:
            contents = file.read()
    except FileNotFoundError:
        return ImageFacts(path=path, fault="missing", text="does not exist.")
    except (OSError, ValueError) as error:
        return ImageFacts(path=path, fault="unreadable", text=f"cannot be read ({error}).")
    return facts_of_bytes(path, contents)


def _has_grey_edge(pixels):
    """Returns whether a row or column at the edge of uint8 [h, w, 3] is of the grey that libjpeg fills in."""
    return any((edge == FILLED_IN).all() for edge in (pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]))
