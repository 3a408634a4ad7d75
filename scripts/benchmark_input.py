"""Measures the input pipeline: what an image costs in each piece of it, and in the whole.

    python scripts/benchmark_input.py DATASET.yaml --image-size 640

All pieces run in one process, so that their ratios hold on a busy machine too. CPU ms are summed over all
threads; they count what the pieces cost, whoever else is using the machine.
"""

import argparse
import time

import numpy as np
import tensorflow as tf

from yolo_tf.config import AugmentConfig, DataConfig, TrainConfig
from yolo_tf.data.augment import augment_batch, draw_parameters
from yolo_tf.data.images import decode_image, resize_image
from yolo_tf.data.letterbox import PAD_GREY, fitted_size
from yolo_tf.data.pipeline import make_eval_dataset, make_train_dataset
from yolo_tf.sources import read_dataset, read_source


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", help="data set YAML")
    parser.add_argument("--split", default="train")
    parser.add_argument("--image-size", type=int, default=640)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=4.0, help="for each piece")
    arguments = parser.parse_args()
    dataset = read_dataset(read_source(arguments.dataset), arguments.split)
    image_size = (arguments.image_size, arguments.image_size)

    rows = {
        name: measure(piece, arguments.batch_size, arguments.seconds)
        for name, piece in pieces(dataset, image_size, arguments.batch_size)
    }
    whole = rows["training pipeline"][1]
    print(f"{len(dataset.records)} images, {image_size[0]} px, batches of {arguments.batch_size}, augmentation level low")
    print(f"{'piece':<36}{'images/s':>9}{'ms':>8}{'CPU ms':>8}{'of the pipeline':>17}")
    for name, (wall, cpu) in rows.items():
        print(f"{name:<36}{1000 / wall:>9.0f}{wall:>8.2f}{cpu:>8.2f}{cpu / whole:>16.2f}x")


def pieces(dataset, image_size, batch_size):
    """Yields (name, function that handles one batch)."""
    yield "decode and fit", taker(fitted_images(dataset, image_size).repeat().batch(batch_size))
    inputs = augment_inputs(dataset, image_size, batch_size)

    def augment(function):
        return lambda: function(*inputs, max_boxes=150)[0][0, 0, 0, 0].numpy()

    yield "augment, in compiled stages", augment(augment_batch)
    yield "augment, as one compiled function", augment(tf.function(augment_batch, jit_compile=True, autograph=False))

    def without_xla():
        tf.config.run_functions_eagerly(True)
        augment(augment_batch)()
        tf.config.run_functions_eagerly(False)

    yield "augment, without XLA", without_xla
    for name, cache in (("training pipeline", "none"), ("training pipeline, cached", "images")):
        data = DataConfig(image_size=image_size, cache=cache)
        train = TrainConfig(batch_size=batch_size)
        yield name, taker(make_train_dataset(dataset, data=data, augment=AugmentConfig(), train=train))
    yield "evaluation pipeline", taker(make_eval_dataset(dataset, image_size=image_size, batch_size=batch_size).repeat())


def fitted_images(dataset, image_size):
    """Returns a tf.data.Dataset of uint8 [H, W, 3]: each image read, decoded, fitted and padded."""

    def load(path):
        image = decode_image(tf.io.read_file(path))
        image = resize_image(image, fitted_size(tf.shape(image)[:2], image_size)[1])
        free = tf.constant(image_size) - tf.shape(image)[:2]
        return tf.ensure_shape(tf.pad(image, [[0, free[0]], [0, free[1]], [0, 0]], constant_values=PAD_GREY), [*image_size, 3])

    paths = tf.data.Dataset.from_tensor_slices([record.path for record in dataset.records])
    return paths.map(load, num_parallel_calls=tf.data.AUTOTUNE)


def augment_inputs(dataset, image_size, batch_size):
    """Returns one batch for `augment_batch`, with 30 boxes in each image."""
    images = next(iter(fitted_images(dataset, image_size).repeat().batch(batch_size)))
    sizes = [(record.height, record.width) for record in dataset.records]
    sizes_hw = fitted_size(np.resize(sizes, [batch_size, 2]), image_size)[1]
    corners = np.random.default_rng(0).uniform(0, 0.5, [batch_size, 30, 2]) * min(image_size)
    boxes = tf.constant(np.concatenate([corners, corners + 40], axis=-1), tf.float32)
    seed = tf.constant([0, 1], tf.int64)
    parameters = draw_parameters(batch_size, seed, image_size=image_size, augment=AugmentConfig())
    return images, sizes_hw, boxes, tf.zeros([batch_size, 30], tf.int32), parameters


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
