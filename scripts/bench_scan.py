"""Measures what remembering whole images saves a run: the seconds from its start to its first epoch, first and second time.

    python scripts/bench_scan.py COCO128/images/train2017 COCO128/labels/train2017

Links (hard ones: each is an image of its own to the program) to copies of the pictures and label files are made in a
temporary directory. Then the same training of a tiny network begins as often as --runs says,
each time in a new process with one cache for all, and ends where its first epoch begins. Printed are seconds on the clock
and of all processors, of the whole and of its parts: the program (to the end of its imports), reading labels and headers, the
scan, the rest (the network, the start report and its pictures).
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from yolo_tf.config.reader import read_config
from yolo_tf.system.atomic import write_json
from yolo_tf.terminal.tables import format_table

CONFIG = """data: {dataset: data.yaml, image_size: 64, max_boxes: 20}
model: {name: tiny, backbone: csp_darknet, depth: 0.33, width: 0.125, autoanchor: false}
train: {epochs: 1}
"""
CHILD = "--child"
PARTS = ("program", "reading", "scan", "rest", "whole")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", type=Path, help="directory of JPEGs")
    parser.add_argument("labels", type=Path, help="directory of their YOLO label files, of at most 80 classes")
    parser.add_argument("--images", type=int, default=20_000, help="how many links")
    parser.add_argument("--runs", type=int, default=2)
    parser.add_argument("--out", type=Path, help="JSON file for the seconds")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as root:
        root = Path(root)
        link_images(arguments.pictures, arguments.labels, root, count=arguments.images)
        (root / "config.yaml").write_text(CONFIG)
        time.sleep(3)  # files of this moment are not remembered
        runs = [start(root, f"run{number}") for number in range(1, arguments.runs + 1)]
    rows = [{part: f"{run[part][0]:.2f} ({run[part][1]:.2f})" for part in PARTS} for run in runs]
    print(format_table([{"run": str(number), **row} for number, row in enumerate(rows, start=1)]))
    print("seconds on the clock (of all processors)")
    if arguments.out:
        write_json(arguments.out, runs)


def link_images(pictures, labels, root, *, count):
    """Makes a YOLO data set of `count` training images, links to those of a directory, which are its validation split."""
    for folder in ("images/train", "images/val", "labels/train", "labels/val"):
        (root / folder).mkdir(parents=True)
    found = sorted(path for path in pictures.iterdir() if path.suffix == ".jpg")
    for path in found:
        label = labels / f"{path.stem}.txt"
        (root / "images/val" / path.name).write_bytes(path.read_bytes())
        if label.exists():
            (root / "labels/val" / label.name).write_bytes(label.read_bytes())
    for index in range(count):
        path = found[index % len(found)]
        os.link(root / "images/val" / path.name, root / f"images/train/{index:06d}.jpg")
        label = root / "labels/val" / f"{path.stem}.txt"
        if label.exists():
            os.link(label, root / f"labels/train/{index:06d}.txt")
    names = ", ".join(f"class{number}" for number in range(80))
    (root / "data.yaml").write_text(f"train: images/train\nval: images/val\nnames: [{names}]\n")


def start(root, name):
    """Begins a run in a new process; returns {part: [seconds, CPU seconds]}."""
    environment = {**os.environ, "YOLO_TF_CACHE": str(root / "cache")}
    command = [sys.executable, os.path.abspath(__file__), CHILD, name, str(time.time())]
    answer = subprocess.run(command, cwd=root, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout
    return json.loads(answer.splitlines()[-1])


def child(name, began):
    """Trains until the first epoch begins, then says what took how long."""

    def now():
        return np.array([time.time() - began, sum(os.times()[:2])])

    from yolo_tf.system.tensorflow_start import load_tensorflow

    load_tensorflow()
    import keras

    from yolo_tf.training import data_sets, train

    taken = {"program": now(), "reading": np.zeros(2), "scan": np.zeros(2)}

    def timed(part, function):
        def call(*args, **options):
            before = now()
            result = function(*args, **options)
            taken[part] += now() - before
            return result

        return call

    data_sets.read_dataset = timed("reading", data_sets.read_dataset)
    data_sets.check_images = timed("scan", data_sets.check_images)

    class Stop(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            whole = now()
            parts = {**taken, "rest": whole - sum(taken.values()), "whole": whole}
            print(json.dumps({part: seconds.tolist() for part, seconds in parts.items()}), flush=True)
            os._exit(0)

    train(read_config("config.yaml"), name, callbacks=[Stop()])


if __name__ == "__main__":
    child(sys.argv[2], float(sys.argv[3])) if sys.argv[1:2] == [CHILD] else main()
