"""Measures the input pipeline: what an image costs in each piece of it, and in the whole.

    python scripts/bench_input.py configs/datasets/coco128.yaml --path COCO128 --image-size 640

All rows run in one process, so that their ratios hold on a busy machine too. CPU ms are summed over all threads: they
count what a row costs, whoever else is using the machine. The floor is decoding alone: the same files, the same
decoder, told by the reader that they are upright; below it the decoder that looks for an EXIF orientation and bounds the
size, as for images that no reader saw. The marks: raw batches (all that a host does when the accelerator augments) at
most 1.5 x the floor, and the whole CPU path at most a quarter of keras-cv's layers for the same job (their Mosaic,
JitteredResize, RandomFlip and RandomColorJitter, fed by the same raw batches).
"""

import argparse
import tempfile
import time
from pathlib import Path

import tensorflow as tf

from yolo_tf import (
    AugmentConfig,
    DataConfig,
    TrainConfig,
    make_eval_dataset,
    make_train_dataset,
    pack_dataset,
    read_dataset,
    read_source,
)
from yolo_tf.data.augment import augment_batch
from yolo_tf.data.image_bytes import byte_reader
from yolo_tf.data.images import decode_image, record_decoder
from yolo_tf.system.atomic import write_json

FLOOR, RAW, WHOLE, KERAS_CV = "decode only", "raw batches", "augmented on the CPU", "keras-cv's layers"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", help="data set YAML")
    parser.add_argument("--path", default="", help="root of the data, instead of the YAML's path")
    parser.add_argument("--split", default="train")
    parser.add_argument("--image-size", type=int, default=640)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=4.0, help="for each row")
    parser.add_argument("--json", metavar="FILE", help="write the rows there too")
    arguments = parser.parse_args()
    dataset = read_dataset(read_source(arguments.dataset, path=arguments.path), arguments.split, strict=False)
    image_size = (arguments.image_size, arguments.image_size)
    rows = {
        name: measure(piece, arguments.batch_size, arguments.seconds)
        for name, piece in pieces(dataset, image_size, arguments.batch_size)
    }
    print(f"{len(dataset.records)} images, {image_size[0]} px, batches of {arguments.batch_size}, augmentation level low\n")
    print("| row | images/s | ms | CPU ms | of the floor |\n|---|---|---|---|---|")
    for name, (wall, cpu) in rows.items():
        print(f"| {name} | {1000 / wall:.0f} | {wall:.2f} | {cpu:.2f} | {cpu / rows[FLOOR][1]:.2f} x |")
    raw, gain = rows[RAW][1] / rows[FLOOR][1], rows[KERAS_CV][1] / rows[WHOLE][1]
    print(f"\nraw batches: {raw:.2f} x decoding (mark 1.5); the CPU path: 1/{gain:.1f} of keras-cv's (mark 1/4)")
    if arguments.json:
        write_json(arguments.json, {name: {"ms": wall, "cpu_ms": cpu} for name, (wall, cpu) in rows.items()})


def pieces(dataset, image_size, batch_size):
    """Yields (name, function that handles one batch)."""

    def stream(dataset=dataset, augment_on="accelerator", **data):
        config = DataConfig(image_size=image_size, **data)
        train = TrainConfig(batch_size=batch_size)
        return make_train_dataset(dataset, data=config, augment=AugmentConfig(), train=train, augment_on=augment_on)

    yield FLOOR, taker(decoded(dataset).batch(batch_size))
    yield "decode, the bytes asked", taker(decoded(dataset, decode_image).batch(batch_size))
    yield RAW, taker(stream())
    yield "raw batches, cache: files", taker(stream(cache="files"))
    yield "raw batches, cache: images", taker(stream(cache="images", cache_gib=64.0))
    with tempfile.TemporaryDirectory() as root:
        pack_dataset(dataset, Path(root) / "train")
        (Path(root) / "packed.yaml").write_text("format: tfrecord\ntrain: train\n")
        yield "raw batches, packed", taker(stream(read_dataset(read_source(Path(root) / "packed.yaml"), "train")))
    yield WHOLE, taker(stream(augment_on="host"))
    yield "augmented on the CPU, cache: images", taker(stream(augment_on="host", cache="images", cache_gib=64.0))
    yield KERAS_CV, taker(with_keras_cv(stream(), image_size))
    yield "evaluation batches", taker(make_eval_dataset(dataset, image_size=image_size, batch_size=batch_size).repeat())

    (raw,) = next(iter(stream()))

    def augment(function):
        images, sizes_hw, boxes, class_ids, parameters, _ = raw
        return lambda: function(images, sizes_hw, boxes, class_ids, parameters, max_boxes=150)[0][0, 0, 0, 0].numpy()

    yield "augmentation alone, in compiled stages", augment(augment_batch)
    yield "augmentation alone, one compiled function", augment(tf.function(augment_batch, jit_compile=True, autograph=False))


def decoded(dataset, decode=None):
    """Returns an endless tf.data.Dataset of the sizes [3] of images that were read and decoded, in order."""
    read, decode = byte_reader(dataset.records), decode or record_decoder(dataset.records)
    indices = tf.data.Dataset.range(len(dataset.records)).repeat()
    return indices.map(lambda index: tf.shape(decode(read(index))), num_parallel_calls=tf.data.AUTOTUNE)


def with_keras_cv(raw_batches, image_size):
    """Returns the raw batches as keras-cv's layers augment them, with strengths like those of level low."""
    from keras_cv import layers

    box_format = dict(bounding_box_format="xyxy")
    chain = [
        layers.JitteredResize(target_size=image_size, scale_factor=(0.5, 1.5), **box_format),
        layers.Mosaic(**box_format),
        layers.RandomFlip(mode="horizontal", **box_format),
    ]
    colours = layers.RandomColorJitter(
        value_range=(0, 255), brightness_factor=0.4, contrast_factor=0.0, saturation_factor=(0.15, 0.85), hue_factor=0.015
    )

    def augment(raw):
        boxes = {"boxes": raw.boxes, "classes": tf.cast(raw.class_ids, tf.float32)}
        batch = {"images": tf.cast(raw.images, tf.float32), "bounding_boxes": boxes}
        for layer in chain:
            batch = layer(batch, training=True)
        return {**batch, "images": colours(batch["images"], training=True)}

    return raw_batches.map(augment, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def taker(batches):
    """Returns the function that takes one batch of a tf.data.Dataset."""
    iterator = iter(batches)
    return lambda: next(iterator)


def measure(piece, batch_size, seconds):
    """Returns (wall, CPU) milliseconds per image, after a warm-up of three batches."""
    for _ in range(3):
        piece()
    batches, wall, cpu = 0, time.perf_counter(), time.process_time()
    while time.perf_counter() - wall < seconds:
        piece()
        batches += 1
    images = batches * batch_size
    return 1000 * (time.perf_counter() - wall) / images, 1000 * (time.process_time() - cpu) / images


if __name__ == "__main__":
    main()
