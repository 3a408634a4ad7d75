"""A tf.data service on loopback, in this process."""

import socket

import numpy as np
import pytest
import tensorflow as tf

from yolo_tf.config import AugmentConfig, DataConfig, TrainConfig
from yolo_tf.data import service
from yolo_tf.data.pipeline import make_train_dataset
from yolo_tf.data.service import distribute, split_address, start_dispatcher, start_worker
from yolo_tf.errors import InputError

TRAIN = TrainConfig(batch_size=2, seed=5)


@pytest.fixture
def serve():
    """Returns a function that starts a dispatcher with `count` workers and returns its address."""
    servers = []

    def start(count):
        dispatcher, address = start_dispatcher(0)
        servers.append(dispatcher)
        servers.extend(start_worker(address)[0] for _ in range(count))
        return address

    yield start
    while servers:  # the workers first
        servers.pop()


@pytest.fixture
def free_port():
    with socket.create_server(("", 0)) as free:
        return free.getsockname()[1]


def stream(dataset, address="", *, count=6, **options):
    data = DataConfig(image_size=(64, 96), max_boxes=7, service=address)
    batches = make_train_dataset(dataset, data=data, augment=AugmentConfig(), train=TRAIN, **options)
    return list(batches.take(count).as_numpy_iterator())


def leaves(batch):
    """Returns the arrays of a batch, without the None of what is not drawn."""
    return [leaf for leaf in tf.nest.flatten(batch) if leaf is not None]


@pytest.mark.slow
def test_one_worker_gives_the_same_stream(dataset_of, serve):
    """Augmentation compiled by XLA on the worker included."""
    dataset = dataset_of([(48, 64), (64, 96), (100, 60), (30, 30)])
    for served, local in zip(stream(dataset, serve(1)), stream(dataset), strict=True):
        for ours, theirs in zip(leaves(served), leaves(local), strict=True):
            np.testing.assert_array_equal(ours, theirs)


@pytest.mark.slow
def test_two_workers_give_every_batch_once_in_any_order(dataset_of, serve):
    dataset = dataset_of([(48, 64), (64, 96), (100, 60), (30, 30)])
    options = dict(augment_on="accelerator", first_epoch=1)
    local, served = stream(dataset, count=18, **options), stream(dataset, serve(2), **options)

    def key(batch):
        return tuple(leaf.tobytes() for leaf in leaves(batch))

    assert len({key(batch) for batch in served}) == 6
    assert {key(batch) for batch in served} <= {key(batch) for batch in local}  # neither worker runs ahead that far
    assert all(spec is None for spec in (served[0][0].parameters.mixup_partner, served[0][0].parameters.mixup_weight))


def test_what_is_none_comes_back_as_none(serve):
    numbers = distribute(tf.data.Dataset.range(40).map(lambda number: (number * 3, None)), serve(1))
    assert numbers.element_spec[1] == tf.NoneTensorSpec()
    assert [int(number) for number, _ in numbers] == list(range(0, 120, 3))


@pytest.mark.parametrize("address", ["nowhere", "grpc://a", "grpc://a:b", "http://a:80", "a:0", "a:70000", "grpc://a:1/x"])
def test_what_is_no_address_is_refused(address):
    with pytest.raises(InputError, match=r"here: '.*' is no address\. Expected grpc://HOST:PORT, such as"):
        split_address(address, "here")


def test_addresses():
    assert split_address("grpc://host-a.local:5050", "") == ("host-a.local", 5050)
    assert split_address("10.0.0.7:80", "") == ("10.0.0.7", 80)


def test_a_dispatcher_that_is_not_there_is_one_line(free_port):
    message = rf"config.data.service: nothing answers at localhost:{free_port} \(.*\)\. Expected the dispatcher.*Start one there"
    with pytest.raises(InputError, match=message):
        distribute(tf.data.Dataset.range(3), f"grpc://localhost:{free_port}")
    with pytest.raises(InputError, match=rf"^dispatcher: nothing answers at localhost:{free_port}"):
        start_worker(f"localhost:{free_port}")


def test_a_dispatcher_without_workers_is_one_line(serve, monkeypatch):
    monkeypatch.setattr(service, "WORKER_SECONDS", 0.5)
    address = serve(0)
    message = r"has no worker that answers within 0\.5 s\. .*yolo-tf data-service worker --dispatcher"
    with pytest.raises(InputError, match=message):
        distribute(tf.data.Dataset.range(3), address)
    worker, _ = start_worker(address)  # lets the thread that still asks come to its end
    monkeypatch.setattr(service, "WORKER_SECONDS", 20.0)
    assert [int(number) for number in distribute(tf.data.Dataset.range(3), address)] == [0, 1, 2]
    del worker


def test_a_port_that_is_taken_is_one_line(serve):
    address = serve(0)
    with socket.create_server(("", 0)) as taken:
        port = taken.getsockname()[1]
        message = rf"^port: {port} cannot be listened on \(.*\)\. Expected a free port"
        with pytest.raises(InputError, match=message):
            start_dispatcher(port)
        with pytest.raises(InputError, match=message):
            start_worker(address, port=port)
