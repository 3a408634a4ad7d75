"""Memory of a run before it starts, the batch that fits."""

import dataclasses
import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from yolo_tf.config import Config, DataConfig, LossConfig, ModelConfig, TrainConfig
from yolo_tf.engine.optimizers import build_optimizer
from yolo_tf.errors import InputError
from yolo_tf.files.spec import detector_spec
from yolo_tf.models.network import network_layout
from yolo_tf.models.reports.start import activation_megabytes
from yolo_tf.training import estimate as estimate_module
from yolo_tf.training.estimate import (
    STEP_MEGABYTES,
    MemoryEstimate,
    bytes_of_boxes,
    choose_batch_size,
    estimate_memory,
    format_memory,
    largest_batch,
    step_probe,
)


def spec_of(layout):
    """A DetectorSpec of six classes."""
    return detector_spec(class_names="abcdef", image_size=(64, 96), anchors=layout)


@pytest.mark.parametrize(
    "options",
    [
        dict(optimizer="sgd", nominal_batch_size=16, ema_decay=0.99),
        dict(optimizer="sgd", nominal_batch_size=4, ema_decay=0.0),
        dict(optimizer="adamw", nominal_batch_size=64, ema_decay=0.99),
    ],
)
def test_the_state_is_what_the_optimizer_really_keeps(tiny_network, options):
    network, train = tiny_network(), TrainConfig(batch_size=4, **options)
    optimizer = build_optimizer(train, network, steps_per_epoch=3)
    kept = [variable for variable in optimizer.variables if variable.path.startswith(optimizer.name)]
    weights = sum(math.prod(variable.shape) for variable in network.trainable_variables)
    really = 4e-6 * (2 * weights + sum(math.prod(variable.shape) for variable in kept))
    memory = estimate_memory(network, image_size=(64, 96), train=train, batch_size=4)
    assert memory.state == pytest.approx(really, rel=0.02)  # the averages of batch norm statistics are left out


def test_activations_grow_with_the_batch_and_are_half_as_large_in_bfloat16(tiny_network):
    network, train = tiny_network(), TrainConfig()
    small, large = (estimate_memory(network, image_size=(64, 96), train=train, batch_size=size) for size in (3, 12))
    assert small.activations == pytest.approx(3 * activation_megabytes(network, (64, 96))["total"])
    assert large.activations == pytest.approx(4 * small.activations) and large.input == pytest.approx(4 * small.input)
    assert small.total == pytest.approx(small.state + small.activations + small.input + STEP_MEGABYTES)
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        half = estimate_memory(tiny_network(), image_size=(64, 96), train=train, batch_size=12)
    finally:
        keras.config.set_dtype_policy("float32")
    assert half.activations == pytest.approx(large.activations / 2) and half.state == pytest.approx(large.state)


@pytest.mark.parametrize(("head", "numbers"), [("anchor", 94 * 66), ("decoupled", 26 * (8 * 12 + 4 * 6 + 2 * 3))])
def test_places_for_boxes_cost_memory(tiny_network, tiny_anchors, head, numbers):
    """400 places in each of 3 images: against three levels of 2 * (5 + 6) numbers a cell, or against every cell."""
    layout = tiny_anchors if head == "anchor" else network_layout(ModelConfig(head=head))
    network, options = tiny_network(), dict(image_size=(64, 96), train=TrainConfig(), batch_size=3)
    sizes = [bytes_of_boxes(spec_of(layout), count) for count in (0, 400)]
    few, many = (estimate_memory(network, **options, box_bytes=size) for size in sizes)
    assert few.boxes == 0.0 and many.boxes == pytest.approx(numbers * 400 * 3 / 1e6)
    assert many.total - few.total == pytest.approx(many.boxes)
    assert "boxes 5.70, program" in format_memory(dataclasses.replace(many, boxes=5702.0), None, 3)


def test_the_memory_line_warns_when_it_may_not_fit():
    memory = MemoryEstimate(state=100.0, activations=1500.0, input=50.0, boxes=0.0, program=350.0)
    text = format_memory(memory, 1900.0, 12)
    assert "about 2.0 GB more" in text and "activations of 12 images 1.50" in text and "1.9 GB are available" in text
    assert "warning: that may not fit; lower train.batch_size" in text
    assert "warning" not in format_memory(memory, 2100.0, 12)
    assert "available" not in format_memory(memory, None, 12)


def test_the_largest_batch_is_a_power_of_two_that_fits():
    tried = []

    def fits(batch_size):
        tried.append(batch_size)
        return batch_size <= 20

    assert largest_batch(fits, most=100) == 16 and tried == [1, 2, 4, 8, 16, 32]
    assert largest_batch(fits, most=10) == 8
    assert largest_batch(lambda batch_size: False, most=10) == 0


