"""Image files: bytes -> upright RGB uint8 pixels, resizing, and why a file does not decode."""

import dataclasses
import os
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from yolo_tf.data.image_bytes import byte_reader, describe_place
from yolo_tf.data.image_headers import first_image, is_animated_webp, known_format, traced_once
from yolo_tf.data.orientation import UPRIGHT, turn_upright
from yolo_tf.errors import InputError
from yolo_tf.system.image_formats import IMAGE_WORDS, MOST_PIXELS


def decode_image(contents):
    """Decodes the bytes of an image file, upright.

    Args:
        contents: string [], a whole JPEG, PNG, BMP, GIF or still WebP file.

    Returns:
        uint8 [h, w, 3], RGB, turned as the file says (EXIF orientation); grey files are repeated over the channels,
        transparency is dropped, of a GIF only the first frame is looked at.

    Raises:
        tf.errors.InvalidArgumentError: the bytes do not decode, the file is truncated, or it declares more than
            MOST_PIXELS or is an animated WebP; of such files no pixel is decoded.
    """

    def jpeg():  # nearly all there are, so this way is kept short
        shape = tf.cast(tf.io.extract_jpeg_shape(contents), tf.int64)
        with tf.control_dependencies([_check_pixels(shape[0] * shape[1])]):
            return _decode_jpeg(contents)

    image = tf.cond(tf.io.is_jpeg(contents), jpeg, lambda: _decode_other(contents))
    return turn_upright(tf.ensure_shape(image, [None, None, 3]), contents)


# Where one image is read outside of a graph: operation by operation it would take several times as long.
_decode_now = tf.function(decode_image, input_signature=[tf.TensorSpec([], tf.string)], autograph=False)


def record_decoder(records):
    """Returns `decode_image` for the files of ImageRecords, without what their reader has found out from the headers.

    Where all are known to be upright, nothing is looked for in a JPEG: of a small one that would be a tenth of the time.
    """
    if not all(record.orientation == UPRIGHT for record in records):
        return decode_image

    def decode(contents):
        image = tf.cond(tf.io.is_jpeg(contents), lambda: _decode_jpeg(contents), lambda: _decode_other(contents))
        return tf.ensure_shape(image, [None, None, 3])

    return decode


def decode_checked(contents):
    """Does what `decode_image` does to what `first_image` gave of a file whose number of pixels was looked at."""
    stored = tf.cond(tf.io.is_jpeg(contents), lambda: _decode_jpeg(contents), lambda: _decode_any(contents))
    return turn_upright(tf.ensure_shape(stored, [None, None, 3]), contents)


def _decode_jpeg(contents):
    # The pixels that other libraries see too; TensorFlow's own choice is up to 23 of 255 off, for no time saved.
    return tf.io.decode_jpeg(contents, channels=3, dct_method="INTEGER_ACCURATE")


def _decode_any(contents):
    return tf.io.decode_image(contents, channels=3, expand_animations=False)


@traced_once([tf.TensorSpec([], tf.string)])
def _decode_other(contents):
    contents, pixels = first_image(contents)
    with tf.control_dependencies([_check_pixels(pixels)]):
        return _decode_any(contents)


def _check_pixels(pixels):
    # The plain operation: tf.debugging.Assert adds branches, which cost a small image 1 % of its time.
    return tf.raw_ops.Assert(condition=pixels <= MOST_PIXELS, data=["too many pixels to decode", pixels])


def resize_image(image, size_hw, *, shrink="area"):
    """Resizes uint8 [h, w, 3] to exactly `size_hw`, int32 [2] (height, width) px; an image of that size stays as it is.

    Bilinear; when shrinking by the method `shrink` of tf.image.resize: area averages (bilinear would alias), unless an
    original is to be matched that does not mind.
    """
    image = tf.convert_to_tensor(image)
    old_hw = tf.shape(image)[:2]

    def resized():
        pixels = tf.cond(
            tf.reduce_all(size_hw <= old_hw),
            lambda: tf.image.resize(image, size_hw, method=shrink),
            lambda: tf.image.resize(image, size_hw, method="bilinear"),
        )
        return tf.cast(tf.round(pixels), tf.uint8)

    return tf.cond(tf.reduce_all(size_hw == old_hw), lambda: image, resized)


def read_image(path: Path | str) -> np.ndarray:
    """Returns the upright pixels of an image file, uint8 numpy [h, w, 3] RGB; raises InputError where it is missing or broken."""
    if not os.path.isfile(path):  # of a pipe, TensorFlow would wait for the end
        raise InputError(why_unreadable(str(path), str(path), None))
    try:
        return _decode_now(tf.io.read_file(os.fsencode(path))).numpy()
    except tf.errors.OpError:
        raise InputError(why_unreadable(str(path), str(path), lambda: tf.io.read_file(os.fsencode(path)))) from None


def read_record_image(record):
    """Reads the image of an ImageRecord, from its file or its shard; otherwise as `read_image`."""
    try:
        return _decode_now(byte_reader([record])(0)).numpy()
    except tf.errors.OpError:
        raise InputError(why_unreadable(record.path, describe_place(record), lambda: byte_reader([record])(0))) from None


@dataclasses.dataclass(frozen=True, eq=False)
class RecordImages(Sequence):
    """The images of ImageRecords, each read when it is asked for: of photographs only one at a time fits into memory."""

    records: Sequence

    def __len__(self):
        return len(self.records)

    def __getitem__(self, index):
        return RecordImages(self.records[index]) if isinstance(index, slice) else read_record_image(self.records[index])


def why_unreadable(path, place, read):
    """Returns the message for an image at `place`, in the file `path`, whose bytes `read` gives, and which was not decoded."""
    if not os.path.isfile(path):
        return f"{place}: no such image file. Expected {IMAGE_WORDS}. Restore it or remove it from the data set."
    why, fix = "the image does not decode (corrupt, truncated or another format)", "Replace or remove it."
    try:
        contents = read()
        if is_animated_webp(contents):
            why, fix = "is an animated WebP, which cannot be decoded safely", "Save its first frame."
        elif known_format(contents) and (pixels := int(first_image(contents)[1])) > MOST_PIXELS:
            why, fix = f"is too large ({pixels / 1e6:.0f} million pixels)", "Cut it into tiles."
            return f"{place}: {why}. Expected under {MOST_PIXELS / 1e6:.0f} million pixels. {fix}"
    except tf.errors.DataLossError as error:  # of a shard: TFRecord has check sums
        where = re.search(r"corrupted record at (\d+)", str(error))
        at = f" at byte {where[1]}" if where else ""
        why = f"is damaged{at}: its check sum does not fit"
        return f"{place}: {why}. Expected the shard as it was packed. Copy it or pack it again."
    except tf.errors.OpError:
        pass  # so damaged that there is nothing more to say
    return f"{place}: {why}. Expected {IMAGE_WORDS}. {fix}"
