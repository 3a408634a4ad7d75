"""A run goes on with the options it began with, and from every place it can stop at as if it had not stopped."""

import dataclasses
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf

from yolo_tf.config import Config, DataConfig, ModelConfig, RunConfig, TrainConfig
from yolo_tf.config.reader import write_config
from yolo_tf.engine.optimizers import build_optimizer
from yolo_tf.engine.trainer import DetectorTrainer
from yolo_tf.errors import InputError
from yolo_tf.files.run_directory import RunDirectory, read_history
from yolo_tf.heads import HEADS, load_head
from yolo_tf.models.network import network_layout
from yolo_tf.structures import Targets
from yolo_tf.system.interruption import Interrupted, stop_if_noted
from yolo_tf.training.callbacks import EvaluateAveraged, KeepCheckpoints, PlainLoss, RecordRun, write_networks
from yolo_tf.training.checkpoint import load_checkpoint
from yolo_tf.training.failures import stopped_whole
from yolo_tf.training.progress import RunProgress
from yolo_tf.training.resume import fit_from, resumed_config

STEPS, EPOCHS = 3, 2
TRAIN = TrainConfig(epochs=EPOCHS, batch_size=4, nominal_batch_size=8, warmup_epochs=0.0)


@pytest.fixture
def began(tmp_path):
    """Returns a RunDirectory whose config says 7 epochs of batches of 6, with anchors that were chosen at its start."""
    run = RunDirectory(tmp_path / "r")
    anchors = tuple(((9.0, 8.0), (7.0, float(level)), (5.0, 4.0)) for level in (1, 2, 3))
    train = TrainConfig(epochs=7, batch_size=6)
    write_config(Config(train=train, model=ModelConfig(anchors=anchors), data=DataConfig(path="/a")), run.config)
    return run, anchors


def test_what_a_run_chose_at_its_start_stays_and_places_may_change(began):
    run, anchors = began
    train = TrainConfig(epochs=7, batch_size="auto")
    keeping = RunConfig(tensorboard=False, patience=3)
    config = resumed_config(run, Config(train=train, run=keeping, data=DataConfig(path="/b", workers=3)))
    assert config.train == dataclasses.replace(train, batch_size=6)
    assert config.model.anchors == anchors and config.data.path == "/b" and config.data.workers == 3


def test_what_decides_the_course_of_a_run_may_not_change(began):
    run, _ = began
    config = Config(train=TrainConfig(epochs=8, batch_size=6), data=DataConfig(classes=("cat",), workers=3))
    message = r"/r: began with other options than .*: data.classes \[\] -> \['cat'\], train.epochs 7 -> 8. Expected the same"
    with pytest.raises(InputError, match=message + r".*model.weights=.*/r/last.keras") as caught:
        resumed_config(run, config)
    assert "workers" not in str(caught.value)
    with pytest.raises(InputError, match="train.batch_size 6 -> 5.*Another batch size is another run"):
        resumed_config(run, Config(train=TrainConfig(epochs=7, batch_size=5)))


