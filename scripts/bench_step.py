"""Measures the training step: images per second of each way to run it, as ratios in one process.

    python scripts/bench_step.py --image-size 320 --batch-size 16
    python scripts/bench_step.py --model configs/models/yolov5s.yaml --data DATASET.yaml

The ways take turns, so that a drifting machine slows all alike. On a CPU: Keras' own batch norm, the fused one, the same
in bfloat16 where the processor has matrix units for it, and XLA and eager mode for comparison. On a GPU: XLA is what
training uses, and the peak of its memory is shown. With --data the fastest way is fitted from the real input pipeline.
"""

import argparse
import dataclasses
import statistics
import time
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from yolo_tf import (
    DetectorTrainer,
    Targets,
    build_network,
    build_optimizer,
    make_train_dataset,
    network_layout,
    read_config,
    read_dataset,
    read_source,
)
from yolo_tf.data.capacity import LEAST_PLACES

NUM_CLASSES = 80


@dataclasses.dataclass(frozen=True, kw_only=True)
class Way:
    """One way to run the training step."""

    precision: str = "float32"
    fused: bool = False
    xla: bool = False
    eager: bool = False


def ways(on_gpu, *, eager):
    """Returns name -> Way; the first is what plain Keras does, and what the others are compared with."""
    found = {"float32, Keras batch norm": Way(), "float32, fused batch norm": Way(fused=True)}
    if on_gpu or "amx_bf16" in _processor_flags():
        found["bfloat16, fused batch norm"] = Way(precision="mixed_bfloat16", fused=True)
    found["float32, XLA"] = Way(xla=True)
    if on_gpu:
        found["bfloat16, XLA"] = Way(precision="mixed_bfloat16", xla=True)
        found["float16, XLA"] = Way(precision="mixed_float16", xla=True)
    if eager:
        found["float32, eager"] = Way(eager=True)
    return found


def make_trainer(config, way):
    """Returns a compiled DetectorTrainer of the config's network."""
    anchors = network_layout(config.model)
    keras.config.set_dtype_policy(way.precision)
    network = build_network(config.model, num_classes=NUM_CLASSES, anchors=anchors)
    keras.config.set_dtype_policy("float32")
    trainer = DetectorTrainer(network, anchors, fused_batch_norm=way.fused)
    optimizer = build_optimizer(config.train, network, steps_per_epoch=10)
    trainer.compile(optimizer=optimizer, jit_compile=way.xla, run_eagerly=way.eager)
    return trainer


def random_batch(config):
    """Returns (images, Targets) of noise and 30 boxes an image, in as many slots as training has."""
    (height, width), count, rng = config.data.image_size, config.train.batch_size, np.random.default_rng(0)
    low = rng.uniform(0, 0.5, (count, 30, 2)) * (width, height)
    boxes = np.concatenate([low, low + rng.uniform(8, min(height, width) / 2, (count, 30, 2))], -1).astype(np.float32)
    free = (LEAST_PLACES if config.data.max_boxes == "auto" else config.data.max_boxes) - 30
    class_ids = np.pad(rng.integers(0, NUM_CLASSES, (count, 30)), [(0, 0), (0, free)], constant_values=-1)
    targets = Targets(tf.constant(np.pad(boxes, [(0, 0), (0, free), (0, 0)])), tf.constant(class_ids, tf.int32))
    return tf.constant(rng.uniform(0, 255, (count, height, width, 3)), tf.float32), targets


def measure(trainers, batch, *, rounds, on_gpu):
    """Returns name -> dict of first (s, tracing and compiling included), step (s, median), peak (bytes, GPU only)."""
    found = {name: {"steps": []} for name in trainers}
    for name, trainer in trainers.items():
        found[name]["first"] = _seconds(trainer, batch)
    for _ in range(rounds):
        for name, trainer in trainers.items():
            if on_gpu:
                tf.config.experimental.reset_memory_stats("GPU:0")
            found[name]["steps"].append(_seconds(trainer, batch))
            found[name]["peak"] = tf.config.experimental.get_memory_info("GPU:0")["peak"] if on_gpu else 0
    return {name: {**row, "step": statistics.median(row["steps"])} for name, row in found.items()}


def waiting_share(trainer, config, steps):
    """Returns (seconds of a step, share of it that is input wait) with batches of the real data set."""
    dataset = read_dataset(read_source(config.data.dataset, path=config.data.path), config.data.train_split)
    feed = iter(make_train_dataset(dataset, data=config.data, augment=config.augment, train=config.train))
    trainer.train_on_batch(*next(feed))
    waits, begun = 0.0, time.perf_counter()
    for _ in range(steps):
        asked = time.perf_counter()
        batch = next(feed)
        waits += time.perf_counter() - asked
        trainer.train_on_batch(*batch)
    seconds = time.perf_counter() - begun
    return seconds / steps, waits / seconds


def _seconds(trainer, batch):
    begun = time.perf_counter()
    trainer.train_on_batch(*batch)  # returns numbers, so it waits for the device
    return time.perf_counter() - begun


def _processor_flags():
    try:
        return Path("/proc/cpuinfo").read_text(encoding="utf-8").split()
    except OSError:
        return []


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, metavar="CONFIG", help="config file; default YOLOv5n")
    parser.add_argument("--image-size", type=int, default=320)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--eager", action="store_true", help="measure eager mode too (slow)")
    parser.add_argument("--data", type=Path, metavar="DATASET.yaml", help="also measure the wait for its input pipeline")
    parser.add_argument("--path", default="", metavar="DIR", help="root of the data, instead of the YAML's path")
    arguments = parser.parse_args()
    overrides = [f"data.image_size={arguments.image_size}", f"train.batch_size={arguments.batch_size}"]
    overrides.append(f"data.path={arguments.path}")
    if arguments.data:
        overrides.append(f"data.dataset={arguments.data}")
    config = read_config(arguments.model, overrides)
    gpus = tf.config.list_physical_devices("GPU")
    trainers = {name: make_trainer(config, way) for name, way in ways(bool(gpus), eager=arguments.eager).items()}
    rows = measure(trainers, random_batch(config), rounds=arguments.rounds, on_gpu=bool(gpus))

    plain = next(iter(rows.values()))["step"]
    height, width = config.data.image_size
    print(
        f"{config.model.name}, {width} x {height} px, batch {config.train.batch_size}, {len(gpus)} GPUs, medians of"
        f" {arguments.rounds} rounds"
    )
    print(f"{'':<30}{'images/s':>10}{'ratio':>8}{'s a step':>10}{'first step, s':>15}{'peak, GB' if gpus else '':>10}")
    for name, row in rows.items():
        peak = f"{row['peak'] / 1e9:10.2f}" if gpus else ""
        rate = config.train.batch_size / row["step"]
        print(f"{name:<30}{rate:10.1f}{plain / row['step']:8.2f}{row['step']:10.3f}{row['first']:15.1f}{peak}")
    if arguments.data:
        name = min(rows, key=lambda name: rows[name]["step"])
        step, share = waiting_share(trainers[name], config, 4 * arguments.rounds)
        print(f"{name}, from {arguments.data}: {config.train.batch_size / step:.1f} images/s, {share:.1%} of it waiting")


if __name__ == "__main__":
    main()
