"""Trains every cell of a plan, data set x start x seed, at one budget, and says with intervals which start is better.

    python scripts/measure_transfer.py configs/transfer/starts.yaml --data DIR --out cells.jsonl      # hours; may be stopped
    python scripts/measure_transfer.py configs/transfer/starts.yaml --out cells.jsonl --table         # what is there by now

A cell is one `yolo-tf train` in a process of its own, evaluated after its last epoch alone, so nothing is chosen by the
validation images. Cells that the file holds are passed over; one that was stopped goes on from its newest checkpoint.
`--data` is the directory that the plan's `path` of each data set is relative to. Differences are paired: the same data set
and seed, and their mean over seeds stands with half of its 95 % interval (Student's t), wide where seeds are few.

A plan:

    budget: [data.image_size=320, train.epochs=30]      # overrides of every cell
    sets: {bccd: {path: bccd, overrides: [data.dataset=configs/datasets/bccd.yaml]}}
    starts: {random: {config: yolox_nano}, coco: {config: yolox_nano, overrides: [model.weights=yolox_nano]}}
    seeds: [0, 1, 2]
    pairs: [[random, coco]]                             # differences: the second less the first
"""

import argparse
import json
import math
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

import yaml

from yolo_tf.system.processor import processor_name
from yolo_tf.system.version import VERSION
from yolo_tf.terminal.tables import format_table

STUDENT = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776}  # number of differences -> factor of a 95 % interval
METRICS = ("AP", "AP50")


def main(argv=None):
    """Trains what is missing and prints the tables; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("plan", type=Path)
    parser.add_argument("--data", type=Path, default=Path(), help="directory of the data sets")
    parser.add_argument("--out", type=Path, required=True, help="JSON lines, one a cell; gains what is measured")
    parser.add_argument("--runs", type=Path, default=Path("runs/transfer"), help="run directories, until their cell is measured")
    parser.add_argument("--only", default="", help="cells whose name SET/START/SEED holds this text")
    parser.add_argument("--table", action="store_true", help="print the tables alone")
    arguments = parser.parse_args(argv)
    plan = yaml.safe_load(arguments.plan.read_text(encoding="utf-8"))
    for seed in () if arguments.table else plan["seeds"]:  # so that an early stop leaves whole seeds
        for data_set in plan["sets"]:
            for start in plan["starts"]:
                cell = f"{data_set}/{start}/{seed}"
                if arguments.only in cell and cell not in read_cells(arguments.out):
                    measured = measure(plan, data_set, start, seed, data=arguments.data, run=arguments.runs / cell)
                    with open(arguments.out, "a", encoding="utf-8") as file:
                        file.write(json.dumps({"cell": cell} | measured) + "\n")
                    shutil.rmtree(arguments.runs / cell)
                    found = "  ".join(f"{name} {measured[name]:.3f}" for name in METRICS)
                    print(f"{cell}: {found}  {measured['minutes']:.1f} min", flush=True)
    cells = read_cells(arguments.out)
    if cells:
        print(format_table(mean_rows(plan, cells)), format_table(pair_rows(plan, cells)), sep="\n\n")
    return 0


def read_cells(path):
    """Returns {cell: what was measured} of a file of JSON lines; {} where there is none."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else ()
    return {row["cell"]: row for row in map(json.loads, lines)}


def measure(plan, data_set, start, seed, *, data, run):
    """Trains one cell, or the rest of it, and returns what goes into the file."""
    chosen, begun = plan["starts"][start], time.monotonic()
    overrides = [*plan["budget"], *plan["sets"][data_set].get("overrides", ()), *chosen.get("overrides", ())]
    placed = [f"data.path={data / plan['sets'][data_set]['path']}", f"train.seed={seed}", "run.evaluate_every=1000000"]
    command = [sys.executable, "-m", "yolo_tf", "train", "--config", chosen["config"], "--run", str(run)]
    subprocess.run(
        [*command, *(["--resume"] if run.exists() else []), *overrides, *placed], check=True, stdout=2
    )  # its log is no result
    metrics = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    made = {"minutes": (time.monotonic() - begun) / 60, "version": VERSION, "processor": processor_name()}
    return {name: metrics[name] or 0.0 for name in METRICS} | {"overrides": overrides} | made


def mean_rows(plan, cells):
    """Returns a row for each data set and start that has cells: the mean over seeds and their standard deviation."""
    rows = []
    for data_set in plan["sets"]:
        for start in plan["starts"]:
            found = [cells[name] for seed in plan["seeds"] if (name := f"{data_set}/{start}/{seed}") in cells]
            if found:
                values = {name: [cell[name] for cell in found] for name in METRICS}
                texts = {name: f"{statistics.mean(some):.3f} ± {_deviation(some)}" for name, some in values.items()}
                minutes = f"{statistics.mean(cell['minutes'] for cell in found):.1f}"
                rows.append({"set": data_set, "start": start, "seeds": str(len(found)), **texts, "minutes": minutes})
    return rows


def pair_rows(plan, cells):
    """Returns a row for each data set and pair of starts: the mean paired difference, and half its 95 % interval."""
    rows = []
    for data_set in plan["sets"]:
        for first, second in plan["pairs"]:
            names = [(f"{data_set}/{first}/{seed}", f"{data_set}/{second}/{seed}") for seed in plan["seeds"]]
            both = [(cells[one], cells[other]) for one, other in names if one in cells and other in cells]
            texts = {name: _interval([other[name] - one[name] for one, other in both]) for name in METRICS}
            rows.append({"set": data_set, "difference": f"{second} - {first}", "seeds": str(len(both)), **texts})
    return rows


def _deviation(values):
    return f"{statistics.stdev(values):.3f}" if len(values) > 1 else "-"


def _interval(differences):
    if len(differences) not in STUDENT:
        return " ".join(f"{value:+.3f}" for value in differences) or "-"
    half = STUDENT[len(differences)] * statistics.stdev(differences) / math.sqrt(len(differences))
    return f"{statistics.mean(differences):+.3f} ± {half:.3f}"


if __name__ == "__main__":
    sys.exit(main())
