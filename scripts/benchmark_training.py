"""Measures the training step: images per second of each way to run it, as ratios in one process.

    python scripts/benchmark_training.py --image-size 320 --batch-size 16
"""

import argparse
import statistics
import time

import keras
import numpy as np
import tensorflow as tf

from yolo_tf.anchors import COCO_ANCHORS
from yolo_tf.config import ModelConfig, TrainConfig
from yolo_tf.models.network import build_network
from yolo_tf.optimizers import build_optimizer
from yolo_tf.structures import Targets
from yolo_tf.trainer import DetectorTrainer

# name -> (precision, fused batch norm); the first is what plain Keras does
VARIANTS = {
    "float32, Keras batch norm": ("float32", False),
    "float32, fused batch norm": ("float32", True),
    "mixed_bfloat16, fused batch norm": ("mixed_bfloat16", True),
}


def make_step(precision, fused, *, batch, num_classes):
    """Returns a function that runs one training step of YOLOv5n on `batch`."""
    keras.config.set_dtype_policy(precision)
    network = build_network(ModelConfig(), num_classes=num_classes, anchors=COCO_ANCHORS)
    keras.config.set_dtype_policy("float32")
    train = TrainConfig(batch_size=batch[0].shape[0], precision=precision)
    trainer = DetectorTrainer(network, COCO_ANCHORS, fused_batch_norm=fused)
    trainer.compile(optimizer=build_optimizer(train, network, steps_per_epoch=10), jit_compile=False)
    return lambda: trainer.train_on_batch(*batch)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--image-size", type=int, default=320)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=8)
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    side, count = arguments.image_size, arguments.batch_size
    low = rng.uniform(0, side / 2, (count, 30, 2))
    boxes = np.concatenate([low, low + rng.uniform(8, side / 2, (count, 30, 2))], -1).astype(np.float32)
    targets = Targets(tf.constant(boxes), tf.constant(rng.integers(0, 80, (count, 30)), tf.int32))
    images = tf.constant(rng.uniform(0, 255, (count, side, side, 3)), tf.float32)

    steps = {name: make_step(*variant, batch=(images, targets), num_classes=80) for name, variant in VARIANTS.items()}
    seconds = {name: [] for name in steps}
    for round_number in range(arguments.rounds + 1):  # in turn, so that a drifting machine slows all alike
        for name, step in steps.items():
            start = time.perf_counter()
            step()
            if round_number:  # the first builds the graph
                seconds[name].append(time.perf_counter() - start)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    reference = next(iter(medians.values()))
    print(f"YOLOv5n, {side} px, batch {count}, {len(tf.config.list_physical_devices('GPU'))} GPUs")
    for name, median in medians.items():
        print(f"{name:<34}{count / median:7.1f} images/s   {reference / median:5.2f} x")


if __name__ == "__main__":
    main()
