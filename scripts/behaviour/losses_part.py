"""Tiny training runs: the loss of every step, the history, and the weights that are left.

As a program: `losses_part fit|train|command DEVICES RESULT_FOLDER section.key=value …`; DEVICES is the number of logical CPUs.
"""

import csv
import sys
from pathlib import Path

from behaviour.inputs import TINY, make_detector, write_shapes

STEPS, BATCH = 20, 4
PLAIN = {
    **TINY,
    "data.dataset": "steps.yaml",
    "data.image_size": 64,
    "data.max_boxes": 20,
    "train.epochs": 2,
    "train.batch_size": BATCH,
    "train.nominal_batch_size": BATCH,
    "train.warmup_epochs": 0.0,
    "train.learning_rate": 0.002,
    "train.tensorboard": "false",
}
# name -> (logical CPUs, options beside those above, None = that one left out)
RUNS = {
    "plain": (1, {}),
    "accumulated": (1, {"train.nominal_batch_size": 4 * BATCH}),
    "two_devices": (2, {"train.devices": "all", "train.sync_batch_norm": "true"}),
    "warm_adamw": (1, {"train.optimizer": "adamw", "train.warmup_epochs": 1.0, "train.schedule": "cosine"}),
    "augmented": (1, {"augment.mixup": 0.5, "augment.degrees": 10.0, "augment.multi_scale": "[64, 96]", "train.seed": 5}),
    "transferred": (
        1,
        {
            "model.weights": "detector.keras",
            "train.freeze": "[backbone]",
            "train.freeze_epochs": 1,
            "train.backbone_learning_rate_multiplier": 0.5,
            "train.layer_decay": 0.9,
        },
    ),
    "taught": (1, {"train.teacher": "detector.keras", "train.distillation": 2.0, "model.autoanchor": "false"}),
    "quantized": (1, {"model.network": "detector.keras", "model.width": None, "train.quantize_aware": "true"}),
    "half_xla": (1, {"train.precision": "mixed_bfloat16", "train.xla": "true"}),
}
BY_STEP = ("plain", "accumulated", "two_devices")  # through `train`, which the command calls, for it takes callbacks


def record(checkout):
    """Returns {run: its losses and weights}, with what the data is."""
    data = write_shapes(checkout, "steps", train=STEPS * BATCH, val=8)
    checkout.succeed("pack", data, "--out", "packed", "--split", "train")  # paints the pictures
    from behaviour.hashes import hash_bytes, hash_folder

    detector = make_detector(checkout, "steps/images/val")
    pictures = hash_folder(checkout.folder / "steps")
    found = {"data": {"files": len(pictures), "hash": hash_bytes(repr(pictures).encode()), "detector": detector}}
    found["fit"] = checkout.work("losses_part", "fit", 1, "fit", *checkout.overrides(PLAIN))
    for name, (devices, options) in RUNS.items():
        options = {key: value for key, value in {**PLAIN, **options}.items() if value is not None}
        how = "train" if name in BY_STEP else "command"
        found[name] = checkout.work("losses_part", how, devices, name, *checkout.overrides(options))
        print(f"  losses: {len(found) - 1} of {len(RUNS) + 1} runs", flush=True)
    return found


def make_recorder():
    """Returns a Keras callback that keeps what is logged at each step, in hexadecimal, which has all bits."""
    import keras

    class Recorder(keras.callbacks.Callback):
        """Keeps the running means of every step; `fit` begins them anew with each epoch."""

        def __init__(self):
            super().__init__()
            self.steps = []

        def on_train_batch_end(self, batch, logs=None):
            """Keeps this step's."""
            self.steps.append({name: float(value).hex() for name, value in sorted(logs.items())})

    return Recorder()


def fit_by_hand(overrides):
    """Trains with nothing but the public names and Keras' own `fit`, as README.md shows."""
    import keras

    from behaviour.hashes import hash_array, hash_weights
    from yolo_tf import COCO_ANCHORS, DetectorTrainer, build_network, make_train_dataset, read_config, read_dataset, read_source

    config = read_config(None, overrides)
    dataset = read_dataset(read_source(config.data.dataset), "train")
    batches = make_train_dataset(dataset, data=config.data, augment=config.augment, train=config.train)
    images, targets = next(iter(batches))
    keras.utils.set_random_seed(0)
    network = build_network(config.model, num_classes=len(dataset.class_names), anchors=COCO_ANCHORS)
    trainer = DetectorTrainer(network, COCO_ANCHORS)
    trainer.compile(optimizer=keras.optimizers.AdamW(1e-3, global_clipnorm=10.0), jit_compile=False)
    recorder = make_recorder()
    trainer.fit(batches, epochs=1, steps_per_epoch=STEPS, shuffle=False, verbose=0, callbacks=[recorder])
    first = {"images": hash_array(images.numpy()), "boxes": hash_array(targets.boxes.numpy())}
    return {"first_batch": first, "steps": recorder.steps, "weights": hash_weights(network)}


def train_by_step(run, overrides):
    """Trains as the command does, and keeps the losses of every step."""
    from yolo_tf import read_config, train

    recorder = make_recorder()
    train(read_config(None, overrides), Path(run), callbacks=[recorder])
    return {"steps": recorder.steps, **describe_run(run)}


def train_by_command(run, overrides):
    """Trains with `yolo-tf train`."""
    from yolo_tf import cli

    code = cli.main(["train", "--run", run, *overrides])
    if code:
        raise RuntimeError(f"{run}: train ended with code {code}")
    return describe_run(run)


def describe_run(run):
    """Returns the history without its seconds, all digits, and the hashes of both networks."""
    with open(Path(run) / "history.csv", newline="", encoding="utf-8") as file:
        history = [{key: value for key, value in row.items() if key != "seconds"} for row in csv.DictReader(file)]
    return {"history": history, **{name: hash_network_file(f"{run}/{name}.keras") for name in ("last", "best")}}


def hash_network_file(path):
    """Returns the hash of the weights of a file, as Keras alone reads it."""
    import keras

    from behaviour.hashes import hash_weights

    return hash_weights(keras.models.load_model(path, compile=False))


def main(how, devices, run, *overrides):
    """Gives this process its devices and trains."""
    import tensorflow as tf

    if int(devices) > 1:
        cpu = tf.config.list_physical_devices("CPU")[0]
        tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * int(devices))
    if how == "fit":
        return fit_by_hand(overrides)
    return (train_by_step if how == "train" else train_by_command)(run, overrides)


if __name__ == "__main__":
    from behaviour.checkout import print_result

    print_result(main(*sys.argv[1:]))
