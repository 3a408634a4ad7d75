"""Training images at the size they are trained at: decoded each time, or kept in memory within a budget."""

import os
import weakref

import numpy as np
import tensorflow as tf

from yolo_tf.data.image_bytes import byte_reader
from yolo_tf.data.images import record_decoder, resize_image
from yolo_tf.data.letterbox import fitted_size
from yolo_tf.errors import InputError

GIB = 2**30

_LOADERS = weakref.WeakKeyDictionary()  # DetectionDataset -> {(image_size, cache): loader}; two streams share one cache


def image_loader(dataset, image_size, *, cache, cache_gib):
    """Makes the function that gives any of the images, decoded and fitted.

    Args:
        dataset: DetectionDataset; what is kept is kept once for each, as long as it lives.
        image_size: (height, width) px of the network input.
        cache: "none": read and decode at every call; "files": read all files now, decode at every call; "images":
            read, decode and fit all of them now.
        cache_gib: most memory that may be kept, GiB; nothing is kept above it.

    Returns:
        Function (index int []) -> uint8 [h, w, 3], fitted into `image_size`.

    Raises:
        InputError: the cache would not fit into `cache_gib`.
    """
    loaders, key = _LOADERS.setdefault(dataset, {}), (tuple(image_size), cache)
    if key not in loaders:
        if cache != "none":
            _check_budget(dataset.records, image_size, cache, cache_gib)
        loaders[key] = _make_loader(dataset.records, image_size, cache)
    return loaders[key]


def cache_bytes(records, image_size):
    """Returns {cache: bytes it would take}: "files" as stored (of packed data the whole shards), "images" fitted."""
    files = sum(os.path.getsize(path) for path in {record.path for record in records})
    sizes_hw = np.array([(record.height, record.width) for record in records])
    images = int(np.prod(fitted_size(sizes_hw, image_size)[1], axis=1, dtype=np.int64).sum()) * 3
    return {"files": files, "images": images}


def _make_loader(records, image_size, cache):
    read, decode_record = byte_reader(records), record_decoder(records)

    def decode(contents):
        image = decode_record(contents)
        return resize_image(image, fitted_size(tf.shape(image)[:2], image_size)[1])

    if cache == "none":
        return lambda index: decode(read(index))
    # A table of strings grows image by image: a tensor of them all would be copied, and take twice its size, on the way.
    kept = tf.lookup.experimental.MutableHashTable(tf.int64, tf.string, "", experimental_is_anonymous=True)
    pack = tf.identity if cache == "files" else lambda contents: tf.io.serialize_tensor(decode(contents))
    packed = tf.data.Dataset.range(len(records)).map(lambda index: (index, pack(read(index))), tf.data.AUTOTUNE)
    for index, value in packed:
        kept.insert(index, value)

    def recall(index):
        value = kept.lookup(tf.cast(index, tf.int64))
        return decode(value) if cache == "files" else tf.ensure_shape(tf.io.parse_tensor(value, tf.uint8), [None, None, 3])

    return recall


def _check_budget(records, image_size, cache, cache_gib):
    need = cache_bytes(records, image_size)
    if need[cache] <= cache_gib * GIB:
        return
    fits = [f"{name} ({size / GIB:.3g} GiB)" for name, size in need.items() if size <= cache_gib * GIB] + ["none"]
    raise InputError(
        f"config.data.cache: {cache} needs {need[cache] / GIB:.3g} GiB for {len(records)} images. Expected at most"
        f" data.cache_gib = {cache_gib:g}. Raise that if there is as much free memory, or use data.cache={' or '.join(fits)}."
    )
