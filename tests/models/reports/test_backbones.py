"""Every row of BACKBONES keeps what it states: taps, cost, gradients, image sizes, files, half precision.

By default the smallest network of each family outside SLOW_FAMILIES is tested, with `-m long` all the others.
"""

import gc
import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from yolo_tf.config import ModelConfig
from yolo_tf.models.backbones import BACKBONES, STRIDES, build_backbone
from yolo_tf.models.backbones.spec import NO_WEIGHTS
from yolo_tf.models.network import build_network, network_layout
from yolo_tf.models.reports.cost import count_macs

BY_SIZE = sorted(BACKBONES, key=lambda name: BACKBONES[name].trainable_params, reverse=True)
SMALLEST = {BACKBONES[name].family: name for name in BY_SIZE}
# Built by the same rules of keras.applications as MobileNetV3 and EfficientNet; the last two have tests of their own parts.
SLOW_FAMILIES = {"DenseNet", "EfficientNetV2", "Inception-v3", "MobileNet", "MobileNetV2", "NASNet", "ResNetV2", "VGG"}
SLOW_FAMILIES |= {"Xception", "Inception-v4", "YOLOv4-CSP"}
QUICK = {name for family, name in SMALLEST.items() if family not in SLOW_FAMILIES}
ROWS = [pytest.param(name, marks=[pytest.mark.long] * (name not in QUICK)) for name in BACKBONES]
# Of the two, float16 is the one whose range can be left: batch norms of our own, of keras.applications, and layer norms.
QUICK_HALF = {(name, "mixed_float16") for name in ("csp_darknet", "efficientnetb0", "convnext_tiny")}
QUICK_HALF |= {("csp_darknet", "mixed_bfloat16")}
HALF = [
    pytest.param(name, policy, marks=[pytest.mark.long] * ((name, policy) not in QUICK_HALF))
    for name in BACKBONES
    for policy in ("mixed_float16", "mixed_bfloat16")
]


@pytest.fixture(scope="module", params=ROWS)
def row(request):
    """(BackboneSpec, keras.Model at depth and width 1) of one row, built once for its tests, then dropped."""
    keras.utils.set_random_seed(0)
    yield BACKBONES[request.param], build_backbone(request.param)
    gc.collect()  # of the row before: layers and tensors hold each other, gigabytes of them in the largest


def pixels(count, height, width):
    return np.random.default_rng(1).uniform(0, 255, (count, height, width, 3)).astype(np.float32)


def test_taps_have_the_stated_strides_and_channels(row):
    spec, backbone = row
    assert tuple(tap.stride for tap in spec.taps) == STRIDES
    assert [backbone.get_layer(tap.layer).output for tap in spec.taps] == backbone.outputs
    for height, width in ((640, 640), (320, 416)):
        assert backbone.compute_output_shape((5, height, width, 3)) == [
            (5, height // tap.stride, width // tap.stride, tap.channels) for tap in spec.taps
        ]


def test_cost_is_the_stated_one(row):
    spec, backbone = row
    assert sum(math.prod(variable.shape) for variable in backbone.trainable_variables) == spec.trainable_params
    assert 2 * count_macs(backbone, image_size=(640, 640))["backbone"] / 1e9 == pytest.approx(spec.gflops, rel=1e-3)


@pytest.mark.parametrize("training", [pytest.param(True, marks=pytest.mark.long), False])
def test_every_variable_gets_a_gradient(row, training):
    _, backbone = row
    rng = np.random.default_rng(2)
    with tf.GradientTape() as tape:
        features = backbone(pixels(7, 64, 96), training=training)  # 7: no block is dropped from all of them
        # Random weights: of a normalised feature a plain sum or mean is constant.
        total = tf.add_n([tf.reduce_sum(feature / tf.norm(feature) * rng.normal(size=feature.shape)) for feature in features])
    gradients = tape.gradient(total, backbone.trainable_variables)
    for variable, gradient in zip(backbone.trainable_variables, gradients, strict=True):
        assert np.isfinite(gradient).all(), variable.path
        # A shift before the next batch norm is taken away by it when that uses the batch's own mean, and only then.
        cancels = training and variable.path.endswith(("/beta", "/bias"))
        assert cancels or np.abs(gradient).max() > 0, variable.path


def test_features_at_another_size(row):
    spec, backbone = row
    for feature, tap in zip(backbone(pixels(1, 96, 160)), spec.taps, strict=True):
        assert feature.shape == (1, 96 // tap.stride, 160 // tap.stride, tap.channels)
        assert np.isfinite(feature).all() and np.std(feature) > 0


@pytest.mark.long
def test_a_file_gives_the_same_features(row, tmp_path):
    _, backbone = row
    images = pixels(1, 320, 416)
    backbone.save(tmp_path / "backbone.keras")
    opened = keras.models.load_model(tmp_path / "backbone.keras", compile=False)
    for feature, expected in zip(opened(images), backbone(images), strict=True):
        np.testing.assert_array_equal(feature, expected)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "policy"), HALF)
def test_detector_in_half_precision_predicts_in_float32(name, policy):
    model = ModelConfig(backbone=name, neck="fpn", depth=0.33, width=0.125)
    keras.config.set_dtype_policy(policy)
    try:
        detector = build_network(model, num_classes=4, anchors=network_layout(model))
    finally:
        keras.config.set_dtype_policy("float32")
    assert {weight.dtype for weight in detector.trainable_weights} == {"float32"}
    of_backbone = [layer for layer in detector.layers if layer.trainable_weights and not layer.name.startswith(("neck", "head"))]
    assert {layer.compute_dtype for layer in of_backbone} == {policy.removeprefix("mixed_")}
    assert detector.get_layer("pixel_scaling").compute_dtype == "float32"
    for stride, raw in zip(STRIDES, detector(pixels(2, 64, 96), training=True), strict=True):
        assert raw.dtype == "float32" and raw.shape == (2, 64 // stride, 96 // stride, 3, 9)
        assert np.isfinite(raw).all() and np.std(raw[..., 0]) > 0


def test_a_row_without_published_weights_states_no_licence_of_them():
    for name, spec in BACKBONES.items():
        assert bool(spec.weights_licence) == (spec.weights != NO_WEIGHTS), name
        assert spec.family and spec.licence, name
