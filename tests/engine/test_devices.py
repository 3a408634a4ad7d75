"""Clusters that can be used and clusters that cannot; how batches are shared out."""

import json
import os
import socket
import threading

import numpy as np
import pytest
import tensorflow as tf

from yolo_tf import cli
from yolo_tf.engine import devices
from yolo_tf.engine.devices import (
    Cluster,
    check_batch_size,
    choose_strategy,
    distribute_batches,
    meet_workers,
    read_cluster,
    use_xla,
)
from yolo_tf.errors import InputError
from yolo_tf.terminal import say


def tf_config(cluster, kind="worker", index=0):
    return json.dumps({"cluster": cluster, "task": {"type": kind, "index": index}})


def free_ports(count):
    doors = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [door.getsockname()[1] for door in doors]
    for door in doors:
        door.close()
    return ports


def test_the_chief_comes_first():
    cluster = {"worker": ["a:1", "b:2"], "chief": ["c:3"]}
    assert read_cluster(tf_config(cluster, index=1)) == Cluster(addresses=("c:3", "a:1", "b:2"), index=2)
    assert read_cluster(tf_config(cluster, kind="chief")) == Cluster(addresses=("c:3", "a:1", "b:2"), index=0)


@pytest.mark.parametrize("text", [None, "", tf_config({"worker": ["a:1"]})])
def test_one_worker_is_no_cluster(text):
    assert read_cluster(text) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "cannot be read .* Correct the variable, or unset it"),
        ("[1]", "cannot be read"),
        ('{"cluster": {"worker": ["a:1", "b:2"]}}', "has no 'task'"),
        (tf_config({"worker": ["a:1", "b:2"], "ps": ["c:3"]}), "names .*'ps'.* Name the machines under 'worker'"),
        (tf_config({}), "Name the machines under 'worker'"),
        (tf_config({"worker": ["a:1", "b"]}), "has the address 'b'.* Write every address as host:port"),
        (tf_config({"worker": ["a:1", "a:1"]}), "twice.* Give every worker a port of its own"),
        (tf_config({"worker": ["a:1", "b:2"]}, index=2), "this is worker 2, but the cluster has worker 0..1.* its own index"),
        (tf_config({"worker": ["a:1", "b:2"]}, index="0"), "this is worker '0', but"),
        (tf_config({"worker": ["a:1", "b:2"]}, kind="chief"), "this is chief 0, but"),
    ],
)
def test_a_bad_tf_config_is_one_line(text, message):
    with pytest.raises(InputError, match=f"^TF_CONFIG: .*{message}") as caught:
        read_cluster(text)
    assert '"cluster": {"worker": ["host1:2222"' in str(caught.value) and "\n" not in str(caught.value)


def test_a_bad_tf_config_ends_the_command_with_2(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("TF_CONFIG", tf_config({"worker": ["a:1", "b:2"]}, index=5))
    assert cli.main(["train", "data.dataset=none.yaml", "--run", str(tmp_path / "run")]) == 2
    error = capsys.readouterr().err
    assert "this is worker 5" in error and error.count("\n") == 1


def test_workers_meet_whoever_comes_first():
    """The other one listens only after a while, and goes on listening as TensorFlow's server does."""
    here, there = free_ports(2)
    listening = threading.Event()

    def come_late():
        with socket.create_server(("127.0.0.1", there)) as late:
            listening.set()
            late.settimeout(60.0)
            late.accept()[0].close()

    other = threading.Timer(3 * devices.POLL_SECONDS, come_late)
    other.start()
    meet_workers(Cluster(addresses=(f"127.0.0.1:{here}", f"127.0.0.1:{there}"), index=0), 60.0)
    assert listening.is_set()
    other.join()


def test_a_worker_that_never_comes_is_named():
    here, there = free_ports(2)
    cluster = Cluster(addresses=(f"127.0.0.1:{here}", f"127.0.0.1:{there}"), index=0)
    with pytest.raises(InputError, match=rf"no answer from 127.0.0.1:{there} within 0.5 s.*raise hardware.worker_timeout"):
        meet_workers(cluster, 0.5)


def test_a_taken_port_is_named():
    with socket.create_server(("", 0)) as door:
        port = door.getsockname()[1]
        cluster = Cluster(addresses=(f"127.0.0.1:{port}", "127.0.0.1:1"), index=0)
        with pytest.raises(InputError, match=rf"port {port} of this worker .* is taken .*choose another"):
            meet_workers(cluster, 0.5)


@pytest.mark.parametrize("text", ["", tf_config({"worker": ["a:1"]})])
def test_one_device_needs_no_strategy(monkeypatch, text):
    monkeypatch.setenv("TF_CONFIG", text)
    assert choose_strategy("one", worker_timeout=1.0) is tf.distribute.get_strategy()
    assert "TF_CONFIG" not in os.environ
    assert devices.worker_of(tf.distribute.get_strategy()) == (0, 1)


class FourReplicas:
    """What is asked of a strategy: two workers with two replicas each."""

    num_replicas_in_sync = 4

    def __init__(self, worker):
        self.context = tf.distribute.InputContext(2, worker, 4)

    def distribute_datasets_from_function(self, function):
        return function(self.context)


def test_every_replica_gets_its_rows_of_every_batch():
    batches = tf.data.Dataset.from_tensor_slices((tf.range(24), tf.range(24) * 10)).batch(12)
    for worker, rows in ((0, [[0, 1, 2], [3, 4, 5], [12, 13, 14], [15, 16, 17]]), (1, [[6, 7, 8], [9, 10, 11]])):
        shares = list(distribute_batches(batches, 12, FourReplicas(worker)).as_numpy_iterator())
        assert len(shares) == 4
        for (first, second), expected in zip(shares, rows):
            np.testing.assert_array_equal(first, expected)
            np.testing.assert_array_equal(second, np.array(expected) * 10)


def test_a_batch_must_be_shared_out_evenly():
    check_batch_size(12, FourReplicas(0))
    with pytest.raises(InputError, match="batch_size: 10 images cannot be shared out over 4 devices.*multiple of 4. Use 12"):
        check_batch_size(10, FourReplicas(0))


def test_xla_is_for_gpus_unless_told_and_never_with_synchronized_batch_norm(monkeypatch, capsys):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [])
    assert [use_xla(choice) for choice in ("auto", "true", "false")] == [False, True, False]
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: ["GPU:0"])
    assert [use_xla(choice) for choice in ("auto", "true", "false")] == [True, True, False]
    assert not capsys.readouterr().out
    assert use_xla("auto", sync_batch_norm=True) is False
    assert "XLA is off: hardware.sync_batch_norm" in capsys.readouterr().out
    with pytest.raises(InputError, match="hardware.xla: true cannot go with hardware.sync_batch_norm.*Set hardware.xla=auto"):
        use_xla("true", sync_batch_norm=True)


def test_other_workers_are_quiet_and_leave_nothing(monkeypatch, capsys, tmp_path):
    for index, worker in enumerate([(0, 2), (1, 2)]):
        monkeypatch.setattr(devices, "worker_of", lambda strategy: worker)  # noqa: B023 (called in this turn only)
        with devices.chief_only(tmp_path / "run", None) as root:
            print(f"from worker {index}")
            say(f"said by worker {index}")
            root.mkdir()
            assert (root == tmp_path / "run") == (index == 0)
    assert capsys.readouterr().out == "from worker 0\nsaid by worker 0\n"
    assert not root.exists() and (tmp_path / "run").exists()
