"""Image files -> letterboxed images, read ahead of the network, in order, few at a time."""

import os
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from yolo_tf.data.images import decode_image, read_image
from yolo_tf.data.letterbox import CANVAS_STRIDE, fitted_size, letterbox_image
from yolo_tf.errors import InputError
from yolo_tf.structures import Letterbox


class InputImage(NamedTuple):
    """One image as the network takes it."""

    pixels: np.ndarray  # uint8 [H, W, 3], RGB
    letterbox: Letterbox  # of numpy: scale [], offset [2], original_size [2]


def read_ahead(paths, *, image_size, rect, ahead):
    """Reads, decodes and letterboxes image files in parallel with whatever is done to those that came before.

    At any time about `ahead` images wait, and one more for each core; the number of paths does not matter.

    Args:
        paths: of image files.
        image_size: (height, width) px of the network input.
        rect: leave out the grey that the smallest multiples of 32 px do without; then H and W differ.
        ahead: images.

    Yields:
        For each path, in this order: an InputImage, or the InputError that says why the file is none.
    """
    if not paths:
        return

    def read(index, path):
        image = decode_image(tf.io.read_file(path))
        return index, *_fit(image, image_size, rect)

    readable = (
        tf.data.Dataset.from_tensor_slices([os.fsencode(path) for path in paths])
        .enumerate()
        .map(read, num_parallel_calls=os.cpu_count(), deterministic=True)
        .ignore_errors()  # by its missing number such an image is found again
        .prefetch(ahead)
    )
    position = 0
    for index, pixels, letterbox in readable.as_numpy_iterator():
        for missed in range(position, index):
            yield _read_again(paths[missed], image_size, rect)
        yield InputImage(pixels, Letterbox(*letterbox))
        position = int(index) + 1
    for missed in range(position, len(paths)):
        yield _read_again(paths[missed], image_size, rect)


def _fit(image, image_size, rect):
    """Returns (uint8 [H, W, 3], Letterbox without a batch axis) of an image uint8 [h, w, 3]."""
    size_hw = tf.shape(image)[:2]
    canvas_hw = image_size
    if rect:
        _, fitted_hw = fitted_size(size_hw, image_size)
        canvas_hw = -(-fitted_hw // CANVAS_STRIDE) * CANVAS_STRIDE
    pixels, scale, offset = letterbox_image(image, canvas_hw, fit_size=image_size)
    return tf.cast(pixels, tf.uint8), Letterbox(scale, offset, size_hw)


def _read_again(path, image_size, rect):
    """Reads one file that the pipeline could not: most often for the reason, after a passing fault for the image."""
    try:
        pixels, letterbox = _fit(read_image(path), image_size, rect)
    except InputError as error:
        return error
    return InputImage(pixels.numpy(), Letterbox(*(tensor.numpy() for tensor in letterbox)))