@pytest.fixture
def make_run(tiny_network, tiny_anchors, tmp_path):
    """Returns a function that trains a tiny network from the newest checkpoint of a directory on, as `train` does."""

    def batch(number):
        images = tf.random.stateless_uniform([4, 64, 96, 3], tf.stack([number, 1]), 0, 255)
        corners = tf.random.stateless_uniform([4, 5, 2], tf.stack([number, 2]), 0, 40)
        sizes = tf.random.stateless_uniform([4, 5, 2], tf.stack([number, 3]), 5, 24)
        class_ids = tf.random.stateless_uniform([4, 5], tf.stack([number, 4]), -1, 6, tf.int32)
        return images, Targets(tf.concat([corners, corners + sizes], -1), class_ids)

    def batches(epoch, step):
        return tf.data.Dataset.range(epoch * STEPS + step, 99).map(batch)

    def make(name, *, head="anchor", every_steps=0, stop_in_evaluation=None, kill_before=None):
        """A signal comes in the evaluation of one epoch, or SIGKILL before one (epoch, step); both count from 1.

        The last epoch has the loss of those without mosaic.
        """
        run = RunDirectory(tmp_path / name)
        layout = tiny_anchors if head == "anchor" else network_layout(ModelConfig(head=head))
        network = tiny_network()
        if head != "anchor":  # its own layers behind the same features
            features = [network.get_layer(f"stage{stage}_silu").output for stage in (2, 3, 4)]
            network = keras.Model(
                network.inputs, load_head(head).build(features, layout, num_classes=6, model=ModelConfig(head=head))
            )
        trainer = DetectorTrainer(network, layout)
        optimizer = build_optimizer(TRAIN, network, steps_per_epoch=STEPS)
        trainer.compile(optimizer=optimizer, jit_compile=False)
        setup = SimpleNamespace(trainer=trainer, optimizer=optimizer, spec=None)
        state = load_checkpoint(run.checkpoints, trainer, data="d")
        rows = read_history(run.history, before_epoch=state.epoch + 1)
        progress = RunProgress(epochs=EPOCHS, steps=STEPS, state=state, rows=rows)

        def evaluate():
            if stop_in_evaluation == int(optimizer.iterations.numpy()) // STEPS:
                progress.noted.append(2)
            stop_if_noted(progress.noted)
            return dict.fromkeys(("AP", "AP50", "precision", "recall"), float(np.abs(network.weights[0].numpy()).mean()))

        def kill(batch, logs):
            if (progress.state.epoch + 1, progress.state.step + 1) == kill_before:
                raise Killed

        callbacks = [
            keras.callbacks.LambdaCallback(on_train_batch_begin=kill),
            PlainLoss(EPOCHS - 1),
            EvaluateAveraged(progress, optimizer, evaluate=evaluate, options=RunConfig()),
            RecordRun(progress, optimizer, run=run, tensorboard=False),
            KeepCheckpoints(progress, run, write_networks=lambda: write_networks(run, setup, progress), every_steps=every_steps),
        ]
        run.plots.mkdir(parents=True, exist_ok=True)
        begin, following = batches(state.epoch, state.step), lambda: batches(state.epoch + 1, 0)
        try:
            with stopped_whole(run, trainer, progress, alone=True):
                fit_from(progress, trainer, begin, following, epochs=EPOCHS, callbacks=callbacks)
        except (Interrupted, Killed):
            pass
        return run

    return make


class Killed(BaseException):
    """The process is gone: nothing may tidy up."""


@pytest.mark.slow
@pytest.mark.parametrize("head", HEADS)
def test_a_run_goes_on_from_every_kind_of_place(make_run, head):
    """Stopped while it was evaluated, killed after a checkpoint within an epoch, and never stopped: one and the same run."""
    whole, parts = make_run("whole", head=head), make_run("parts", head=head, stop_in_evaluation=1)
    names = []
    for options in (dict(every_steps=2, kill_before=(2, 3)), dict()):
        names.append(sorted(path.name for path in parts.checkpoints.iterdir()))
        make_run("parts", head=head, **options)
    assert names == [["epoch_0000_step_000003"], ["epoch_0001", "epoch_0001_step_000002"]]
    left, right = (np.load(run.checkpoints / "epoch_0002" / "variables.npz") for run in (whole, parts))
    assert len(left.files) > 20
    for name in left.files:
        np.testing.assert_array_equal(left[name], right[name], err_msg=name)
    for file in ("last.keras", "best.keras"):
        left, right = (keras.models.load_model(run.root / file, compile=False).weights for run in (whole, parts))
        for one, other in zip(left, right, strict=True):
            np.testing.assert_array_equal(one.numpy(), other.numpy(), err_msg=f"{file} {one.path}")
    rows = [read_history(run.history, before_epoch=9) for run in (whole, parts)]
    columns = [[list(row) for row in some] for some in rows]
    assert columns[0] == columns[1] and {"loss", "box", "class", "AP"} < set(columns[0][0])
    left, right = ([{**row, "seconds": 0} for row in some] for some in rows)
    assert left == right and [row["epoch"] for row in left] == [1, 2]
    assert left[0]["loss"] != left[1]["loss"] and left[0]["AP"] != left[1]["AP"]


@pytest.mark.slow
def test_a_bar_moves_where_a_person_watches(make_run, monkeypatch, capsys):
    plain = make_run("plain")
    out = capsys.readouterr().out
    assert "\x1b" not in out and "Epoch 1/2" not in out
    monkeypatch.setattr("yolo_tf.training.resume.is_terminal", lambda: True)
    watched = make_run("watched")
    out = capsys.readouterr().out
    assert "Epoch 1/2" in out and "Epoch 2/2" in out and f"{STEPS}/{STEPS}" in out and "- AP:" in out
    left, right = (np.load(run.checkpoints / "epoch_0002" / "variables.npz") for run in (plain, watched))
    for name in left.files:
        np.testing.assert_array_equal(left[name], right[name], err_msg="what is learned does not depend on who watches")
