"""Two devices, and two workers, learn what one device learns from the same batches."""

import json
import os
import socket
import subprocess
import sys

import distributed_training
import numpy as np
import pytest
import tensorflow as tf
from places import ROOT

from yolo_tf.files.run_directory import read_history

SCRIPT = ROOT / "tests" / "support" / "distributed_training.py"


@pytest.fixture(scope="module")
def alone():
    """What one device learns: (losses, weights)."""
    losses, weights, _ = distributed_training.train_steps(tf.distribute.get_strategy())
    assert losses[-1, 0] < losses[0, 0]
    return losses, weights


def start(result, *options, tf_config=""):
    environment = {**os.environ, "TF_CONFIG": tf_config, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(SCRIPT), str(result), *options]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process):
    _, error = process.communicate(timeout=900)
    assert process.returncode == 0, error[-3000:]


def read(result):
    with np.load(result) as file:
        losses, spread, replicas, *weights = file.values()
    return losses, float(spread), int(replicas), weights


def check_equal(result, alone, *, replicas=2):
    losses, spread, found, weights = read(result)
    assert found == replicas
    assert spread == 0.0, "the replicas hold different states"
    np.testing.assert_allclose(losses, alone[0], rtol=1e-4)
    for ours, theirs in zip(weights, alone[1], strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-4)


def train_two_workers(folder, *options):
    doors = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    cluster = {"worker": [f"127.0.0.1:{door.getsockname()[1]}" for door in doors]}
    for door in doors:
        door.close()
    configs = [json.dumps({"cluster": cluster, "task": {"type": "worker", "index": index}}) for index in range(2)]
    results = [folder / f"{index}.npz" for index in range(2)]
    processes = [start(result, *options, tf_config=text) for result, text in zip(results, configs, strict=True)]
    try:
        for process in processes:
            finish(process)
    finally:
        for process in processes:
            process.kill()
    return results


@pytest.mark.slow
def test_two_devices_equal_one(alone, tmp_path):
    finish(start(tmp_path / "two.npz", "--devices", "2"))
    check_equal(tmp_path / "two.npz", alone)


@pytest.mark.slow
def test_two_workers_equal_one(alone, tmp_path):
    for result in train_two_workers(tmp_path):
        check_equal(result, alone)


@pytest.mark.long
def test_three_devices_equal_one_with_adamw(tmp_path):
    losses, weights, _ = distributed_training.train_steps(tf.distribute.get_strategy(), optimizer="adamw")
    finish(start(tmp_path / "three.npz", "--devices", "3", "--optimizer", "adamw"))
    check_equal(tmp_path / "three.npz", (losses, weights), replicas=3)


@pytest.mark.long
def test_two_devices_with_a_teacher_equal_one(alone, tmp_path):
    losses, weights, _ = distributed_training.train_steps(tf.distribute.get_strategy(), teacher=True)
    assert (losses[:, 0] > 1.1 * alone[0][:, 0]).all(), "the teacher is part of the loss"
    finish(start(tmp_path / "taught.npz", "--devices", "2", "--teacher"))
    check_equal(tmp_path / "taught.npz", (losses, weights))


@pytest.mark.slow
@pytest.mark.parametrize("head", ["cell", "decoupled"])
def test_two_devices_equal_one_where_matches_depend_on_predictions(tmp_path, head):
    """The step talks between forward pass and loss, so where XLA is asked for, it is not compiled."""
    losses, weights, _ = distributed_training.train_steps(
        tf.distribute.get_strategy(), teacher=True, layout=distributed_training.LAYOUTS[head]
    )
    assert losses[-1, 0] < losses[0, 0]
    finish(start(tmp_path / "two.npz", "--devices", "2", "--teacher", "--head", head))
    check_equal(tmp_path / "two.npz", (losses, weights))
    for name, *options in (("graph", "--unsynchronized"), ("xla", "--unsynchronized", "--xla")):
        finish(start(tmp_path / f"{name}.npz", "--devices", "2", "--head", head, *options))
    np.testing.assert_allclose(read(tmp_path / "xla.npz")[0], read(tmp_path / "graph.npz")[0], rtol=1e-4)


@pytest.mark.long
def test_two_devices_equal_one_in_half_precision_with_loss_scaling(tmp_path):
    losses, weights, _ = distributed_training.train_steps(tf.distribute.get_strategy(), half=True)
    finish(start(tmp_path / "half.npz", "--devices", "2", "--half"))
    found, spread, _, _ = read(tmp_path / "half.npz")
    assert spread == 0.0
    np.testing.assert_allclose(found, losses, rtol=5e-3)


@pytest.mark.long
@pytest.mark.parametrize("workers", [False, True])
def test_xla_on_each_of_two_devices_equals_no_xla(tmp_path, workers):
    """Batch norm is that of each device here, so the two runs to compare have two devices each."""
    losses = []
    for index, options in enumerate((["--unsynchronized"], ["--unsynchronized", "--xla"])):
        folder = tmp_path / str(index)
        folder.mkdir()
        if workers:
            result = train_two_workers(folder, *options)[1]
        else:
            result = folder / "two.npz"
            finish(start(result, "--devices", "2", *options))
        found, spread, _, _ = read(result)
        assert spread == 0.0
        losses.append(found)
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-4)


CONFIG = """data: {dataset: shapes.yaml, image_size: 64, max_boxes: 20}
model: {name: small, width: 0.05, depth: 0.33}
train: {epochs: 2, batch_size: 4, nominal_batch_size: 8, warmup_epochs: 0.0, learning_rate: 0.001}
hardware: {sync_batch_norm: true}
"""
SHAPES = "format: shapes\npath: shapes\ntrain: 10\nval: 5\ntest: 2\nimage_size: 96\nmax_objects: 3\n"


def launch(folder, workers, *arguments):
    script = ROOT / "scripts" / "launch_local_workers.sh"
    environment = {**os.environ, "PYTHON": sys.executable, "PYTHONPATH": str(ROOT)}
    command = [str(script), str(workers), str(folder / "config.yaml"), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=1800)


@pytest.mark.long
def test_a_run_of_two_workers_is_the_run_of_one(tmp_path):
    (tmp_path / "config.yaml").write_text(CONFIG)
    (tmp_path / "shapes.yaml").write_text(SHAPES)
    histories, detections = [], []
    for workers in (1, 2):
        run = tmp_path / str(workers)
        result = launch(tmp_path, workers, "--run", str(run), "--json", str(tmp_path / f"{workers}.json"))
        assert result.returncode == 0, result.stderr[-3000:]
        assert "[1]" not in result.stdout  # only the chief speaks
        histories.append(read_history(run / "history.csv", before_epoch=9))
        detections.append(json.loads((tmp_path / f"{workers}.json").read_text()))
    assert [row["epoch"] for row in histories[1]] == [1, 2]
    for one, two in zip(*histories, strict=True):
        for name in ("loss", "box", "objectness", "class"):
            assert two[name] == pytest.approx(one[name], rel=1e-4), name
    assert detections[0].keys() == detections[1].keys()


@pytest.mark.long
def test_a_worker_that_fails_ends_the_others(tmp_path):
    (tmp_path / "config.yaml").write_text(CONFIG)
    result = launch(tmp_path, 2, "--run", str(tmp_path / "run"))
    assert result.returncode == 2
    assert "shapes.yaml" in result.stderr
    assert not (tmp_path / "run").exists()
    assert launch(tmp_path, "none").returncode == 2
