"""Which devices a run trains on: one, all of this machine, or those of all workers that TF_CONFIG names."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import signal
import socket
import tempfile
import threading
import time
from pathlib import Path

import tensorflow as tf

from yolo_tf.errors import InputError
from yolo_tf.terminal import quiet, say, sent_to

POLL_SECONDS = 0.2  # between two attempts to reach a worker
TF_CONFIG_EXAMPLE = '{"cluster": {"worker": ["host1:2222", "host2:2222"]}, "task": {"type": "worker", "index": 0}}'


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cluster:
    """The workers of a run."""

    addresses: tuple[str, ...]  # "host:port" of every worker, the chief's first
    index: int  # of this worker


def read_cluster(tf_config):
    """Returns the Cluster of TF_CONFIG, JSON text; None where that is empty or None, or names this worker alone.

    Raises:
        InputError: not JSON, no workers, an address without port, a task that is no worker or not in the cluster.
    """
    if not tf_config:
        return None
    try:
        content = json.loads(tf_config)
        cluster, task = content["cluster"], content["task"]
        kinds = {kind: list(addresses) for kind, addresses in cluster.items()}
        kind, index = task["type"], task["index"]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        reason = f"has no {error}" if isinstance(error, KeyError) else f"cannot be read ({error})"
        raise _bad_config(reason, "Correct the variable, or unset it to train on this machine alone.") from error
    if set(kinds) - {"chief", "worker"} or len(kinds.get("chief", ())) > 1 or not any(kinds.values()):
        raise _bad_config(f"names {cluster}", "Name the machines under 'worker': parameter servers and evaluators are not used.")
    addresses = [*kinds.get("chief", ()), *kinds.get("worker", ())]
    for address in addresses:
        if not (isinstance(address, str) and address.rpartition(":")[0] and address.rpartition(":")[2].isdigit()):
            raise _bad_config(f"has the address {address!r}", "Write every address as host:port.")
    if len(set(addresses)) < len(addresses):
        raise _bad_config(f"has an address twice: {addresses}", "Give every worker a port of its own.")
    if kind not in kinds or type(index) is not int or not 0 <= index < len(kinds[kind]):
        known = ", ".join(f"{name} 0..{len(hosts) - 1}" for name, hosts in kinds.items() if hosts)
        raise _bad_config(f"says this is {kind} {index!r}, but the cluster has {known}", "Give every process its own index.")
    if len(addresses) == 1:
        return None
    return Cluster(addresses=tuple(addresses), index=addresses.index(kinds[kind][index]))


def meet_workers(cluster, timeout):
    """Waits `timeout` seconds at most until every other worker of a Cluster listens: TensorFlow would for ever, and silently.

    Raises:
        InputError: a worker could not be reached in time, or the port of this one is taken.
    """
    own = cluster.addresses[cluster.index]
    port = int(own.rpartition(":")[2])
    missing = [address for address in cluster.addresses if address != own]
    deadline = time.monotonic() + timeout
    with socket.socket() as door:  # shows the others that this worker is there; TensorFlow's server follows on the port
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            door.bind(("", port))
        except OSError as error:
            raise InputError(
                f"TF_CONFIG: port {port} of this worker ({own}) is taken ({error.strerror})."
                " Expected a free port. End what uses it, or choose another."
            ) from error
        door.listen(2 * len(cluster.addresses))
        while missing := [address for address in missing if not _answers(address)]:
            if time.monotonic() > deadline:
                raise InputError(
                    f"TF_CONFIG: no answer from {', '.join(missing)} within {timeout:g} s. Expected every worker of the"
                    " cluster to be started. Start it, check address and firewall, or raise hardware.worker_timeout."
                )
            time.sleep(POLL_SECONDS)


def choose_strategy(devices, *, worker_timeout):
    """Chooses how a run is shared out. Must be called before TensorFlow computes anything.

    Args:
        devices: "one" or "all" GPUs of this machine (without one: logical CPUs). With TF_CONFIG, all GPUs of all
            workers, whatever is said here.
        worker_timeout: seconds to wait for the other workers of TF_CONFIG.

    Returns:
        tf.distribute.Strategy: MultiWorkerMirroredStrategy, MirroredStrategy, or the default one for one device.

    Raises:
        InputError: TF_CONFIG cannot be used, or a worker is missing.
    """
    cluster = read_cluster(os.environ.get("TF_CONFIG"))
    if cluster:
        meet_workers(cluster, worker_timeout)
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, signal.SIG_DFL)  # TensorFlow notes it as a coming preemption and goes on
        return strategy
    os.environ.pop("TF_CONFIG", None)  # TensorFlow reads it too: it fails on an empty text, and takes one worker for a cluster
    found = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    if devices == "one" or len(found) == 1:
        return tf.distribute.get_strategy()
    return tf.distribute.MirroredStrategy([device.name for device in found])


def worker_of(strategy):
    """Returns (this worker's index, number of workers); the chief is 0."""
    resolver = strategy.cluster_resolver
    workers = strategy.extended._num_workers if isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy) else 1
    if workers == 1:
        return 0, 1
    first = len(resolver.cluster_spec().as_dict().get("chief", ())) if resolver.task_type == "worker" else 0
    return first + resolver.task_id, workers


