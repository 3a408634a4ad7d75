"""Photographs as phones store them: pixels turned or mirrored, and an EXIF orientation that says how."""

import io

import numpy as np
from PIL import Image

ORIENTATIONS = range(1, 9)


def stored_pixels(upright, orientation):
    """Returns the pixels [h, w, 3] that a file of this orientation stores of an upright image."""
    if orientation in (3, 4, 7, 8):
        upright = upright[::-1]
    if orientation in (2, 3, 6, 7):
        upright = upright[:, ::-1]
    return upright.transpose(1, 0, 2) if orientation >= 5 else upright


def exif_block(orientation, byte_order="<"):
    """Returns an EXIF block as bytes, a maker's name before the orientation."""
    exif = Image.Exif()
    exif.endian = byte_order
    exif[0x010F], exif[0x0112] = "A maker of cameras", orientation
    return exif.tobytes()


def turned_file(upright, orientation, format="PNG", byte_order="<", **options):
    """Returns the bytes of an image file that shows `upright`, uint8 [h, w, 3], once turned."""
    if format == "WEBP":
        options = {"lossless": True, **options}
    if format == "JPEG":
        options = {"quality": 98, "subsampling": 0, **options}
    file = io.BytesIO()
    stored = Image.fromarray(np.ascontiguousarray(stored_pixels(upright, orientation)))
    stored.save(file, format, exif=exif_block(orientation, byte_order), **options)
    return file.getvalue()


def painted(height, width, box, seed=0):
    """Returns a picture without any symmetry, uint8 [height, width, 3]: soft greys and a red rectangle (x1, y1, x2, y2)."""
    noise = np.random.default_rng(seed).integers(20, 120, (4, 5), np.uint8)
    picture = np.array(Image.fromarray(noise).resize((width, height)).convert("RGB"))
    x1, y1, x2, y2 = box
    picture[y1:y2, x1:x2] = (250, 20, 20)
    return picture


def red_box(image):
    """Returns the (x1, y1, x2, y2) px around what is red in a picture [h, w, 3]."""
    rows, columns = np.nonzero((image[..., 0] > 190) & (image[..., 1] < 80))
    return columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
