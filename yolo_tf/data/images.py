"""Image files: bytes -> RGB uint8 pixels, resizing, and the scan that finds files that do not decode."""

import os

import tensorflow as tf

from yolo_tf.errors import InputError

FORMATS = "JPEG, PNG, BMP, GIF or WebP"


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
    """Resizes to exactly `size_hw`: area average when shrinking (bilinear would alias), else bilinear.

    Args:
        image: uint8 [h, w, 3].
        size_hw: int32 [2], (height, width) px.

    Returns:
        uint8 [height, width, 3]; the image itself when it already has that size.
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


def read_image(path):
    """Reads one image file.

    Returns:
        uint8 numpy [h, w, 3], RGB.

    Raises:
        InputError: the file is missing or does not decode.
    """
    try:
        return decode_image(tf.io.read_file(str(path))).numpy()
    except tf.errors.OpError:
        raise InputError(_why_unreadable(str(path))) from None


def check_images(dataset, progress=None):
    """Decodes every image of `dataset` once and compares its size with the record.

    Run it before the first epoch: inside a `tf.data` pipeline a bad file stops the training with an
    error that does not name it.

    Args:
        dataset: a DetectionDataset.
        progress: called as progress(images done, images in all) after each one; None = silent.

    Raises:
        InputError: files are missing, corrupt or truncated, or have another size than their record says;
            the message names the first and counts the others.
    """
    records = dataset.records
    if not records:
        return
    paths = tf.data.Dataset.from_tensor_slices([record.path for record in records]).enumerate()
    sizes = paths.map(
        lambda index, path: (index, tf.shape(decode_image(tf.io.read_file(path)))[:2]),
        num_parallel_calls=tf.data.AUTOTUNE,
    ).ignore_errors()
    found = {}
    for index, size in sizes.as_numpy_iterator():
        found[int(index)] = tuple(int(side) for side in size)
        if progress:
            progress(len(found), len(records))

    bad = [index for index, record in enumerate(records) if found.get(index) != (record.height, record.width)]
    if not bad:
        return
    first = records[bad[0]]
    others = f" {len(bad) - 1} more of {len(records)} images cannot be used." if len(bad) > 1 else ""
    if bad[0] not in found:
        raise InputError(_why_unreadable(first.path) + others)
    height, width = found[bad[0]]
    raise InputError(
        f"{first.path}: the image is {width} x {height} px. Expected {first.width} x {first.height} px, as its"
        f" labels say. Correct the labels or replace the image.{others}"
    )


def _why_unreadable(path):
    """Returns the message for a file that could not be read or decoded."""
    if not os.path.isfile(path):
        return f"{path}: no such image file. Expected {FORMATS}. Restore it or remove it from the data set."
    return f"{path}: the image does not decode (corrupt, truncated or another format). Expected {FORMATS}. Replace or remove it."
