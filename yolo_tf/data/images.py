"""Image files: bytes -> RGB uint8 pixels, resizing, and the scan that finds files that do not decode."""

import os
from pathlib import Path

import numpy as np
import tensorflow as tf

from yolo_tf.data.image_bytes import byte_reader, describe_place
from yolo_tf.errors import InputError
from yolo_tf.system.image_formats import IMAGE_WORDS


def decode_image(contents):
    """Decodes the bytes of an image file.

    Args:
        contents: string [], a whole JPEG, PNG, BMP, GIF or WebP file.

    Returns:
        uint8 [h, w, 3], RGB; grey files are repeated over the channels, transparency is dropped, of a GIF
        only the first frame is kept. Orientation tags (EXIF) are ignored: boxes are in pixels as stored.

    Raises:
        tf.errors.InvalidArgumentError: the bytes do not decode, or the file is truncated.
    """
    image = tf.cond(
        tf.io.is_jpeg(contents),
        # The pixels that other libraries see too; TensorFlow's own choice is up to 23 of 255 off, for no time saved.
        lambda: tf.io.decode_jpeg(contents, channels=3, dct_method="INTEGER_ACCURATE"),
        lambda: tf.io.decode_image(contents, channels=3, expand_animations=False),
    )
    image.set_shape([None, None, 3])
    return image


def resize_image(image, size_hw):
    """Resizes uint8 [h, w, 3] to exactly `size_hw`, int32 [2] (height, width) px; an image of that size stays as it is.

    Area average when shrinking (bilinear would alias), else bilinear.
    """
    image = tf.convert_to_tensor(image)
    old_hw = tf.shape(image)[:2]

    def resized():
        pixels = tf.cond(
            tf.reduce_all(size_hw <= old_hw),
            lambda: tf.image.resize(image, size_hw, method="area"),
            lambda: tf.image.resize(image, size_hw, method="bilinear"),
        )
        return tf.cast(tf.round(pixels), tf.uint8)

    return tf.cond(tf.reduce_all(size_hw == old_hw), lambda: image, resized)


def read_image(path: Path | str) -> np.ndarray:
    """Returns the pixels of an image file, uint8 numpy [h, w, 3] RGB; raises InputError where it is missing or broken."""
    try:
        return decode_image(tf.io.read_file(os.fsencode(path))).numpy()
    except tf.errors.OpError:
        raise InputError(_why_unreadable(str(path), str(path))) from None


def read_record_image(record):
    """Reads the image of an ImageRecord, from its file or its shard; otherwise as `read_image`."""
    try:
        return decode_image(byte_reader([record])(0)).numpy()
    except tf.errors.OpError:
        raise InputError(_why_unreadable(record.path, describe_place(record))) from None


def check_images(dataset, progress=None):
    """Raises InputError if there are `broken_images`; the message names the first and counts the others."""
    broken = broken_images(dataset, progress)
    if broken:
        others = f" {len(broken) - 1} more of {len(dataset.records)} images cannot be used." if len(broken) > 1 else ""
        raise InputError(next(iter(broken.values())) + others)


def broken_images(dataset, progress=None):
    """Finds files that are missing, corrupt or truncated, or have another size than their record says: decodes each once.

    Run it before the first epoch: inside a `tf.data` pipeline a bad file stops the training with an
    error that does not name it.

    Args:
        dataset: a DetectionDataset.
        progress: called as progress(images done, images in all) after each one; None = silent.

    Returns:
        {index in dataset.records: the line that says what is wrong with the image}, in record order.
    """
    records, read = dataset.records, byte_reader(dataset.records)
    sizes = (
        tf.data.Dataset.range(len(records))
        .map(lambda index: (index, tf.shape(decode_image(read(index)))[:2]), num_parallel_calls=tf.data.AUTOTUNE)
        .ignore_errors()
    )
    found = {}
    for index, size in sizes.as_numpy_iterator():
        found[int(index)] = tuple(size.tolist())
        if progress:
            progress(len(found), len(records))

    broken = {}
    for index, record in enumerate(records):
        if index not in found:
            broken[index] = _why_unreadable(record.path, describe_place(record))
        elif found[index] != (record.height, record.width):
            height, width = found[index]
            broken[index] = (
                f"{describe_place(record)}: the image is {width} x {height} px. Expected {record.width} x {record.height} px,"
                " as its labels say. Correct the labels or replace the image."
            )
    return broken


def _why_unreadable(path, place):
    """Returns the message for an image at `place`, in the file `path`, that could not be read or decoded."""
    if not os.path.isfile(path):
        return f"{place}: no such image file. Expected {IMAGE_WORDS}. Restore it or remove it from the data set."
    why = "the image does not decode (corrupt, truncated or another format)"
    return f"{place}: {why}. Expected {IMAGE_WORDS}. Replace or remove it."
