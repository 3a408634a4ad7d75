"""Encoded images, whole and spoiled, as a server receives them: name -> bytes."""

import functools
import io
import struct

import numpy as np
from PIL import Image

HEIGHT_WIDTH = (50, 70)  # px of every whole image
CLEAR = Image.new("RGBA", (70, 50), (9, 99, 200, 77))


def encode(image, format, **options):
    """Returns the bytes of a PIL image as a file."""
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


@functools.cache
def whole_images():
    """Every kind of file that decodes; all show the same soft colours."""
    height, width = HEIGHT_WIDTH
    noise = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    image = Image.fromarray(noise).resize((width, height))
    grey_16_bit = Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)
    return {
        "jpeg": encode(image, "JPEG"),
        "grey jpeg": encode(image.convert("L"), "JPEG"),
        "cmyk jpeg": encode(image.convert("CMYK"), "JPEG"),
        "png": encode(image, "PNG"),
        "16-bit png": encode(grey_16_bit, "PNG"),
        "png with alpha": encode(image.convert("RGBA"), "PNG"),
        "png with palette": encode(image.convert("P"), "PNG"),
        "gif": encode(image, "GIF"),
        "animated gif": encode(image, "GIF", save_all=True, append_images=[image.rotate(180)] * 2),
        "bmp": encode(image, "BMP"),
        "grey bmp": encode(image.convert("L"), "BMP"),
        "webp": encode(image, "WEBP"),
        "lossless webp": encode(image, "WEBP", lossless=True),
    }


@functools.cache
def huge_images():
    """Small files that declare sides of about 16 000 px or more."""
    files = whole_images()
    frame = files["jpeg"].index(b"\xff\xc0") + 5  # height and width follow the marker, its length and the precision
    return {
        "huge jpeg": _replaced(files["jpeg"], frame, struct.pack(">HH", 65500, 65400)),
        "huge png": _replaced(files["png"], 16, struct.pack(">II", 2**31 - 1, 2**31 - 1)),
        "huge gif": _replaced(files["gif"], 6, struct.pack("<HH", 65535, 65534)),
        "huge bmp": _replaced(files["bmp"], 18, struct.pack("<ii", 40000, -30000)),
        "huge webp": _replaced(files["webp"], 26, struct.pack("<HH", 16383, 16000)),
        "huge lossless webp": _replaced(files["lossless webp"], 21, b"\xff\xff\xff\x0f"),
        "huge webp with alpha": _replaced(encode(CLEAR, "WEBP"), 24, b"\xfe\xff\x00\xef\xff\x00"),
    }


@functools.cache
def unreadable_images():
    """Files of known formats that do not decode: nearly all end too early."""
    files = whole_images()
    halves = {f"half a {name}": files[name][: len(files[name]) // 2] for name in files if name != "animated gif"}
    return (
        halves
        | {  # half of an animation has a whole first frame
            "start of a jpeg": b"\xff\xd8\xff",
            "start of a png": files["png"][:20],
            "start of a bmp": b"BM",
            "start of a webp": b"RIFF\x00\x00\x00\x00WEBP",
            "webp with alpha": encode(CLEAR, "WEBP"),  # whole, but TensorFlow gives no three channels of it
        }
    )


@functools.cache
def other_files():
    """What is no image in any format that is served."""
    return {
        "text": b"An image, honestly.",
        "html": b"<!DOCTYPE html><title>404</title>",
        "zeros": bytes(100),
        "one byte": b"\xff",
        "tiff": encode(CLEAR, "TIFF"),
        "animated webp": encode(CLEAR, "WEBP", save_all=True, append_images=[CLEAR.rotate(90)]),
    }


def _replaced(content, start, part):
    return content[:start] + part + content[start + len(part) :]
