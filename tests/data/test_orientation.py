"""The EXIF orientation, read from the bytes in the graph, and the pixels that come out."""

import io
import struct

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageOps
from turned_images import ORIENTATIONS, exif_block, painted, turned_file

from yolo_tf.data.images import decode_image
from yolo_tf.data.orientation import orientation_of
from yolo_tf.sources.orientation import orientation_in_exif

UPRIGHT = painted(48, 72, (10, 6, 30, 40))


@pytest.fixture(scope="module")
def graph():
    """bytes -> (orientation, upright pixels), as a tf.data pipeline runs it."""
    signature = [tf.TensorSpec([], tf.string)]
    run = tf.function(lambda contents: (orientation_of(contents), decode_image(contents)), input_signature=signature)
    return lambda contents: tuple(value.numpy() for value in run(tf.constant(contents)))


@pytest.fixture(scope="module")
def orientation():
    read = tf.function(orientation_of, input_signature=[tf.TensorSpec([], tf.string)])
    return lambda contents: int(read(tf.constant(contents)))


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("byte_order", ["<", ">"])
def test_all_eight_come_out_upright(graph, format, byte_order):
    for wanted in ORIENTATIONS:
        found, pixels = graph(turned_file(UPRIGHT, wanted, format, byte_order))
        assert found == wanted and pixels.shape == (48, 72, 3)
        difference = np.abs(pixels.astype(int) - UPRIGHT)
        assert difference.mean() < 2 if format == "JPEG" else difference.max() == 0, wanted


def test_what_stands_before_the_tag_in_a_jpeg_is_passed(graph):
    """A colour profile, a comment, XMP and JFIF's own header: in any order, long and short."""
    plain = turned_file(UPRIGHT, 6, "JPEG")
    profile = Image.open(io.BytesIO(turned_file(UPRIGHT, 6, "JPEG", icc_profile=bytes(70_000))))  # in two segments
    assert profile.getexif()[0x0112] == 6
    start = plain.index(b"\xff\xe1")
    length = 2 + int.from_bytes(plain[start + 2 : start + 4], "big")
    exif, others = plain[start : start + length], plain[:start] + plain[start + length :]

    def segment(kind, content):
        return bytes([0xFF, kind]) + struct.pack(">H", 2 + len(content)) + content

    xmp = segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + b"x" * 900)
    before = {
        "first": b"",
        "profile": segment(0xE2, b"ICC_PROFILE\0\1\1" + bytes(60_000)),
        "photoshop and comment": segment(0xED, b"Photoshop 3.0\0" + bytes(301)) + segment(0xFE, b"hello"),
        "xmp": xmp,
        "many": segment(0xE2, bytes(50)) * 40,
    }
    for name, parts in before.items():
        found, pixels = graph(others[:2] + parts + exif + others[2:])
        assert found == 6 and np.abs(pixels.astype(int) - UPRIGHT).mean() < 2, name
        found, pixels = graph(others[:2] + parts + others[2:])
        assert found == 1 and pixels.shape == (72, 48, 3), name


def test_files_that_say_nothing_stay_as_they_are(graph):
    for format in ("JPEG", "PNG", "WEBP", "BMP", "GIF"):
        file = io.BytesIO()
        Image.fromarray(UPRIGHT).save(file, format)
        found, pixels = graph(file.getvalue())
        assert found == 1 and pixels.shape == (48, 72, 3), format


def test_a_tag_behind_the_pixels_of_a_png_is_not_read(graph):
    file = turned_file(UPRIGHT, 6)
    start = file.index(b"eXIf") - 4
    chunk = file[start : start + 12 + int.from_bytes(file[start : start + 4], "big")]
    moved = file.replace(chunk, b"")
    end = moved.index(b"IEND") - 4
    assert graph(moved[:end] + chunk + moved[end:])[0] == 1


BLOCK = exif_block(6)
BROKEN = {
    "no directory": BLOCK[:14],
    "cut in its directory": BLOCK[:30],
    "far directory": BLOCK[:10] + struct.pack("<I", 2**32 - 1) + BLOCK[14:],
    "directory at the end": BLOCK[:10] + struct.pack("<I", len(BLOCK) - 7) + BLOCK[14:],
    "no byte order": BLOCK.replace(b"II*", b"IJ*"),
    "orientation 9": BLOCK.replace(b"\x12\x01\x03\0\1\0\0\0\6\0", b"\x12\x01\x03\0\1\0\0\0\x09\0"),
    "orientation 0": BLOCK.replace(b"\x12\x01\x03\0\1\0\0\0\6\0", b"\x12\x01\x03\0\1\0\0\0\0\0"),
    "nothing": b"Exif\0\0",
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_block_says_nothing(graph, name):
    file = io.BytesIO()
    Image.fromarray(UPRIGHT).save(file, "JPEG", exif=BROKEN[name])
    assert graph(file.getvalue())[0] == 1 and orientation_in_exif(BROKEN[name]) == 1


def test_damaged_blocks_mean_the_same_to_readers_and_to_the_graph(orientation):
    """A reader that turned a size which the decoder does not turn would put every label of the image in the wrong place."""
    rng = np.random.default_rng(0)
    file = io.BytesIO()
    Image.fromarray(UPRIGHT).save(file, "JPEG", exif=BLOCK)
    whole, seen = file.getvalue(), set()
    start = whole.index(BLOCK)
    for _ in range(300):
        block = np.frombuffer(exif_block(int(rng.integers(1, 9)), "<>"[rng.integers(2)]), np.uint8).copy()
        block[rng.integers(6, len(block), 2)] = rng.integers(0, 256, 2)
        contents = whole[:start] + block.tobytes() + whole[start + len(BLOCK) :]
        wanted = orientation_in_exif(block.tobytes())
        assert orientation(contents) == wanted
        seen.add(wanted)
    assert len(seen) == 8


def test_pillow_and_the_graph_agree(graph):
    for wanted in ORIENTATIONS:
        contents = turned_file(UPRIGHT, wanted, "JPEG")
        with Image.open(io.BytesIO(contents)) as image:
            reference = np.asarray(ImageOps.exif_transpose(image)).astype(int)
        assert np.abs(graph(contents)[1] - reference).max() <= 1
