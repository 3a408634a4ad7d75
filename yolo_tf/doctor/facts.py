"""A data set read once into plain values, which every check judges."""

import dataclasses
import functools

import numpy as np

from yolo_tf.doctor.fingerprints import THUMBNAIL_SHAPE, groups_of, similar_pairs
from yolo_tf.doctor.image_facts import ImageFacts, facts_of_bytes, image_facts
from yolo_tf.errors import InputError
from yolo_tf.sources import DatasetSource, Reading, read_all
from yolo_tf.structures import DetectionDataset


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class SplitFacts:
    """One split: R images with a record, and those that have none."""

    name: str
    reading: Reading
    images: tuple[ImageFacts, ...]  # R, those of reading.records
    broken: tuple[ImageFacts, ...]  # of the images that the reader could not use

    @functools.cached_property
    def dataset(self):
        """The good labels as a DetectionDataset."""
        return DetectionDataset(class_names=self.reading.class_names, records=self.reading.records)

    @functools.cached_property
    def decoded(self):
        """The places in `images` of the pictures that decode."""
        return tuple(index for index, image in enumerate(self.images) if image.thumbnail)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Facts:
    """A data set as the checks see it."""

    source: DatasetSource
    splits: dict[str, SplitFacts]  # those that could be read
    unread: dict[str, str]  # split -> why it could not
    image_sizes: tuple[tuple[int, int], ...]  # (height, width) px of the network's input, to judge sizes by

    @functools.cached_property
    def class_names(self):
        """The C names, () where no split could be read."""
        return next((split.reading.class_names for split in self.splits.values()), ())

    @functools.cached_property
    def places(self):
        """(split, index in its images) of every picture that decodes, which `alike` numbers."""
        return tuple((name, index) for name, split in self.splits.items() for index in split.decoded)

    @functools.cached_property
    def same(self):
        """For each of `places` the number of the first with the same bytes."""
        first = {}
        return [first.setdefault(self.picture(number).digest, number) for number in range(len(self.places))]

    @functools.cached_property
    def alike(self):
        """int64 [P, 3]: pairs of `places` that look alike, and the way that the second is turned; of the same bytes the first."""
        firsts = sorted(set(self.same))
        thumbnails = [np.frombuffer(self.picture(number).thumbnail, np.uint8).reshape(THUMBNAIL_SHAPE) for number in firsts]
        pairs = similar_pairs(np.stack(thumbnails)) if firsts else np.zeros((0, 3), np.int64)
        return np.column_stack([np.array(firsts, np.int64)[pairs[:, :2]], pairs[:, 2]]) if len(pairs) else pairs

    @functools.cached_property
    def groups(self):
        """For each of `places` the first of those that are the same or look alike."""
        return groups_of(len(self.places), [*enumerate(self.same), *self.alike[:, :2].tolist()])

    def picture(self, number):
        """Returns the ImageFacts of one of `places`."""
        name, index = self.places[number]
        return self.splits[name].images[index]


def read_facts(source, splits, *, image_sizes, progress=None):
    """Reads a data set: every label file once, every image once.

    Args:
        source: DatasetSource.
        splits: names of its splits.
        image_sizes: (height, width) px of the network's input.
        progress: function (images in all, split) -> progress(done, in all); None = silent.

    Returns:
        Facts.
    """
    found, unread = {}, {}
    for name in splits:
        try:
            reading = read_all(source, name)
        except InputError as error:
            unread[name] = str(error)
            continue
        paths = [record.path for record in reading.records]
        lost = list(dict.fromkeys(fault.where for fault in reading.faults if fault.kind == "image"))
        show = progress(len(paths) + len(lost), name) if progress and paths else None
        if reading.records and reading.records[0].byte_offset is not None:
            images = _packed_facts(reading.records, show)
        else:
            images = image_facts([*paths, *lost], progress=show)
        found[name] = SplitFacts(name=name, reading=reading, images=images[: len(paths)], broken=images[len(paths) :])
    return Facts(source=source, splits=found, unread=unread, image_sizes=tuple(image_sizes))


def _packed_facts(records, progress):
    """Returns the ImageFacts of images in shards, whose records have check sums."""
    import tensorflow as tf

    from yolo_tf.data.image_bytes import byte_reader, describe_place

    read, found = byte_reader(records), []
    for index, record in enumerate(records):
        try:
            found.append(facts_of_bytes(describe_place(record), read(index).numpy()))
        except tf.errors.OpError as error:
            text = f"its record in the shard cannot be read ({type(error).__name__})."
            found.append(ImageFacts(path=describe_place(record), fault="unreadable", text=text))
        if progress:
            progress(len(found), len(records))
    return tuple(found)
