"""`compress.keep_zeros`: what was pruned stays pruned through steps, averages, files and a resumed run."""

import os
import signal

import keras
import numpy as np
import pytest
import tensorflow as tf

from yolo_tf import cli
from yolo_tf.config import ModelConfig, TrainConfig
from yolo_tf.engine.optimizers import build_optimizer
from yolo_tf.engine.trainer import DetectorTrainer
from yolo_tf.heads.anchor.anchors import COCO_ANCHORS
from yolo_tf.models.network import build_network
from yolo_tf.models.parts import kernels_of
from yolo_tf.models.reports.sparsity import sparsity
from yolo_tf.surgery.pruning.magnitude import zero_smallest_weights
from yolo_tf.training.callbacks import KeepCheckpoints, swapped_averages
from yolo_tf.training.checkpoint import RunState, load_checkpoint, save_checkpoint

CONFIG = """# a test
data: {dataset: shapes.yaml, image_size: 64, max_boxes: 20}
model: {name: small, width: 0.05, depth: 0.33}
train: {epochs: 2, batch_size: 4, nominal_batch_size: 8, warmup_epochs: 0.0, seed: 3}
run: {tensorboard: false}
augment: {close_mosaic: 0}
"""
SHAPES = "format: shapes\npath: shapes\ntrain: 10\nval: 5\ntest: 2\nimage_size: 96\nmax_objects: 3\n"


@pytest.fixture
def project(tmp_path):
    """A directory with a config, a data set, and a network whose smallest kernel weights, 60 %, are zero."""
    (tmp_path / "config.yaml").write_text(CONFIG)
    (tmp_path / "shapes.yaml").write_text(SHAPES)
    network = build_network(ModelConfig(width=0.05), num_classes=5, anchors=COCO_ANCHORS)
    zero_smallest_weights(kernels_of(network), 0.6)
    network.save(tmp_path / "sparse.keras")
    return tmp_path


def zeros(path):
    """Returns (share of zeros, the places of zeros in every kernel) of a network file."""
    network = keras.models.load_model(path, compile=False)
    return sparsity(network)["total"], places_of(network)


def train_sparse(project, name, *more):
    argv = ["train", "--config", str(project / "config.yaml"), "--run", str(project / name)]
    return cli.main([*argv, f"model.weights={project / 'sparse.keras'}", "train.learning_rate=0.05", *more])


def places_of(network):
    return [kernel.numpy() == 0 for kernel in kernels_of(network)]


@pytest.mark.long
@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_zeros_stay_through_epochs_a_checkpoint_and_more_epochs(tmp_path, tiny_network, tiny_anchors, random_targets, optimizer):
    """One epoch, a checkpoint, another process's network of other weights and zeros, a second epoch: weights and averages."""
    train = TrainConfig(batch_size=4, nominal_batch_size=8, warmup_epochs=0.0, optimizer=optimizer)
    images = tf.random.stateless_uniform([4, 64, 96, 3], [1, 2], 0, 255)
    targets = random_targets([2, 3, 1, 4], image_size=(64, 96), num_classes=6)
    batches = tf.data.Dataset.from_tensors((images, targets)).repeat()

    def trainer_of(amount, seed):
        network = tiny_network(seed=seed)
        zero_smallest_weights(kernels_of(network), amount)
        trainer = DetectorTrainer(network, tiny_anchors)
        trainer.compile(optimizer=build_optimizer(train, network, steps_per_epoch=4, keep_zeros=True))
        return trainer

    first, second = trainer_of(0.6, 0), trainer_of(0.3, 1)
    before = [kernel.numpy() for kernel in kernels_of(first.network)]
    first.fit(batches, epochs=1, steps_per_epoch=4, shuffle=False, verbose=0)
    save_checkpoint(tmp_path, first, RunState(epoch=1, data="d"))
    load_checkpoint(tmp_path, second, data="d")
    second.fit(batches, initial_epoch=1, epochs=2, steps_per_epoch=4, shuffle=False, verbose=0)
    assert sparsity(second.network)["total"] == pytest.approx(0.6, abs=1e-3)
    for trainer in (first, second):
        with swapped_averages(trainer.optimizer):
            averages = [kernel.numpy() for kernel in kernels_of(trainer.network)]
        for start, kernel, average in zip(before, kernels_of(trainer.network), averages, strict=True):
            np.testing.assert_array_equal(kernel.numpy() == 0, start == 0)
            np.testing.assert_array_equal(average == 0, start == 0)
            assert np.abs(kernel.numpy() - start).max() > 0


@pytest.mark.long
def test_sparsity_after_two_epochs_and_after_a_resumed_run(project, monkeypatch, capsys):
    share, places = zeros(project / "sparse.keras")
    assert share == pytest.approx(0.6, abs=1e-4)

    def stop(self, batch, logs=None):
        if (self.progress.state.epoch, batch) == (1, 1):
            os.kill(os.getpid(), signal.SIGTERM)

    assert train_sparse(project, "whole", "compress.keep_zeros=true") == 0
    assert "keep_zeros: 60.00% of the kernel weights are zero and stay so" in capsys.readouterr().out
    with monkeypatch.context() as patch:
        patch.setattr(KeepCheckpoints, "on_train_batch_begin", stop)
        assert train_sparse(project, "parts", "compress.keep_zeros=true") == 143
    assert cli.main(["train", "--resume", "--run", str(project / "parts")]) == 0
    before = keras.models.load_model(project / "sparse.keras", compile=False)
    for run in ("whole", "parts"):
        for file in ("last.keras", "best.keras"):
            now, same = zeros(project / run / file)
            assert now == share, (run, file)
            for one, other in zip(places, same, strict=True):
                np.testing.assert_array_equal(one, other)
        after = keras.models.load_model(project / run / "last.keras", compile=False)
        for one, other in zip(kernels_of(before), kernels_of(after), strict=True):
            assert np.abs(one.numpy() - other.numpy()).max() > 0  # all kernels learned where they may


@pytest.mark.long
def test_without_it_the_zeros_are_gone(project):
    assert train_sparse(project, "free", "train.epochs=1") == 0
    assert zeros(project / "free" / "last.keras")[0] < 0.1


@pytest.mark.slow
def test_nothing_to_keep_is_one_line(project, capsys):
    argv = ["train", "--config", str(project / "config.yaml"), "--run", str(project / "new"), "compress.keep_zeros=true"]
    assert cli.main(argv) == 2
    err = capsys.readouterr().err
    assert "config.compress.keep_zeros: true, but no kernel weight of the network is zero" in err and err.count("\n") == 1
    assert not (project / "new").exists()
