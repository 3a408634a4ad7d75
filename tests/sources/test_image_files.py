"""Sizes from headers, and files that are no whole image."""

import os
from pathlib import Path, PurePath

import numpy as np
import pytest
from image_corpus import huge_images, other_files
from PIL import Image, ImageFile
from turned_images import ORIENTATIONS, painted, turned_file

from yolo_tf.data.images import read_image
from yolo_tf.errors import InputError
from yolo_tf.sources.image_files import image_ids, read_image_header, read_image_size, usable_image_size
from yolo_tf.sources.label_check import Problems
from yolo_tf.system.image_formats import IMAGE_SUFFIXES

PIXELS = np.random.default_rng(0).integers(0, 256, (120, 170, 3), np.uint8)


@pytest.mark.parametrize("suffix", IMAGE_SUFFIXES)
def test_size_is_height_then_width(tmp_path, suffix):
    Image.fromarray(PIXELS).save(tmp_path / f"a{suffix}")
    assert read_image_size(tmp_path / f"a{suffix}") == (120, 170)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_the_size_is_that_of_the_upright_image(tmp_path, format):
    for orientation in ORIENTATIONS:
        (tmp_path / "a").write_bytes(turned_file(PIXELS, orientation, format))
        assert read_image_size(tmp_path / "a") == (120, 170)
        stored_size = (120, 170) if orientation < 5 else (170, 120)
        assert read_image_header(tmp_path / "a") == (stored_size, orientation, False)


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_bytes_after_the_end_are_tolerated(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    Image.fromarray(PIXELS).save(path)
    path.write_bytes(path.read_bytes() + bytes(5000))
    assert read_image_size(path) == (120, 170)


@pytest.mark.parametrize("suffix", IMAGE_SUFFIXES)
@pytest.mark.parametrize("kept", [0.5, 0.99])
def test_a_file_cut_short_is_named(tmp_path, suffix, kept):
    path = tmp_path / f"a{suffix}"
    Image.fromarray(PIXELS).save(path)
    data = path.read_bytes()
    path.write_bytes(data[: int(kept * len(data))])
    with pytest.raises(InputError, match=rf"a\{suffix}: is (damaged or cut short|no image that can be read)") as caught:
        read_image_size(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("data", [b"", b"hello", b"\xff\xd8\xff"])
def test_what_is_no_image_is_named(tmp_path, data):
    (tmp_path / "a.jpg").write_bytes(data)
    with pytest.raises(InputError, match=r"a\.jpg: is no image that can be read\. Expected JPEG, PNG, BMP, GIF or WebP"):
        read_image_size(tmp_path / "a.jpg")


def test_a_format_that_tensorflow_does_not_decode_is_refused(tmp_path):
    Image.fromarray(PIXELS).save(tmp_path / "a.tif")
    with pytest.raises(InputError, match=r"a\.tif: is no image that can be read\. Expected JPEG, PNG"):
        read_image_size(tmp_path / "a.tif")


def test_a_picture_with_more_behind_it_is_not_decoded_to_see_that_it_is_whole(tmp_path, monkeypatch):
    first, second = (Image.fromarray(PIXELS[side:]) for side in (0, 7))
    first.save(tmp_path / "a.jpg", format="MPO", save_all=True, append_images=[second])
    monkeypatch.setattr(Image.Image, "load", None)
    assert read_image_size(tmp_path / "a.jpg") == (120, 170)


def test_a_missing_image(tmp_path):
    with pytest.raises(InputError, match=r"a\.jpg: does not exist\. Expected an image"):
        read_image_size(tmp_path / "a.jpg")


def test_an_image_too_large_to_decode(tmp_path, monkeypatch):
    Image.fromarray(PIXELS).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(InputError, match=r"a\.png: is too large .* Expected under 179 million pixels"):
        read_image_size(tmp_path / "a.png")


def test_what_the_header_declares_is_refused_before_a_pixel_is_decoded(tmp_path, monkeypatch):
    """In readers and in the decoder alike; a bomb is a small file."""
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda image: pytest.fail("decoded"))
    for name, contents in huge_images().items():
        (tmp_path / "a").write_bytes(contents)
        with pytest.raises(InputError, match="is too large|is no image that can be read|is damaged"):
            read_image_size(tmp_path / "a")
        with pytest.raises(
            InputError, match=r"is too large \(\d+ million pixels\)\. Expected under 179 million pixels"
        ) as caught:
            read_image(tmp_path / "a")
        assert "\n" not in str(caught.value), name
    (tmp_path / "a").write_bytes(other_files()["animated webp"])
    for read in (read_image_size, read_image):
        with pytest.raises(InputError, match="is an animated WebP, which cannot be decoded safely.*Save its first frame"):
            read(tmp_path / "a")


def test_image_ids_are_unique():
    root = Path("/data")
    assert image_ids([root / "train/a.jpg", root / "train/b.jpg"], root) == ["a", "b"]
    assert image_ids([root / "x/a.jpg", root / "y/a.jpg", root / "y/b.jpg", PurePath("/else/a.jpg")], root) == [
        "x/a.jpg",
        "y/a.jpg",
        "b",
        "/else/a.jpg",
    ]


def test_a_damaged_16_bit_image_is_named(tmp_path):
    Image.fromarray(np.full((30, 48), 8192, np.uint16)).save(tmp_path / "a.png")
    content = bytearray((tmp_path / "a.png").read_bytes())
    content[content.index(b"IDAT") + 6] ^= 255
    (tmp_path / "a.png").write_bytes(content)
    told = []
    assert usable_image_size(tmp_path / "a.png", Problems(strict=True, on_bad_image=told.append)) is None
    assert len(told) == 1 and "a.png: is damaged or cut short" in told[0]


def test_what_is_said_of_an_animated_file_is_said_once(tmp_path):
    (tmp_path / "a").write_bytes(other_files()["animated webp"])
    with pytest.raises(InputError) as told:
        read_image_size(tmp_path / "a")
    assert str(told.value).count("animated WebP") == 1 and "damaged" not in str(told.value)


def test_a_named_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.jpg")
    with pytest.raises(InputError, match=r"a\.jpg: is a device or a named pipe. Expected an image file"):
        read_image_size(tmp_path / "a.jpg")


BETWEEN = {"comment": b"\xff\xfe\0\4no", "table": b"\xff\xdb\0\x43\0" + bytes(range(1, 65)), "fill": b"\xff"}


@pytest.mark.parametrize("between", BETWEEN.values(), ids=BETWEEN)
def test_both_readers_agree_or_the_file_is_refused(tmp_path, between):
    """Pillow looks for the segment up to the pixels, the decoder in front of the tables only."""
    content = turned_file(painted(64, 96, (10, 20, 30, 40)), 6, "JPEG")
    start = content.index(b"\xff\xe1")
    (tmp_path / "a.jpg").write_bytes(content[:start] + between + content[start:])
    with Image.open(tmp_path / "a.jpg") as image:
        assert image.getexif()[0x0112] == 6
    if between.startswith(b"\xff\xfe"):
        assert read_image_size(tmp_path / "a.jpg") == read_image(tmp_path / "a.jpg").shape[:2] == (64, 96)
        return
    with pytest.raises(InputError, match=r"a\.jpg: its EXIF orientation stands behind tables or fill bytes"):
        read_image_size(tmp_path / "a.jpg")
