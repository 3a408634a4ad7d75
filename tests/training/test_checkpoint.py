"""Checkpoints: whole or absent, restored bit by bit, refused in one line."""

import contextlib
import json
import resource
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf

from yolo_tf.config import TrainConfig
from yolo_tf.engine.optimizers import build_optimizer
from yolo_tf.engine.trainer import DetectorTrainer
from yolo_tf.errors import InputError
from yolo_tf.training.checkpoint import RunState, load_checkpoint, save_checkpoint

BEST = {"fitness": 0.5, "epoch": 1}


@pytest.fixture
def make_trainer(tiny_network, tiny_anchors):
    """Returns a function that builds a compiled DetectorTrainer with a dropout layer, whose random state counts too."""

    def make(seed=0, num_classes=6):
        network = tiny_network(num_classes=num_classes, seed=seed)
        dropped = keras.layers.Dropout(0.3, name="dropout")(network.outputs[0])
        network = keras.Model(network.inputs, [dropped, *network.outputs[1:]], name="tiny")
        trainer = DetectorTrainer(network, tiny_anchors)
        trainer.compile(optimizer=build_optimizer(TrainConfig(batch_size=4), network, steps_per_epoch=3), jit_compile=False)
        return trainer

    return make


@pytest.fixture
def batch(random_targets):
    images = tf.random.stateless_uniform([4, 64, 96, 3], (1, 2), 0, 255)
    return images, random_targets([9, 0, 5, 2], image_size=(64, 96), num_classes=6)


def fit(trainer, batch, steps):
    trainer.fit(tf.data.Dataset.from_tensors(batch).repeat(steps), shuffle=False, verbose=0)


def state_of(trainer):
    variables = [*trainer.variables, *trainer.optimizer.variables, *trainer.metrics_variables]
    return [variable.numpy() for variable in variables]


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.slow
def test_a_checkpoint_restores_everything_bit_by_bit(make_trainer, batch, tmp_path):
    trainer, other = make_trainer(), make_trainer(seed=1)
    fit(trainer, batch, 6)
    written = RunState(epoch=2, step=4, seconds=1.5, best=BEST, data="d")
    save_checkpoint(tmp_path, trainer, written)
    assert load_checkpoint(tmp_path, other, data="d") == written
    assert int(other.optimizer.iterations.numpy()) == 6
    for left, right in zip(state_of(trainer), state_of(other), strict=True):
        np.testing.assert_array_equal(left, right)
    fit(trainer, batch, 2)
    fit(other, batch, 2)  # the dropout masks are the same too
    for left, right in zip(state_of(trainer), state_of(other), strict=True):
        np.testing.assert_array_equal(left, right)


def test_the_newest_two_are_kept_and_the_newest_is_loaded(make_trainer, tmp_path):
    trainer = make_trainer()
    for epoch, step in ((9, 999_999), (10, 0), (10, 2), (10, 10)):
        save_checkpoint(tmp_path, trainer, RunState(epoch=epoch, step=step))
    assert names(tmp_path) == ["epoch_0010_step_000002", "epoch_0010_step_000010"]
    loaded = load_checkpoint(tmp_path, trainer, data="")
    assert (loaded.epoch, loaded.step) == (10, 10)


def test_copies_beside_the_checkpoints_are_none(make_trainer, tmp_path):
    trainer = make_trainer()
    save_checkpoint(tmp_path, trainer, RunState(epoch=9999, step=0, best=BEST, data=""))
    for name in ("epoch_9999_old", "epoch_a", "epoch_9999 (copy)"):
        shutil.copytree(tmp_path / "epoch_9999", tmp_path / name)
    save_checkpoint(tmp_path, trainer, RunState(epoch=10000, step=0, best=BEST, data=""))
    assert load_checkpoint(tmp_path, trainer, data="").epoch == 10000
    assert len(list(tmp_path.iterdir())) == 5


def test_a_run_without_a_checkpoint_is_at_its_beginning(tmp_path):
    state = load_checkpoint(tmp_path / "none", None, data="d")
    assert (state.epoch, state.step, state.seconds, state.data) == (0, 0, 0.0, "d")
    assert state.best == {"fitness": -1.0, "epoch": 0}


