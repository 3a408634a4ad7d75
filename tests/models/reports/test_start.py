"""What the report says about a network before its first epoch."""

import dataclasses

import keras
import pytest

from yolo_tf.config import ModelConfig
from yolo_tf.files.weights import LoadedWeights
from yolo_tf.heads.anchor.anchors import COCO_ANCHORS
from yolo_tf.models.network import build_network
from yolo_tf.models.parts import frozen_layers
from yolo_tf.models.reports.cost import network_report
from yolo_tf.models.reports.start import Normalization, format_start, start_report

MODEL = ModelConfig(width=0.05)


@pytest.fixture(scope="module")
def network():
    return build_network(MODEL, num_classes=3, anchors=COCO_ANCHORS)


@pytest.fixture(scope="module")
def report(network):
    return network_report(network, model=MODEL, num_classes=3, image_size=(64, 96))


def test_what_a_random_network_starts_with(network, report):
    start = start_report(network, report, steps=40)
    assert start.pixel_scaling == {"scale": [pytest.approx(1 / 255)], "offset": [0.0]}
    [row] = start.normalization["backbone"]
    assert row == Normalization(kind="BatchNormalization", momentum=0.97, epsilon=0.001, layers=31, frozen=0)
    assert start.loaded is None and start.frozen_layers == 0
    assert any("the backbone starts from random weights" in warning for warning in start.warnings)
    # 40 steps * 0.03 is 1.2 times the memory of the average, less than 5.
    told = "momentum 0.97 of backbone and neck does not settle in 40 steps; set model.batch_norm_momentum=0.87"
    assert any(told in warning for warning in start.warnings)
    assert not any("settle" in warning for warning in start_report(network, report, steps=200).warnings)
    assert any("0.97 of backbone" in warning for warning in start_report(network, report, steps=4).warnings)
    halved = build_network(dataclasses.replace(MODEL, batch_norm_momentum=0.5), num_classes=3, anchors=COCO_ANCHORS)
    assert not any("settle" in warning for warning in start_report(halved, report, steps=4).warnings), "nothing less would help"
    text = format_start(start)
    assert "pixels: value * 0.003922 + 0" in text and "backbone: 31 BatchNormalization, momentum 0.97, epsilon 0.001" in text


def test_activation_memory_is_that_of_every_output(report):
    x = images = keras.Input((None, None, 3))
    x = keras.layers.Rescaling(1.0, name="pixel_scaling")(x)  # 8 x 12 x 3 = 288 values
    x = keras.layers.Conv2D(5, 3, 2, padding="same", name="neck_conv")(x)  # 4 x 6 x 5 = 120
    x = keras.layers.GlobalAveragePooling2D(name="head_pool")(x)  # 5
    start = start_report(keras.Model(images, x), dataclasses.replace(report, image_size=(8, 12)))
    megabytes = {"backbone": 288 * 4e-6, "adapters": 0, "neck": 120 * 4e-6, "head": 5 * 4e-6, "total": 413 * 4e-6}
    assert start.activation_megabytes == pytest.approx(megabytes)


def test_what_was_loaded_and_frozen(network, report):
    loaded = tuple(layer.name for layer in network.layers if layer.weights and layer.name.startswith("backbone"))
    weights = LoadedWeights(path="a.keras", loaded=loaded, other_shape=(), missing=(), unused=())
    start = start_report(network, report, loaded=weights, frozen=frozen_layers(network, ("backbone",)), steps=40)
    assert start.loaded["backbone"] == (155, 155) and start.loaded["neck"] == (0, 130)
    assert (
        start.network.initial_weights
        == start.to_json()["initial_weights"]
        == {"backbone": "a.keras", "adapters": "absent", "neck": "random", "head": "random"}
    )
    assert start.frozen_layers == len(loaded) == 62
    assert not any("random" in warning for warning in start.warnings)
    assert any("momentum 0.97 of neck does not settle" in warning for warning in start.warnings), "the backbone is frozen"
    text = format_start(start)
    assert "31 frozen (inference mode)" in text and "backbone: 155 of 155 tensors from model.weights" in text


def test_a_neck_that_outweighs_the_backbone_is_named(network, report):
    params = {"backbone": 10, "adapters": 0, "neck": 87, "head": 3, "total": 100}
    warnings = start_report(network, dataclasses.replace(report, trainable_params=params)).warnings
    assert "the neck is 87% of the parameters: this comparison hides the backbone" in warnings
