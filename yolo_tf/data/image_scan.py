"""The scan before the first epoch: finds images that do not decode, are cut short or have another size than their record says."""

import dataclasses
import functools
import time

import numpy as np
import tensorflow as tf

from yolo_tf.data.image_bytes import byte_reader, describe_place
from yolo_tf.data.images import record_decoder, why_unreadable
from yolo_tf.data.scan_memory import NO_MEMORY, image_keys, read_memory, remember
from yolo_tf.errors import InputError, some_of

FILLED_IN = 128  # of each channel
KEPT_EVERY = 30.0  # seconds: what a run that is killed meanwhile has looked at in vain


@dataclasses.dataclass(frozen=True, kw_only=True)
class ImageScan:
    """What looking at every image has shown."""

    broken: dict  # index in the records -> the line that says what is wrong with the image, in record order
    grey_edged: tuple[str, ...]  # JPEGs that have an edge of even grey, as the decoder fills in what is missing
    remembered: int = 0  # images that were found whole before, and not looked at
    remarks: tuple[str, ...] = ()  # lines about what is remembered, where it cannot be read or kept

    def notes(self, split):
        """Returns the lines about images of a split: those that were not looked at, and those that may be cut short."""
        lines = list(self.remarks)
        if self.remembered:
            lines.append(
                f"{split}: {self.remembered} images were found whole before and have not changed since, so they are not decoded"
                " now. Set data.scan=always to look at them too."
            )
        if self.grey_edged:
            lines.append(
                f"{split}: {len(self.grey_edged)} JPEGs have an edge of even grey (128, 128, 128), as files have that were cut"
                f" short and closed again: {some_of(self.grey_edged)}. Look at them, and restore those that are."
            )
        return tuple(lines)


def check_images(dataset, progress=None, **options):
    """Returns the ImageScan of a data set; raises InputError for broken images, naming the first and counting the others.

    Takes what `scan_images` takes.
    """
    scan = scan_images(dataset, progress, **options)
    broken = scan.broken
    if broken:
        others = f" {len(broken) - 1} more of {len(dataset.records)} images cannot be used." if len(broken) > 1 else ""
        raise InputError(next(iter(broken.values())) + others)
    return scan


def scan_images(dataset, progress=None, *, memory=None, believe=True):
    """Finds files that are missing, corrupt or truncated, or have another size than their record says: decodes each once.

    Run it before the first epoch: inside a `tf.data` pipeline a bad file stops the training with an
    error that does not name it.

    Args:
        dataset: a DetectionDataset.
        progress: called as progress(images done, images to look at) after each one; None = silent.
        memory: directory that remembers images which are whole: these are not decoded again as long as they do not change.
            Faults are not remembered. None = every image is looked at.
        believe: False = every image is looked at all the same, and one that is no longer whole is forgotten.

    Returns:
        ImageScan; what it says of faults is the same with and without memory.
    """
    records = dataset.records
    memory = NO_MEMORY if memory is None else read_memory(memory)
    keys = np.zeros(len(records), np.uint64) if memory.directory is None else image_keys(records)
    known = np.isin(keys, memory.keys) if believe else np.zeros(len(records), bool)
    wanted, sizes, grey_edged = np.flatnonzero(~known), {}, []
    whole, decoded, kept = known.copy(), known.copy(), time.monotonic()
    for done, (index, *size, is_grey_edged) in enumerate(_look_at(records, wanted), start=1):
        record, decoded[index] = records[index], True
        if tuple(size) != (record.height, record.width):
            sizes[index] = size
        else:
            whole[index] = not is_grey_edged  # those are named in every run
        grey_edged += [index] if is_grey_edged else []
        if progress:
            progress(done, len(wanted))
        if time.monotonic() - kept > KEPT_EVERY:
            memory, kept = remember(memory, keys[whole]), time.monotonic()
    if progress and not decoded.all():  # looked at, too
        progress(len(wanted), len(wanted))
    memory = remember(memory, keys[whole], forget=keys[~whole])

    broken = {}
    for index in sorted({*np.flatnonzero(~decoded).tolist(), *sizes}):
        record = records[index]
        if index not in sizes:
            broken[index] = why_unreadable(record.path, describe_place(record), functools.partial(byte_reader([record]), 0))
            continue
        height, width = sizes[index]
        broken[index] = (
            f"{describe_place(record)}: the image is {width} x {height} px. Expected {record.width} x {record.height} px,"
            " as its labels say. Correct the labels or replace the image."
        )
    grey_edged = tuple(describe_place(records[index]) for index in grey_edged)
    return ImageScan(broken=broken, grey_edged=grey_edged, remembered=int(known.sum()), remarks=memory.notes)


def _look_at(records, indices):
    """Yields (index, height, width, whether a JPEG with an edge of grey) of those images that decode, in order."""
    if not len(indices):
        return
    read, decode = byte_reader(records), record_decoder(records)

    def look(index):
        contents = read(index)
        image = decode(contents)
        height, width = tf.unstack(tf.shape(image)[:2])
        return index, height, width, tf.io.is_jpeg(contents) & _has_grey_edge(image)

    looked = tf.data.Dataset.from_tensor_slices(indices).map(look, num_parallel_calls=tf.data.AUTOTUNE).ignore_errors()
    for found in looked.as_numpy_iterator():
        yield tuple(value.item() for value in found)


def _has_grey_edge(image):
    """Returns whether a row or column at the edge of uint8 [h, w, 3] is grey: libjpeg gives that where the data end."""
    edges = (image[0], image[-1], image[:, 0], image[:, -1])  # the last stored row may be any, as the image was turned
    return tf.reduce_any([tf.reduce_all(edge == FILLED_IN) for edge in edges])