@contextlib.contextmanager
def largest_file(size):
    """Lets no file of this process grow beyond `size` bytes: a disk that is full in the middle of a write."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_leaves_the_last_checkpoint(make_trainer, tmp_path):
    trainer, other = make_trainer(), make_trainer(seed=1)
    save_checkpoint(tmp_path, trainer, RunState(epoch=1))
    with largest_file(20_000), pytest.raises(OSError, match="too large"):
        save_checkpoint(tmp_path, trainer, RunState(epoch=2))
    assert names(tmp_path) == ["epoch_0001"]
    assert load_checkpoint(tmp_path, other, data="").epoch == 1
    for left, right in zip(trainer.network.weights, other.network.weights, strict=True):
        np.testing.assert_array_equal(left.numpy(), right.numpy())


def test_weights_that_are_no_numbers_are_not_kept(make_trainer, tmp_path):
    trainer = make_trainer()
    save_checkpoint(tmp_path, trainer, RunState(epoch=1))
    kernel = trainer.network.get_layer("stage2_conv").kernel
    kernel.assign(tf.fill(kernel.shape, np.inf))
    message = r"epoch 2: stage2_conv/kernel is not finite any more.*Start a new run with a lower train.learning_rate"
    with pytest.raises(InputError, match=message):
        save_checkpoint(tmp_path, trainer, RunState(epoch=1, step=3))
    assert names(tmp_path) == ["epoch_0001"]


@pytest.mark.parametrize("file", ["variables.npz", "state.json"])
@pytest.mark.parametrize("damage", ["missing", "truncated", "changed"])
def test_a_damaged_checkpoint_is_named_with_the_way_on(make_trainer, tmp_path, file, damage):
    trainer = make_trainer()
    for epoch in (1, 2):
        save_checkpoint(tmp_path, trainer, RunState(epoch=epoch))
    path = tmp_path / "epoch_0002" / file
    content = path.read_bytes()
    middle = len(content) // 2
    changed = content[:middle] + bytes(255 - value for value in content[middle : middle + 99]) + content[middle + 99 :]
    path.unlink() if damage == "missing" else path.write_bytes({"truncated": content[:middle], "changed": changed}[damage])
    with pytest.raises(InputError, match=r"epoch_0002: is damaged \(.*\). Expected.*Delete.*go on from epoch_0001\.") as caught:
        load_checkpoint(tmp_path, trainer, data="")
    assert "\n" not in str(caught.value)
    shutil.rmtree(tmp_path / "epoch_0002")
    assert load_checkpoint(tmp_path, trainer, data="").epoch == 1


def test_a_damaged_only_checkpoint_means_starting_over(make_trainer, tmp_path):
    trainer = make_trainer()
    save_checkpoint(tmp_path, trainer, RunState(epoch=1))
    (tmp_path / "epoch_0001" / "state.json").write_text("[]")
    with pytest.raises(InputError, match="Delete this directory to start over: it is the only checkpoint"):
        load_checkpoint(tmp_path, trainer, data="")


def test_a_checkpoint_of_a_newer_version_is_refused(make_trainer, tmp_path):
    trainer = make_trainer()
    save_checkpoint(tmp_path, trainer, RunState(epoch=1))
    path = tmp_path / "epoch_0001" / "state.json"
    document = json.loads(path.read_text()) | {"format": 2, "yolo_tf": "9.8.7", "something": "new"}
    path.write_text(json.dumps(document))
    message = r"written by yolo_tf 9.8.7 in checkpoint format 2. Expected format 1, .*Go on with that version"
    with pytest.raises(InputError, match=message):
        load_checkpoint(tmp_path, trainer, data="")


def test_a_checkpoint_of_other_data_is_refused(make_trainer, tmp_path):
    trainer = make_trainer()
    save_checkpoint(tmp_path, trainer, RunState(epoch=1, data="one"))
    with pytest.raises(InputError, match="other images or labels .* Restore it, or start a new run"):
        load_checkpoint(tmp_path, trainer, data="two")


def test_a_checkpoint_of_another_network_is_refused_and_changes_nothing(make_trainer, tmp_path):
    save_checkpoint(tmp_path, make_trainer(), RunState(epoch=1))
    other = make_trainer(num_classes=4)
    before = state_of(other)
    with pytest.raises(InputError, match=r"epoch_0001: does not fit this network \(network_\d+ is \(.*\) there and \(.*\) here"):
        load_checkpoint(tmp_path, other, data="")
    for left, right in zip(before, state_of(other), strict=True):
        np.testing.assert_array_equal(left, right)
