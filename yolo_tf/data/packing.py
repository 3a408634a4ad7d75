"""DetectionDataset -> TFRecord shards with the encoded images and their labels."""

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path

import tensorflow as tf

from yolo_tf.config.kinds import converted
from yolo_tf.data.image_bytes import IMAGE_KEY, byte_reader, describe_place
from yolo_tf.errors import InputError, some_of
from yolo_tf.sources.image_damage import PNG_HEAD, fits_check_sums
from yolo_tf.sources.tfrecord import INDEX, write_index
from yolo_tf.structures import DetectionDataset
from yolo_tf.system.atomic import atomic_path

SHARD_BYTES = 256 * 2**20  # aimed at when the number of shards is not given
SIDES = ("xmin", "ymin", "xmax", "ymax")
RECORD_OVERHEAD = 16  # bytes of length and check sums around each record of a TFRecord file


@dataclasses.dataclass(frozen=True, kw_only=True)
class PackReport:
    """What was written of a data set."""

    images: int
    shards: int
    bytes: int  # of all shards

    to_json = dataclasses.asdict


def pack_dataset(
    dataset: DetectionDataset, directory: Path | str, *, shards: int | None = None, progress: Callable[[int], None] | None = None
) -> PackReport:
    """Writes the images of a data set, encoded as they are, and their labels as TFRecord shards with an index.

    The directory is whole or absent; one that was packed before is replaced.

    Args:
        dataset: DetectionDataset.
        directory: Path; holds 00000.tfrecord, 00001.tfrecord ... and index.json in the end.
        shards: number of files, at most one per image; None = as many as keep each near 256 MiB. Shards hold equal
            numbers of images, in the order of the data set.
        progress: called with the number of images done after each one; None = silent.

    Returns:
        PackReport.

    Raises:
        InputError: no such number of shards, an image that cannot be read, or a directory that holds anything else.
    """
    check_replaceable(directory)
    records, read = dataset.records, byte_reader(dataset.records)
    contents = (_read(read, index, record) for index, record in enumerate(records))
    if shards is None:
        # The first images tell how large the others are, near enough.
        sample = [len(_read(read, index, records[index])) for index in range(0, len(records), -(-len(records) // 100))]
        shards = max(1, min(round(sum(sample) / len(sample) * len(records) / SHARD_BYTES), len(records)))
    if not 0 < converted(shards, int, "shards") <= len(records):
        raise InputError(f"shards: got {shards} for {len(records)} images. Expected 1..{len(records)}. Leave it out.")
    with atomic_path(directory) as temporary:
        temporary.mkdir()
        files, images = [], []
        for shard in range(shards):
            name, offset = f"{shard:05d}.tfrecord", 0
            members = range(shard * len(records) // shards, (shard + 1) * len(records) // shards)
            with tf.io.TFRecordWriter(str(temporary / name)) as writer:
                for index in members:
                    example = _example(records[index], next(contents), dataset.class_names)
                    writer.write(example)
                    images.append((records[index], shard, offset))
                    offset += len(example) + RECORD_OVERHEAD
                    if progress:
                        progress(len(images))
            files.append((name, offset))
        write_index(temporary, dataset.class_names, files, images)
    return PackReport(images=len(records), shards=shards, bytes=sum(size for _, size in files))


def check_replaceable(directory):
    """Raises InputError where a place holds anything but packed records, which packing it again would replace."""
    directory = Path(directory)
    others = sorted(set(os.listdir(directory)) - set(_packed_files(directory))) if directory.is_dir() else []
    if others:
        raise InputError(
            f"{directory}: is a directory with other things in it ({some_of(others)}), which packing would remove. Expected a"
            " new one, or one that was packed before. Choose another place."
        )


def _packed_files(directory):
    return [path.name for path in (*directory.glob("[0-9]*.tfrecord"), directory / INDEX)]


def _read(read, index, record):
    try:
        contents = read(index).numpy()
    except tf.errors.OpError as error:
        raise InputError(
            f"{describe_place(record)}: cannot be read ({type(error).__name__}). Expected an image. Restore it or leave it out."
        ) from None
    if contents.startswith(PNG_HEAD) and not fits_check_sums(contents):
        raise InputError(
            f"{describe_place(record)}: is damaged: the check sum of a part does not fit. Expected a whole PNG."
            " Restore it or leave it out."
        )
    return contents


def _example(record, contents, class_names):
    """Returns a serialised tf.train.Example; boxes in fractions of the image, as these names have them everywhere."""
    edges = record.boxes / ([record.width, record.height] * 2)
    names = [class_names[class_id].encode() for class_id in record.class_ids]
    features = {
        IMAGE_KEY: tf.train.BytesList(value=[contents]),
        "image/source_id": tf.train.BytesList(value=[record.image_id.encode()]),
        "image/height": tf.train.Int64List(value=[record.height]),
        "image/width": tf.train.Int64List(value=[record.width]),
        **{f"image/object/bbox/{side}": tf.train.FloatList(value=edge) for side, edge in zip(SIDES, edges.T, strict=True)},
        "image/object/class/label": tf.train.Int64List(value=record.class_ids),
        "image/object/class/text": tf.train.BytesList(value=names),
        "image/object/is_crowd": tf.train.Int64List(value=record.is_crowd.astype(int)),
    }
    kinds = {tf.train.BytesList: "bytes_list", tf.train.Int64List: "int64_list", tf.train.FloatList: "float_list"}
    lists = {key: tf.train.Feature(**{kinds[type(value)]: value}) for key, value in features.items()}
    # Otherwise the features of each record come in an order that changes from process to process.
    return tf.train.Example(features=tf.train.Features(feature=lists)).SerializeToString(deterministic=True)