def test_the_batch_that_fits_takes_a_safe_share_of_the_memory(tiny_network, tiny_anchors, monkeypatch):
    network, train = tiny_network(), TrainConfig(batch_size="auto")
    config = Config(train=train, data=DataConfig(image_size=(320, 640), max_boxes=150))
    options = dict(image_size=(320, 640), train=train, box_bytes=bytes_of_boxes(spec_of(tiny_anchors), 150))
    needs = {size: estimate_memory(network, **options, batch_size=size).total for size in (8, 16)}
    for images, available, expected in ((64, (needs[8] + needs[16]) / 2 / 0.6, 8), (5, needs[16] / 0.6, 4)):
        monkeypatch.setattr(estimate_module, "available_memory", lambda available=available: available)
        chosen = choose_batch_size(config, network, images, spec=spec_of(tiny_anchors), compiled=False)
        assert chosen.train.batch_size == expected


@pytest.fixture
def config():
    """A Config of small images whose batch size is to be chosen."""
    return Config(train=TrainConfig(batch_size="auto"), data=DataConfig(image_size=(64, 64), max_boxes=150))


@pytest.mark.parametrize(("nominal", "images", "expected"), [(64, 100, 64), (64, 9, 8), (16, 100, 16), (3, 100, 2)])
def test_an_automatic_batch_is_bounded_by_the_nominal_batch_and_the_images(
    config, tiny_network, tiny_anchors, monkeypatch, capsys, nominal, images, expected
):
    monkeypatch.setattr(estimate_module, "available_memory", lambda: 16e3)
    wanted = dataclasses.replace(config, train=dataclasses.replace(config.train, nominal_batch_size=nominal))
    resolved = choose_batch_size(wanted, tiny_network(), images, spec=spec_of(tiny_anchors), compiled=False)
    assert resolved.train.batch_size == expected
    assert f"batch size: {expected} (by estimate for 16.0 GB of free memory" in capsys.readouterr().out
    assert choose_batch_size(resolved, None, images, spec=None, compiled=False) is resolved


def test_on_gpus_growing_batches_are_run_on_one_of_them(config, tiny_network, tiny_anchors, monkeypatch, capsys):
    monkeypatch.setattr(estimate_module.tf.config, "list_physical_devices", lambda kind: ["a", "b"])
    monkeypatch.setattr(estimate_module, "step_probe", lambda *arguments, **options: lambda batch_size: batch_size <= 9)
    wanted = dataclasses.replace(config, train=dataclasses.replace(config.train, nominal_batch_size=64))
    assert (
        choose_batch_size(wanted, tiny_network(), 100, spec=spec_of(tiny_anchors), compiled=True, replicas=2).train.batch_size
        == 16
    )
    assert "batch size: 16 (by running steps" in capsys.readouterr().out


def test_a_batch_that_cannot_be_chosen_is_one_line(config, tiny_network, tiny_anchors, monkeypatch):
    monkeypatch.setattr(estimate_module, "available_memory", lambda: 1.0)
    with pytest.raises(InputError, match="not even one image of 64 x 64 px fits in memory .* Lower data.image_size, or take"):
        choose_batch_size(config, tiny_network(), 9, spec=spec_of(tiny_anchors), compiled=False)
    monkeypatch.setattr(estimate_module, "available_memory", lambda: None)
    with pytest.raises(InputError, match="auto needs a system that tells its free memory. Give a number instead"):
        choose_batch_size(config, tiny_network(), 9, spec=spec_of(tiny_anchors), compiled=False)


@pytest.mark.long
def test_the_probe_runs_a_step_and_leaves_the_network_alone(tiny_network, tiny_anchors, monkeypatch):
    network = tiny_network()
    before = [weight.numpy() for weight in network.weights]
    options = dict(image_size=(64, 96), train=TrainConfig(batch_size="auto"), loss=LossConfig(), compiled=False)
    runs = step_probe(network, tiny_anchors, **options)
    assert runs(2) and runs(5)
    for weight, value in zip(network.weights, before, strict=True):
        np.testing.assert_array_equal(weight.numpy(), value)

    def fail(error):
        def train_on_batch(*arguments, **keywords):
            raise error

        monkeypatch.setattr(estimate_module.DetectorTrainer, "train_on_batch", train_on_batch)
        return runs(3)

    assert not fail(tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor"))
    assert not fail(tf.errors.InternalError(None, None, "Failed to allocate request: out of memory"))
    with pytest.raises(tf.errors.InternalError, match="libdevice"):
        fail(tf.errors.InternalError(None, None, "libdevice not found"))


def test_an_estimate_is_a_value(tiny_network):
    memory = estimate_memory(tiny_network(), image_size=(64, 96), train=TrainConfig(), batch_size=2)
    assert dataclasses.replace(memory, program=0.0).total == pytest.approx(memory.total - STEP_MEGABYTES)
