"""Trains every family of backbones for an epoch, each in a process of its own, and prints what it costs and whether it learns.

    python scripts/bench_backbones.py --path DIRECTORY_OF_BCCD
    python scripts/bench_backbones.py --path DIRECTORY_OF_BCCD --images 48 yolov5s_mobilenetv3small yolov5s_ghostnet

Through `yolo_tf.training.train` on random weights, with the recipe of the family (train.recipe=auto) and, for the rest,
the settings of the project's own short runs on BCCD, configs/bccd_*.yaml: an epoch of 13 steps would end amid the first
100 steps over which YOLOv5's settings only warm up. Networks that are done already, at the same settings, are not
trained again: an interrupted benchmark goes on where it was. Two figures say whether a network learns:

- loss of 16 validation images without augmentation, the same before and after the run, in the training mode of the
  layers, whose moving statistics are put back: one epoch is too short for moving statistics to say anything. "falls"
  is this one: after < before. The JSON file has its parts too; objectness alone may rise while boxes improve, since
  its targets are their overlaps.
- loss of the first and of the last 3 training steps, means over augmented batches: noisy, for orientation.

The first step builds the graph and is counted apart; a step includes waiting for its batch. Peak memory is that of
the process up to the last training step (of the GPU where there is one). Exit code 1: one fails or does not fall.
"""

import argparse
import dataclasses
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import keras
import tensorflow as tf

from yolo_tf import make_train_dataset, network_report, read_config, read_dataset, read_source, train
from yolo_tf.system.atomic import write_json, write_text
from yolo_tf.terminal.tables import format_table

CONFIGS = Path(__file__).parents[1] / "configs"
NETWORKS = (
    "yolov5s_efficientnetb0",
    "yolov5s_efficientnetv2b0",
    "yolov5s_convnext_tiny",
    "yolov5s_mobilenetv2",
    "yolov5s_mobilenetv3small",
    "yolov5s_ghostnet",
    "yolov5s_repvgg_a0",
    "yolov5s_densenet121",
    "yolov5s_resnet18",
    "yolov5s_inception_v4",
    "yolov4_csp_s",
)
FIXED_IMAGES = 16
ENDS = 3  # training steps whose losses are averaged at each end


class StepRecord(keras.callbacks.Callback):
    """Measures the steps of a run, and the loss of a fixed batch before and after it.

    Args:
        batch: (images [B, H, W, 3], Targets) of the fixed batch.
    """

    def __init__(self, batch):
        super().__init__()
        self.batch = batch
        self.seconds, self.losses, self.fixed_losses = [], [], []
        self.peak_gib = 0.0

    def on_train_begin(self, logs=None):
        """Measures the fixed batch on the initial weights."""
        self.fixed_losses.append(self._fixed_loss())

    def on_epoch_begin(self, epoch, logs=None):
        """Notes that the means of the logs start anew."""
        self.total = 0.0

    def on_train_batch_begin(self, batch, logs=None):
        """Starts the step's clock."""
        self.started = time.perf_counter()

    def on_train_batch_end(self, batch, logs=None):
        """Records the step; its own loss is what it added to the sum behind the epoch's mean."""
        total = float(logs["loss"]) * (batch + 1)  # waits for the device
        self.seconds.append(time.perf_counter() - self.started)
        self.losses.append(total - self.total)
        self.total = total
        self.peak_gib = _peak_gib()

    def on_train_end(self, logs=None):
        """Measures the fixed batch on the trained weights."""
        self.fixed_losses.append(self._fixed_loss())

    def _fixed_loss(self):
        images, targets = self.batch
        network = self.model.network
        states = [variable.numpy() for variable in network.non_trainable_variables]
        predictions = network(images, training=True)
        for variable, state in zip(network.non_trainable_variables, states, strict=True):
            variable.assign(state)
        parts = self.model.head.loss(targets, predictions, self.model.layout, loss=self.model.loss_config)
        return {"loss": float(tf.add_n(list(parts.values()))), **{part: float(value) for part, value in parts.items()}}


def measure(name, settings):
    """Trains one network in this process and returns its row of the table as JSON values.

    Args:
        name: file of configs/models, without its suffix.
        settings: "section.key=value" texts.
    """
    config = read_config(CONFIGS / "models" / f"{name}.yaml", settings)
    val_set = read_dataset(read_source(config.data.dataset, path=config.data.path), "val", strict=False)
    plain = read_config(None, ["augment.level=none", "augment.device=host"]).augment
    few = dataclasses.replace(config.train, batch_size=FIXED_IMAGES)
    [batch] = make_train_dataset(val_set, data=config.data, augment=plain, train=few).take(1)
    steps = StepRecord(batch)
    with tempfile.TemporaryDirectory() as folder:
        train(config, Path(folder) / "run", callbacks=[steps])
    report = network_report(
        steps.model.network, model=config.model, num_classes=len(val_set.class_names), image_size=config.data.image_size
    )
    before, *_, after = steps.fixed_losses
    return {
        "name": name,
        "settings": settings,
        "params": report.trainable_params["total"],
        "gflops": report.flops["total"] / 1e9,
        "first_step_seconds": steps.seconds[0],
        "step_seconds": statistics.median(steps.seconds[1:]),
        "peak_gib": steps.peak_gib,
        "fixed_loss": {"before": before, "after": after},
        "step_losses": steps.losses,
        "falls": after["loss"] < before["loss"],
    }


