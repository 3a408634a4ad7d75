"""A tf.data service: other machines prepare the training batches."""

import re
import socket
import threading

import tensorflow as tf
from tensorflow.data.experimental import service

from yolo_tf.errors import InputError

OPTION = "config.data.service"  # that names the address for training
CONNECT_SECONDS, WORKER_SECONDS = 5.0, 20.0


def split_address(address, where):
    """Returns (host, port) of grpc://host:port or host:port; raises InputError, which begins with `where`, for all else."""
    parts = re.fullmatch(r"(?:grpc://)?([^:/\s]+):(\d{1,5})", address)
    if not parts or not 0 < int(parts[2]) < 65536:
        raise InputError(f"{where}: '{address}' is no address. Expected grpc://HOST:PORT, such as grpc://localhost:5050.")
    return parts[1], int(parts[2])


def check_dispatcher(address, where):
    """Returns the host:port of a dispatcher that listens at an address; TensorFlow itself would try for an hour.

    Raises:
        InputError: no address, or nothing answers there.
    """
    host, port = split_address(address, where)
    try:
        socket.create_connection((host, port), timeout=CONNECT_SECONDS).close()
    except OSError as error:
        raise InputError(
            f"{where}: nothing answers at {host}:{port} ({error}). Expected the dispatcher of a tf.data service."
            f" Start one there with `yolo-tf data-service dispatcher --port {port}`, or correct the address."
        ) from None
    return f"{host}:{port}"


def start_dispatcher(port):
    """Starts a dispatcher in this process, at a free port for 0; raises InputError where the port is taken.

    Returns:
        (the server, which runs as long as it is referred to; its address grpc://localhost:port).
    """
    try:
        server = service.DispatchServer(service.DispatcherConfig(port=port))
    except (RuntimeError, tf.errors.OpError) as error:
        raise _no_port(port, error) from None
    return server, server.target


def start_worker(dispatcher, *, host="localhost", port=0):
    """Starts a worker in this process.

    Args:
        dispatcher: address of the dispatcher, grpc://host:port.
        host: the name or number by which trainers reach this machine.
        port: 0 = any free one.

    Returns:
        (the server, which runs as long as it is referred to; its address grpc://host:port).

    Raises:
        InputError: a bad address, no dispatcher there, or the port is taken.
    """
    dispatcher = check_dispatcher(dispatcher, "dispatcher")
    if not port:
        with socket.create_server(("", 0)) as free:
            port = free.getsockname()[1]
    config = service.WorkerConfig(dispatcher_address=dispatcher, worker_address=f"{host}:{port}", port=port)
    try:
        return service.WorkerServer(config), f"grpc://{host}:{port}"
    except (RuntimeError, tf.errors.OpError) as error:
        raise _no_port(port, error) from None


def _no_port(port, error):
    reason = str(error).splitlines()[0]
    return InputError(f"port: {port} cannot be listened on ({reason}). Expected a free port. Choose another one.")


def distribute(dataset, address):
    """Lets the workers of a tf.data service compute the elements of a dataset.

    Every element is computed once; they come in the order in which they are ready.

    Args:
        dataset: tf.data.Dataset of TensorFlow operations alone (no Python function, no state), whose source can be
            dealt out, such as a range.
        address: of the dispatcher, grpc://host:port.

    Returns:
        tf.data.Dataset of the same elements.

    Raises:
        InputError: a bad address, no dispatcher there, or one without workers.
    """
    address = f"grpc://{check_dispatcher(address, OPTION)}"
    _wait_for_worker(address)
    # A None, such as the mixup partner of a run without mixup, cannot travel.
    structure = dataset.element_spec
    leaves = dataset.map(lambda *element: tuple(leaf for leaf in tf.nest.flatten(element) if leaf is not None))
    dealt = leaves.apply(_dealt_out(address))

    def restored(*leaves):
        remaining = iter(leaves)
        flat = [None if isinstance(spec, tf.NoneTensorSpec) else next(remaining) for spec in tf.nest.flatten(structure)]
        return tf.nest.pack_sequence_as(structure, flat)

    return dealt.map(restored)


def _dealt_out(address):
    # Photographs hardly compress, and their pixels are most of an element.
    return service.distribute("distributed_epoch", address, compression=None)


def _wait_for_worker(address):
    """Fetches one number through the service; a dispatcher without workers would let the training wait for ever."""
    answered = threading.Event()

    def ask():
        for _ in tf.data.Dataset.range(1).apply(_dealt_out(address)):
            answered.set()

    threading.Thread(target=ask, daemon=True).start()
    if not answered.wait(WORKER_SECONDS):
        raise InputError(
            f"{OPTION}: the dispatcher at {address} has no worker that answers within {WORKER_SECONDS:g} s. Expected one or more."
            f" Start them with `yolo-tf data-service worker --dispatcher {address}`."
        )
