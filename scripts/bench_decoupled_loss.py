"""Measures what empty places for boxes cost the loss of the head decoupled: all of them against those up to the last box.

    python scripts/bench_decoupled_loss.py
    python scripts/bench_decoupled_loss.py --threads 2 --rounds 20

YOLOX-Nano on random pixels, forward and backward through the loss in a graph without XLA, both kinds in turns in this
process. Prints medians of processor time and of time on the wall, and fails where a loss or a gradient differs in any bit.
"""

import argparse
import statistics
import time

import numpy as np
import tensorflow as tf

from yolo_tf import read_config
from yolo_tf.config import DecoupledLossConfig
from yolo_tf.engine.trainer import without_empty_places
from yolo_tf.heads.decoupled.loss import detection_loss
from yolo_tf.models.network import build_network, network_layout
from yolo_tf.structures import Targets

NUM_CLASSES = 80
BOXES = {"none": (0, 0), "1 to 8": (1, 8), "4 to 40": (4, 40), "every place": None}  # of an image: least and most


def main():
    """Prints a line for each number of boxes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("threads", 1), ("rounds", 10), ("size", 416), ("batch", 8), ("places", 150)):
        parser.add_argument(f"--{name}", type=int, default=default, metavar="N")
    options = parser.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(options.threads)
    tf.config.threading.set_inter_op_parallelism_threads(options.threads)
    rng = np.random.default_rng(0)
    model = read_config("yolox_nano").model
    layout = network_layout(model)
    network = build_network(model, num_classes=NUM_CLASSES, anchors=layout)
    raw = network(rng.uniform(0, 255, (options.batch, options.size, options.size, 3)).astype(np.float32))

    def step(targets):
        with tf.GradientTape() as tape:
            tape.watch(raw)
            parts = detection_loss(targets, raw, layout, loss=DecoupledLossConfig())
            total = tf.add_n(list(parts.values()))
        return parts, tape.gradient(total, raw)

    steps = {"all": tf.function(step), "filled": tf.function(lambda targets: step(without_empty_places(targets)))}
    for name, limits in BOXES.items():
        low, high = limits or (options.places, options.places)
        targets = draw_targets(rng, rng.integers(low, high + 1, options.batch), options)
        answers = [tf.nest.flatten(one(targets)) for one in steps.values()]
        assert all(np.array_equal(*pair) for pair in zip(*answers, strict=True)), "the two differ"
        spent = {kind: [] for kind in steps}
        for _ in range(options.rounds):
            for kind, one in steps.items():
                spent[kind].append(measure(one, targets))
        cpu, wall = ({kind: statistics.median(pair[i] for pair in spent[kind]) for kind in steps} for i in (0, 1))
        places = without_empty_places(targets).boxes.shape[1]
        print(
            f"{name} boxes, {places} of {options.places} places, {options.threads} threads: processor {cpu['all']:.3f} ->"
            f" {cpu['filled']:.3f} s ({cpu['filled'] / cpu['all']:.2f}), wall {wall['all']:.3f} -> {wall['filled']:.3f} s",
            flush=True,
        )


def measure(function, targets):
    """Returns seconds of (processor, wall)."""
    begun = time.process_time(), time.perf_counter()
    function(targets)
    return time.process_time() - begun[0], time.perf_counter() - begun[1]


def draw_targets(rng, counts, options):
    """Returns Targets of so many boxes an image, of 8 px to 0.6 of its side."""
    boxes = np.zeros((options.batch, options.places, 4), np.float32)
    class_ids = np.full((options.batch, options.places), -1, np.int32)
    for image, count in enumerate(counts):
        sides = np.exp(rng.uniform(np.log(8), np.log(0.6 * options.size), (count, 2)))
        corner = rng.uniform(0, 1, (count, 2)) * (options.size - sides)
        boxes[image, :count] = np.concatenate([corner, corner + sides], 1)
        class_ids[image, :count] = rng.integers(0, NUM_CLASSES, count)
    return Targets(tf.constant(boxes), tf.constant(class_ids))


if __name__ == "__main__":
    main()