def check_batch_size(batch_size, strategy):
    """Raises InputError unless every replica gets the same whole number of images."""
    replicas = strategy.num_replicas_in_sync
    if batch_size % replicas:
        raise InputError(
            f"config.train.batch_size: {batch_size} images cannot be shared out over {replicas} devices. Expected a multiple"
            f" of {replicas}. Use {-(-batch_size // replicas) * replicas}."
        )


def use_xla(choice, *, sync_batch_norm=False):
    """Decides whether the step is compiled: "true", "false" or "auto", on a GPU only (on a CPU oneDNN is faster).

    With `sync_batch_norm`, where batch norm asks the other replicas in the forward pass, "auto" is "false".

    Raises:
        InputError: "true" with `sync_batch_norm`.
    """
    if choice == "true" and sync_batch_norm:
        raise InputError(
            "config.hardware.xla: true cannot go with hardware.sync_batch_norm on several devices, whose forward pass asks the"
            " others. Expected one of the two. Set hardware.xla=auto or hardware.sync_batch_norm=false."
        )
    on_gpu = bool(tf.config.list_physical_devices("GPU"))
    if choice == "auto" and on_gpu and sync_batch_norm:
        say("XLA is off: hardware.sync_batch_norm asks the other devices in the forward pass, which XLA cannot compile")
    return choice == "true" or (choice == "auto" and on_gpu and not sync_batch_norm)


def distribute_batches(batches, batch_size, strategy):
    """Shares the rows of every batch out over the replicas, in their order.

    Every worker makes the whole stream, a pure function of seed and step, and takes its rows; so what is learned
    from does not depend on the number of devices.

    Args:
        batches: tf.data.Dataset of batches of `batch_size` rows, the same on every worker.
        batch_size: a multiple of the number of replicas.
        strategy: tf.distribute.Strategy.

    Returns:
        What `fit` takes; `batches` itself for one replica.
    """
    if strategy.num_replicas_in_sync == 1:
        return batches

    def of_worker(context):
        rows = batch_size // context.num_input_pipelines
        mine = slice(context.input_pipeline_id * rows, (context.input_pipeline_id + 1) * rows)
        share = batches.map(lambda *batch: tf.nest.map_structure(lambda values: values[mine], batch))
        share = share.rebatch(batch_size // strategy.num_replicas_in_sync, drop_remainder=True)
        return share.prefetch(tf.data.AUTOTUNE)

    return strategy.distribute_datasets_from_function(of_worker)


@contextlib.contextmanager
def chief_only(root, strategy):
    """Yields the directory to write to: `root` for the chief; for other workers one that vanishes, and they are quiet.

    All workers go through the same steps, for reading a variable may need every one of them.
    """
    if worker_of(strategy)[0] == 0:
        yield Path(root)
        return
    with tempfile.TemporaryDirectory() as scratch, open(os.devnull, "w", encoding="utf-8") as nothing:
        with contextlib.redirect_stdout(nothing), sent_to(quiet):
            yield Path(scratch) / "run"


def _answers(address):
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=5 * POLL_SECONDS).close()
    except OSError:
        return False
    return True


def _bad_config(what, how):
    return InputError(f"TF_CONFIG: {what}. Expected {TF_CONFIG_EXAMPLE}. {how}")
