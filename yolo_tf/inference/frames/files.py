"""Image files -> letterboxed images in order, a few read ahead of the network or each when it is asked for."""

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from yolo_tf.data.images import decode_image, read_image
from yolo_tf.data.letterbox import letterbox_image, smallest_canvas
from yolo_tf.errors import InputError
from yolo_tf.structures import Letterbox
from yolo_tf.system.image_formats import IMAGE_SUFFIXES
from yolo_tf.system.image_walk import match_images, walk_images
from yolo_tf.system.path_list import read_path_list
from yolo_tf.terminal import say


class InputImage(NamedTuple):
    """One image as the network takes it."""

    pixels: np.ndarray  # uint8 [H, W, 3], RGB
    letterbox: Letterbox  # of numpy: scale [], offset [2], original_size [2]
    stored: np.ndarray | None = None  # uint8 [h, w, 3] RGB, the image itself, upright; None where many wait at a time


def list_images(sources):
    """Lists the image files that files, directories, globs and .txt lists stand for.

    What a directory or a glob passes over (pictures of formats that are not read, hidden ones) is said with its number.

    Args:
        sources: paths. Of a directory and a glob the images count (`walk_images`), sorted; subdirectories
            do not, unless a glob says `**`. A .txt file names one image per line; where a relative path leads to
            nothing from the list's directory, it begins at the working directory. Any other file that is named
            counts whatever its suffix.

    Returns:
        list of Path, each once.

    Raises:
        InputError: a source stands for no image.
    """
    paths = []
    for source in sources:
        notes = ()
        if Path(source).is_file():
            found = [str(source)]
            if Path(source).suffix.lower() == ".txt":  # whether the lines are images shows when they are read
                found, note = read_path_list(source, (Path(source).parent, ""))
                notes = [note] if note else []
        else:
            walk = walk_images(source, below=False) if Path(source).is_dir() else match_images(source)
            found, notes = walk.images, walk.notes(source)
        if not found:
            raise InputError(
                f"{source}: stands for no image. Expected an image file, a directory or a glob of"
                f" {', '.join(sorted(IMAGE_SUFFIXES))} files, or a .txt list of paths. {' '.join(notes) or 'Check the path.'}"
            )
        say(*notes)
        paths += found
    return list(dict.fromkeys(map(Path, paths)))


def read_input(path, *, image_size, rect=False, letterbox="center"):
    """Reads one image file and letterboxes it.

    Args:
        path: image file.
        image_size: (height, width) px of the network input.
        rect: leave out the grey that the smallest multiples of 32 px do without; then H and W differ.
        letterbox: where the image lies in the input, one of LETTERBOXES.

    Returns:
        InputImage with the stored image.

    Raises:
        InputError: the file is missing or does not decode.
    """
    stored = read_image(path)
    pixels, placed = _fit(stored, image_size, rect, letterbox)
    return InputImage(pixels.numpy(), Letterbox(*(tensor.numpy() for tensor in placed)), stored)


def read_inputs(paths, *, image_size, rect, ahead, letterbox="center"):
    """Reads, decodes and letterboxes image files in parallel with whatever is done to those that came before.

    At any time about `ahead` images wait, and one more for each core; the number of paths does not matter.

    Args:
        paths: of image files.
        image_size, rect, letterbox: as for `read_input`.
        ahead: images; 0 = each is read when it is asked for, and comes with the stored image.

    Yields:
        For each path, in this order: an InputImage, or the InputError that says why the file is none.
    """
    if not paths:
        return

    def read(index, path):
        image = decode_image(tf.io.read_file(path))
        return index, *_fit(image, image_size, rect, letterbox)

    def read_alone(path):  # what the pipeline could not: most often for the reason, after a passing fault for the image
        try:
            return read_input(path, image_size=image_size, rect=rect, letterbox=letterbox)
        except InputError as error:
            return error

    position = 0
    if ahead:
        readable = (
            # what is no file is not opened: a pipe would be waited for
            tf.data.Dataset.from_tensor_slices([os.fsencode(path) if os.path.isfile(path) else b"" for path in paths])
            .enumerate()
            .map(read, num_parallel_calls=os.cpu_count(), deterministic=True)
            .ignore_errors()  # by its missing number such an image is found again
            .prefetch(ahead)
        )
        for index, pixels, placed in readable.as_numpy_iterator():
            yield from map(read_alone, paths[position:index])
            yield InputImage(pixels, Letterbox(*placed))
            position = int(index) + 1
    yield from map(read_alone, paths[position:])


def _fit(image, image_size, rect, letterbox):
    """Returns (uint8 [H, W, 3], Letterbox without a batch axis) of an image uint8 [h, w, 3]."""
    size_hw = tf.shape(image)[:2]
    canvas_hw = smallest_canvas(size_hw, image_size) if rect else image_size
    pixels, scale, offset = letterbox_image(image, canvas_hw, fit_size=image_size, letterbox=letterbox)
    return tf.cast(pixels, tf.uint8), Letterbox(scale, offset, size_hw)
