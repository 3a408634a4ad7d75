"""Twenty steps of training on one device, on many, or as one worker of many; run by test_distributed.py.

python tests/support/distributed_training.py RESULT.npz --devices 2 [--xla] [--half] [--teacher] [--head cell]
(with TF_CONFIG: one worker)
"""

import argparse
from unittest import mock

import cell_head
import keras
import numpy as np
import tensorflow as tf

from yolo_tf.config import LossConfig, ModelConfig, TrainConfig
from yolo_tf.engine.devices import choose_strategy, distribute_batches
from yolo_tf.engine.optimizers import build_optimizer
from yolo_tf.engine.trainer import DetectorTrainer
from yolo_tf.heads import HEADS, load_head
from yolo_tf.heads.anchor.anchors import anchor_set
from yolo_tf.heads.decoupled.layout import cell_grid
from yolo_tf.structures import Targets

STEPS, BATCH, HEIGHT, WIDTH, BOXES, CLASSES = 20, 6, 64, 96, 7, 5
ANCHORS = anchor_set((8, 16), [[(10, 14), (20, 12)], [(24, 18), (16, 30)]])
LOSS_OPTIONS = {"anchor": LossConfig(level_balance=(4.0, 1.0))}  # of two levels; other heads have their defaults
# head -> layout; the matches of the last two depend on what is predicted
LAYOUTS = {"anchor": ANCHORS, "cell": cell_head.Cells((8, 16)), "decoupled": cell_grid((8, 16))}


def build_network(layout, seed=0):
    """Two levels, three batch norms."""
    keras.utils.set_random_seed(seed)
    images = keras.Input((HEIGHT, WIDTH, 3))
    x = keras.layers.Rescaling(1 / 255)(images)
    features, outputs = [], []
    for filters, stride in ((8, 4), (12, 2), (16, 2)):
        x = keras.layers.Conv2D(filters, 5, stride, padding="same", use_bias=False)(x)
        x = keras.layers.Activation("silu")(keras.layers.BatchNormalization(momentum=0.9)(x))
        if filters > 8 and layout is not ANCHORS:
            features.append(x)
        elif filters > 8:
            raw = keras.layers.Conv2D(layout.per_cell * (5 + CLASSES), 1)(x)
            raw = keras.layers.Reshape((*raw.shape[1:3], layout.per_cell, 5 + CLASSES))(raw)
            outputs.append(keras.layers.Activation("linear", dtype="float32")(raw))
    if layout is not ANCHORS:
        outputs = load_head(layout.head).build(features, layout, num_classes=CLASSES, model=ModelConfig(head=layout.head))
    return keras.Model(images, outputs, name="tiny")


def make_batches():
    """Every image has another number of boxes, so that no two replicas have as many matches."""
    rng = np.random.default_rng(0)
    count = STEPS * BATCH
    low = rng.uniform(0, 40, (count, BOXES, 2))
    boxes = np.concatenate([low, low + rng.uniform(6, 24, low.shape)], -1).astype(np.float32)
    class_ids = rng.integers(0, CLASSES, (count, BOXES)).astype(np.int32)
    class_ids[np.arange(BOXES) >= (np.arange(count) % (BOXES + 1))[:, None]] = -1
    images = rng.uniform(0, 255, (count, HEIGHT, WIDTH, 3)).astype(np.float32)
    return tf.data.Dataset.from_tensor_slices((images, Targets(boxes, class_ids))).batch(BATCH, drop_remainder=True)


class Record(keras.callbacks.Callback):
    """Keeps the loss and its parts of every step."""

    def on_train_begin(self, logs=None):
        self.losses = []

    def on_train_batch_begin(self, batch, logs=None):
        self.model.reset_metrics()

    def on_train_batch_end(self, batch, logs=None):
        self.losses.append([float(logs[name]) for name in ("loss", "box", "objectness", "class")])


@mock.patch.dict(HEADS, cell="cell_head")  # for this run alone: other tests read the table
def train_steps(strategy, *, xla=False, sync=True, half=False, optimizer="sgd", teacher=False, layout=ANCHORS):
    """Returns (losses [STEPS, 4], weights, how far the states of the replicas differ at most)."""
    train = TrainConfig(
        batch_size=BATCH, nominal_batch_size=2 * BATCH, warmup_epochs=1.0, learning_rate=0.01, clip_norm=1.0, optimizer=optimizer
    )
    with strategy.scope():
        keras.config.set_dtype_policy("mixed_float16" if half else "float32")
        network = build_network(layout)
        keras.config.set_dtype_policy("float32")
        trainer = DetectorTrainer(
            network,
            layout,
            loss=LOSS_OPTIONS.get(layout.head),
            fused_batch_norm=not xla,
            sync_batch_norm=sync,
        )
        if teacher:
            taught = build_network(layout, seed=1)
            taught.trainable = False
            trainer.distill_from(taught, weight=3.0)
        own = build_optimizer(train, network, steps_per_epoch=STEPS)
        own.warmup_steps = 5  # the option has 100 at least
        trainer.compile(optimizer=own, jit_compile=xla)
    record = Record()
    batches = distribute_batches(make_batches(), BATCH, strategy)
    trainer.fit(batches, steps_per_epoch=STEPS, shuffle=False, verbose=0, callbacks=[record])
    spread = 0.0
    for variable in [*network.weights, *own.variables]:
        copies = [copy.numpy() for copy in strategy.experimental_local_results(variable.value)]
        spread = max(spread, *(float(np.abs(copy - copies[0]).max(initial=0)) for copy in copies))
    return np.array(record.losses), [weight.numpy() for weight in [*network.weights, *own.averages]], spread


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("result")
    parser.add_argument("--devices", type=int, default=1)
    for name in ("xla", "half", "unsynchronized", "teacher"):
        parser.add_argument(f"--{name}", action="store_true")
    parser.add_argument("--optimizer", default="sgd")
    parser.add_argument("--head", default="anchor", choices=LAYOUTS)
    arguments = parser.parse_args()
    if arguments.devices > 1:
        cpu = tf.config.list_physical_devices("CPU")[0]
        tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * arguments.devices)
    strategy = choose_strategy("all", worker_timeout=60.0)
    losses, weights, spread = train_steps(
        strategy,
        xla=arguments.xla,
        sync=not arguments.unsynchronized,
        half=arguments.half,
        optimizer=arguments.optimizer,
        teacher=arguments.teacher,
        layout=LAYOUTS[arguments.head],
    )
    np.savez(arguments.result, losses, spread, strategy.num_replicas_in_sync, *weights)


if __name__ == "__main__":
    main()
