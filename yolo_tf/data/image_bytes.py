"""The encoded bytes of images, read in TensorFlow's graph: whole files, or records of TFRecord shards."""

import tensorflow as tf

IMAGE_KEY = "image/encoded"  # of the bytes in the tf.train.Example of a packed image


def byte_reader(records):
    """Makes the function that reads the encoded bytes of any of the images, in any order.

    A packed image is read by its place in the shard, which costs about as much as opening a file does
    (`scripts/bench_input.py`), so a shuffled epoch is a real permutation and needs no shuffle buffer.

    Args:
        records: ImageRecords; all packed in shards, or none.

    Returns:
        Function (index int []) -> string [], the contents of a JPEG, PNG, BMP, GIF or WebP file. It fails with a
        tf.errors.OpError where the file is missing or the shard is damaged (its records carry check sums).
    """
    paths = tf.constant([record.path for record in records], tf.string)
    if not records or records[0].byte_offset is None:
        return lambda index: tf.io.read_file(paths[index])
    offsets = tf.constant([record.byte_offset for record in records], tf.int64)

    def read(index):
        # The public TFRecordDataset cannot begin in the middle of a file; its operation can.
        shard = tf.raw_ops.TFRecordDatasetV2(
            filenames=paths[index][tf.newaxis], compression_type="", buffer_size=0, byte_offsets=offsets[index][tf.newaxis]
        )
        example = tf.data.experimental.from_variant(shard, tf.TensorSpec([], tf.string)).take(1).get_single_element()
        return tf.io.parse_single_example(example, {IMAGE_KEY: tf.io.FixedLenFeature([], tf.string)})[IMAGE_KEY]

    return read


def describe_place(record):
    """Returns where the image of a record lies, for messages: its path, and in a shard its id too."""
    return record.path if record.byte_offset is None else f"{record.path} (image {record.image_id})"
