"""A run directory: checkpoints, history, names."""

import json

import numpy as np
import pytest
import tensorflow as tf

from yolo_tf.config import TrainConfig
from yolo_tf.errors import InputError
from yolo_tf.optimizers import build_optimizer
from yolo_tf.run_directory import (
    RunDirectory,
    load_checkpoint,
    new_run_directory,
    next_free_directory,
    read_history,
    save_checkpoint,
    write_environment,
    write_history,
)
from yolo_tf.trainer import DetectorTrainer


def make_trainer(tiny_network, anchors, seed=0, num_classes=6):
    network = tiny_network(num_classes=num_classes, seed=seed)
    trainer = DetectorTrainer(network, anchors)
    trainer.compile(optimizer=build_optimizer(TrainConfig(batch_size=4), network, steps_per_epoch=3), jit_compile=False)
    return trainer


def test_a_checkpoint_restores_weights_and_optimizer(tiny_network, tiny_anchors, random_targets, tmp_path):
    trainer, other = make_trainer(tiny_network, tiny_anchors), make_trainer(tiny_network, tiny_anchors, seed=1)
    targets = random_targets([9, 0, 5, 2], image_size=(64, 96), num_classes=6)
    images = tf.random.stateless_uniform([4, 64, 96, 3], (1, 2), 0, 255)
    trainer.fit(tf.data.Dataset.from_tensors((images, targets)).repeat(6), shuffle=False, verbose=0)
    run = RunDirectory(tmp_path)
    save_checkpoint(run, trainer, {"epoch": 1, "best": {"fitness": 0.5, "epoch": 1}})
    save_checkpoint(run, trainer, {"epoch": 2, "best": {"fitness": 0.5, "epoch": 1}})
    assert [path.name for path in run.checkpoints.iterdir()] == ["epoch_0002"], "older ones go"
    assert load_checkpoint(run, other) == {"epoch": 2, "best": {"fitness": 0.5, "epoch": 1}}
    for left, right in zip(trainer.network.weights, other.network.weights, strict=True):
        np.testing.assert_array_equal(left.numpy(), right.numpy())
    mine, theirs = trainer.optimizer, other.optimizer
    assert int(theirs.iterations.numpy()) == 6 and len(mine.variables) == len(theirs.variables)
    for left, right in zip(mine.variables, theirs.variables, strict=True):
        np.testing.assert_array_equal(left.numpy(), right.numpy())


def test_a_checkpoint_of_another_class_count_is_refused(tiny_network, tiny_anchors, tmp_path):
    run = RunDirectory(tmp_path)
    save_checkpoint(run, make_trainer(tiny_network, tiny_anchors), {"epoch": 1, "best": None})
    with pytest.raises(InputError, match="epoch_0001: does not fit this network"):
        load_checkpoint(run, make_trainer(tiny_network, tiny_anchors, num_classes=4))


def test_a_full_disk_leaves_the_last_checkpoint(tiny_network, tiny_anchors, tmp_path, monkeypatch):
    run, trainer = RunDirectory(tmp_path), make_trainer(tiny_network, tiny_anchors)
    save_checkpoint(run, trainer, {"epoch": 1, "best": None})

    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(trainer, "save_weights", full)
    with pytest.raises(OSError, match="No space left"):
        save_checkpoint(run, trainer, {"epoch": 2, "best": None})
    assert [path.name for path in run.checkpoints.iterdir()] == ["epoch_0001"]
    assert load_checkpoint(run, make_trainer(tiny_network, tiny_anchors, seed=1))["epoch"] == 1


def test_a_run_without_a_finished_epoch_starts_at_the_first(tmp_path):
    assert load_checkpoint(RunDirectory(tmp_path), None) == {"epoch": 0, "best": None}


def test_a_run_is_never_overwritten(tmp_path):
    run = new_run_directory(tmp_path / "a")
    assert not run.root.exists()
    run.root.mkdir()
    run.config.write_text("x")
    with pytest.raises(InputError, match="holds a run already. Expected a new directory. Go on with --resume"):
        new_run_directory(tmp_path / "a")
    assert next_free_directory(tmp_path, "a").name == "a-2"
    assert next_free_directory(tmp_path, "b").name == "b"


def test_history_round_trip_and_cut(tmp_path):
    rows = [{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": 0.25, "AP": 0.125}, {"epoch": 3, "loss": 0.2}]
    write_history(tmp_path / "h.csv", rows)
    assert (tmp_path / "h.csv").read_text().splitlines()[:3] == ["epoch,loss,AP", "1,0.5,", "2,0.25,0.125"]
    assert read_history(tmp_path / "h.csv", before_epoch=3) == rows[:2]
    assert read_history(tmp_path / "none.csv", before_epoch=3) == []


def test_the_environment_names_what_figures_depend_on(tmp_path):
    write_environment(tmp_path / "e.json")
    written = json.loads((tmp_path / "e.json").read_text())
    assert written["packages"]["tensorflow"] == tf.__version__ and written["cores"] >= 1 and written["processor"]
