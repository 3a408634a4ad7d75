"""Kills a training with SIGKILL at random moments, resumes it each time, and compares the result bit by bit.

    python scripts/kill_and_resume.py                      # 10 kills of a tiny training: some minutes on two cores
    python scripts/kill_and_resume.py --kills 3 --config configs/bccd_yolov5n.yaml data.path=BCCD train.epochs=2

One run is left alone, and its duration measured from the start of the process. Then the same command line, with
`--resume`, is started again and again, and its whole process group killed at a moment that is drawn uniformly: every other
time over the whole duration, so mostly while TensorFlow loads and the graph is built; the other times over the part after
the first checkpoint, so in a step, in an evaluation, while a file is written. A run that is done before it is killed is
compared, and the kills go on in a new one. The last one is left to end. Compared are every weight of the network
files, every array of the last checkpoint (weights, optimizer, averages, counters), the history without its seconds, and the
metrics without their speed. Exit code 1 if anything differs.
"""

import argparse
import csv
import io
import json
import math
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np

DATA = "format: shapes\npath: shapes\ntrain: 23\nval: 5\ntest: 2\nimage_size: 96\nmax_objects: 3\n"
CONFIG = """data: {dataset: shapes.yaml, image_size: 64, max_boxes: 20}
model: {name: tiny, backbone: csp_darknet, depth: 0.33, width: 0.125}
train: {epochs: 3, batch_size: 4, nominal_batch_size: 8, warmup_epochs: 0.0}
run: {checkpoint_every_steps: 2}
augment: {close_mosaic: 1, mixup: 0.5}
"""
MEASURED = {"seconds", "seconds_per_epoch", "images_per_second", "run"}  # what no two runs share


def main(argv=None):
    """Runs everything and prints two tables; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--config", type=Path, help="default: a tiny network on 23 generated pictures, 3 epochs of 6 steps")
    parser.add_argument("--out", type=Path, help="default: a new temporary directory")
    parser.add_argument("overrides", nargs="*", metavar="section.key=value")
    arguments = parser.parse_args(argv)
    out = arguments.out or Path(tempfile.mkdtemp(prefix="kill_and_resume_"))
    out.mkdir(parents=True, exist_ok=True)
    config = arguments.config
    if config is None:
        (out / "shapes.yaml").write_text(DATA, encoding="utf-8")
        config = out / "config.yaml"
        config.write_text(CONFIG, encoding="utf-8")
    command = [sys.executable, "-m", "yolo_tf", "train", "--config", str(config), *arguments.overrides, "--resume", "--run"]

    whole = train(command, out / "whole")
    print(
        f"{out}: the run that is left alone took {whole.seconds:.1f} s, {whole.first_checkpoint:.1f} s of them until its first"
        f" checkpoint; {arguments.kills} kills with seed {arguments.seed}"
    )

    print(f"{'kill':>4}  {'after s':>8}  {'run':<7}  newest checkpoint", flush=True)
    moments, runs, pace = random.Random(arguments.seed), [out / "run_1"], whole
    for number in range(1, arguments.kills + 1):
        share = moments.random()
        while True:
            earliest = pace.first_checkpoint if number % 2 else 0.0
            moment = earliest + share * (pace.seconds - earliest)
            begins = not runs[-1].exists()
            trained = train(command, runs[-1], kill_after=moment)
            if not trained.ended:
                break
            if begins:
                pace = trained  # the machine may have become faster since, and the same moment would be too late again
            print(f"{'':>4}  {'done':>8}  {runs[-1].name:<7}", flush=True)
            runs.append(out / f"run_{len(runs) + 1}")
        newest = max((path.name for path in (runs[-1] / "checkpoints").glob("epoch_*")), default="none yet")
        print(f"{number:>4}  {moment:>8.2f}  {runs[-1].name:<7}  {newest}", flush=True)
    train(command, runs[-1])

    print(f"\n{'run':<7}  {'what':<16}  {'values':>10}  different")
    differences = 0
    for run in runs:
        for what, values, different in compare(out / "whole", run):
            print(f"{run.name:<7}  {what:<16}  {values:>10,}  {different}")
            differences += different
    print("every value is the same" if not differences else f"{differences} values differ")
    return int(differences > 0)


class Trained(NamedTuple):
    """How a process fared."""

    ended: bool  # by itself
    seconds: float  # from its start
    first_checkpoint: float | None  # seconds until the run held one


def train(command, run, *, kill_after=math.inf):
    """Runs `command` for a run directory, in a process group of its own; kills the group after `kill_after` seconds.

    Returns:
        Trained.

    Raises:
        SystemExit: it failed; shows the end of its output, which is all in the file <run>.log.
    """
    log, started, first = run.with_suffix(".log"), time.perf_counter(), None
    with open(log, "ab") as file:
        process = subprocess.Popen([*command, str(run)], stdout=file, stderr=file, start_new_session=True)
        try:
            while process.poll() is None and time.perf_counter() - started < kill_after:
                if first is None and any((run / "checkpoints").glob("epoch_*")):
                    first = time.perf_counter() - started
                time.sleep(0.02)
        finally:
            ended = process.poll() is not None
            if not ended:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    if ended and process.returncode:
        raise SystemExit(f"{log}: the training ended with code {process.returncode}:\n{log.read_text()[-2000:]}")
    return Trained(ended, time.perf_counter() - started, first)


def compare(whole, run):
    """Compares two run directories.

    Returns:
        list of (what, number of values, number of values that differ); a value that is missing on one side differs.
    """
    rows = []
    for name in ("best.keras", "last.keras"):
        rows.append((name, *_count(_network(whole / name), _network(run / name))))
    rows.append(("last checkpoint", *_count(_checkpoint(whole), _checkpoint(run))))
    rows.append(("history.csv", *_count(_history(whole), _history(run))))
    rows.append(("metrics.json", *_count(_metrics(whole), _metrics(run))))
    left_over = len(list(run.rglob(".*")))
    return [*rows, ("left-over files", left_over, left_over)]


def _count(left, right):
    """Returns (values, differing values) of two dicts of arrays."""
    total = different = 0
    for name in left.keys() | right.keys():
        one, other = left.get(name), right.get(name)
        size = max(one.size if one is not None else 0, other.size if other is not None else 0)
        alike = one is not None and other is not None and one.shape == other.shape and one.dtype == other.dtype
        total += size
        different += int(np.count_nonzero(_bits(one) != _bits(other))) if alike else size
    return total, different


def _bits(array):
    """Returns an array that differs where the bits of `array` do: -0 is not 0, and NaN is itself."""
    return array.view(f"u{array.dtype.itemsize}") if array.dtype.kind == "f" else array


def _network(path):
    arrays = {}
    with zipfile.ZipFile(path) as archive, h5py.File(io.BytesIO(archive.read("model.weights.h5"))) as file:
        file.visititems(lambda name, item: arrays.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None)
    return {name: np.asarray(array) for name, array in arrays.items()}


def _checkpoint(run):
    newest = max((run / "checkpoints").glob("epoch_*"))
    with np.load(newest / "variables.npz") as archive:
        return dict(archive)


def _history(run):
    with open(run / "history.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return {f"{place} {key}": np.array([row[key]]) for place, row in enumerate(rows) for key in row if key not in MEASURED}


def _metrics(run):
    metrics = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    return {key: np.array([json.dumps(value)]) for key, value in metrics.items() if key not in MEASURED}


if __name__ == "__main__":
    sys.exit(main())