def measure_in_new_process(name, settings, folder):
    """Returns the row of one network, from `folder` where it is there already; one that fails has the reason in it."""
    file, log = folder / f"{name}.json", folder / f"{name}.log"
    if file.exists():
        row = json.loads(file.read_text(encoding="utf-8"))
        if row["settings"] == settings and "failed" not in row:
            return row
    command = [sys.executable, __file__, name, "--measure", json.dumps(settings), "--out", str(folder)]
    with log.open("w", encoding="utf-8") as output:
        code = subprocess.run(command, stdout=output, stderr=subprocess.STDOUT).returncode
    if code:
        lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        reason = lines[-1][:200] if lines else "no output"
        write_json(file, {"name": name, "settings": settings, "failed": f"exit code {code}: {reason}", "falls": False})
    return json.loads(file.read_text(encoding="utf-8"))


def table(rows, image_size):
    """Returns the rows as a Markdown table."""
    return format_table([_cells(row, f"GFLOPs at {image_size} px") for row in rows], kind="markdown")


def _cells(row, gflops):
    columns = ("params", gflops, "first step, s", "step, s", "peak GiB", "fixed loss", f"first {ENDS} -> last {ENDS} steps")
    if "failed" in row:
        return {"config": row["name"], **dict.fromkeys(columns, "-"), "falls": f"FAILED: {row['failed']}"}
    losses, fixed = row["step_losses"], row["fixed_loss"]
    values = (
        f"{row['params']:,}",
        f"{row['gflops']:.2f}",
        f"{row['first_step_seconds']:.1f}",
        f"{row['step_seconds']:.2f}",
        f"{row['peak_gib']:.2f}",
        f"{fixed['before']['loss']:.3f} -> {fixed['after']['loss']:.3f}",
        f"{statistics.mean(losses[:ENDS]):.3f} -> {statistics.mean(losses[-ENDS:]):.3f}",
    )
    return {"config": row["name"], **dict(zip(columns, values, strict=True)), "falls": "yes" if row["falls"] else "NO"}


def settings_of(arguments):
    """Returns the changes to the config of each network, "section.key=value" texts."""
    share = 1.0
    if arguments.images:
        training = read_dataset(read_source(arguments.dataset, path=arguments.path), "train", strict=False)
        share = min(arguments.images / len(training.records), 1.0)
    return [
        f"data.dataset={arguments.dataset}",
        f"data.path={arguments.path}",
        "data.strict_labels=false",
        f"data.fraction={share}",
        f"data.image_size={arguments.image_size}",
        "augment.mosaic=0.0",
        f"train.batch_size={arguments.batch_size}",
        f"train.nominal_batch_size={arguments.batch_size}",  # an update each step
        f"train.epochs={arguments.epochs}",
        "train.recipe=auto",
        "train.optimizer=adamw",
        "train.learning_rate=0.0005",
        "train.momentum=0.9",
        "train.warmup_epochs=0.0",
        "run.tensorboard=false",
    ]


def _peak_gib():
    if tf.config.list_physical_devices("GPU"):
        return tf.config.experimental.get_memory_info("GPU:0")["peak"] / 2**30
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # Linux counts KiB


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", default=NETWORKS, metavar="NAME", help="of configs/models; default: one a family")
    parser.add_argument("--dataset", default=str(CONFIGS / "datasets" / "bccd.yaml"), help="data set YAML (default: BCCD)")
    parser.add_argument("--path", default="", help="root of the data, instead of the YAML's path")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--images", type=int, default=0, help="train on so many images only; 0 = all")
    parser.add_argument("--image-size", type=int, default=320)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--out", default="runs/bench_backbones", help="folder of the results (default: runs/bench_backbones)")
    parser.add_argument("--measure", metavar="SETTINGS", help=argparse.SUPPRESS)  # the call of a new process
    arguments = parser.parse_args()
    folder = Path(arguments.out)
    folder.mkdir(parents=True, exist_ok=True)
    if arguments.measure:
        [name] = arguments.networks
        write_json(folder / f"{name}.json", measure(name, json.loads(arguments.measure)))
        return 0
    settings = settings_of(arguments)
    rows = []
    for name in arguments.networks:
        print(f"{name} ...", file=sys.stderr, flush=True)
        rows.append(measure_in_new_process(name, settings, folder))
    text = table(rows, arguments.image_size)
    write_text(folder / "table.md", text + "\n")
    write_json(folder / "table.json", rows)
    print(text)
    return 0 if all(row["falls"] for row in rows) else 1


if __name__ == "__main__":
    raise SystemExit(main())
