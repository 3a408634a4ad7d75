"""Smaller networks of real architectures against the large ones whose channels are dead."""

import detector_files
import keras
import numpy as np
import pytest

from yolo_tf.anchors import COCO_ANCHORS
from yolo_tf.config import ModelConfig
from yolo_tf.models.network import build_network
from yolo_tf.models.report import count_macs
from yolo_tf.pruning.channel_flow import follow_channels
from yolo_tf.pruning.channels import kept_count, removed_channels, without_channels

AMOUNT = 0.4
SLOW = ["efficientnetb0", "ghostnet", "repvgg_a0", "repvgg_b1g2", "densenet121", "convnext_tiny", "xception", "vgg16"]
SLOW += ["yolov4_csp", "resnet50v2", "inceptionv3", "nasnetmobile", "inceptionresnetv2"]
FAST = ["csp_darknet", "mobilenetv2", "mobilenetv3small", "resnet18"]


def lively_network(backbone):
    """Returns a network with random batch norms, so that no channel is like another and none is dead."""
    keras.utils.set_random_seed(3)
    network = build_network(ModelConfig(backbone=backbone, width=0.25), num_classes=3, anchors=COCO_ANCHORS)
    detector_files.disturb_batch_norms(network, np.random.default_rng(3))
    return network


def kill(network, flow, dead):
    """Makes channels zero wherever they are made or normalised: kernel columns, biases, gammas and betas."""
    for name, cut in flow.cuts.items():
        layer = network.get_layer(name)
        for weight in layer.weights:
            for axis in cut.weights.get(weight.name, ()):
                if axis.reads or weight.name.startswith("moving_"):
                    continue
                values = weight.numpy()
                values[(*[slice(None)] * axis.number, np.isin(flow.ids.roots(axis.ids), list(dead)))] = 0
                weight.assign(values)


@pytest.mark.parametrize("backbone", FAST + [pytest.param(name, marks=pytest.mark.slow) for name in SLOW])
def test_dead_channels_are_found_and_nobody_misses_them(backbone):
    """In every group the channels that have to go are dead: the choice finds them, and all predictions stay the same."""
    network = lively_network(backbone)
    flow, rng = follow_channels(network), np.random.default_rng(4)
    dead = set()
    for group in flow.groups:
        if not group.reason:
            count = len(group.roots) - kept_count(len(group.roots), AMOUNT)
            dead.update(rng.choice(group.roots, count, replace=False).tolist())
    kill(network, flow, dead)
    removed = removed_channels(network, flow, AMOUNT)
    assert removed == dead
    smaller = without_channels(network, flow, removed)
    images = rng.uniform(0, 255, (1, 64, 96, 3)).astype(np.float32)
    for one, other in zip(network(images), smaller(images), strict=True):
        scale = np.abs(one).max()
        assert np.std(one) > 0 and np.abs(np.subtract(one, other)).max() <= 1e-5 * max(scale, 1)
    sizes = [sum(count_macs(model, image_size=(64, 96)).values()) for model in (network, smaller)]
    assert sizes[1] < (0.65 if backbone not in ("convnext_tiny", "repvgg_b1g2") else 0.95) * sizes[0]
    assert smaller.input_shape == network.input_shape and smaller.output_shape == network.output_shape


def test_all_channels_of_a_detector_may_go_but_for_its_predictions():
    network = lively_network("csp_darknet")
    groups = follow_channels(network).groups
    assert sorted(layer for group in groups if group.reason for layer in group.layers) == ["head_p3", "head_p4", "head_p5"]
    made = {layer for group in groups for layer in group.layers}
    assert made == {layer.name for layer in network.layers if isinstance(layer, keras.layers.Conv2D)}
    # the two bottlenecks of this stage are added to what enters them
    stage = "backbone_stage2_csp"
    together = (f"{stage}_main_conv", *(f"{stage}_bottleneck{index}_3x3_conv" for index in range(2)))
    assert sorted(together) in [sorted(group.layers) for group in groups]


def test_how_many_channels_stay():
    assert kept_count(64, 0.3) == 48  # 44.8
    assert kept_count(16, 0.3) == 8  # 11.2
    assert kept_count(16, 0.9) == 8 and kept_count(6, 0.9) == 6
    assert kept_count(20, 0.2) == 16 and kept_count(20, 0.01) == 20  # 16 and 19.8
    assert kept_count(32, 0.01) == 32


def two_convolutions(kernel, gamma, variance):
    images = keras.Input((None, None, 1))
    first = keras.layers.Conv2D(16, 1, use_bias=False, name="first")
    norm = keras.layers.BatchNormalization(epsilon=0.0)
    network = keras.Model(images, keras.layers.Conv2D(1, 1)(norm(first(images))))
    first.set_weights([np.reshape(kernel, (1, 1, 1, 16))])
    norm.set_weights([gamma, np.zeros(16), np.zeros(16), variance])
    return network


def test_a_channel_counts_as_the_filter_that_inference_runs():
    """Half of 16 go. Filters are 1, 2 ... 16 before the batch norm, which makes them 16, 15 ... 1: the last eight go."""
    kernel = np.arange(1.0, 17.0) * np.array([1, -1] * 8)
    gamma, deviation = np.arange(16.0, 0.0, -1.0), np.arange(1.0, 17.0)
    network = two_convolutions(kernel, gamma, deviation**2)
    flow = follow_channels(network)
    kept = [root for root in flow.groups[0].roots if root not in removed_channels(network, flow, 0.5)]
    assert [list(flow.groups[0].roots).index(root) for root in kept] == list(range(8))
    smaller = without_channels(network, flow, removed_channels(network, flow, 0.5))
    np.testing.assert_allclose(smaller.get_layer("first").kernel.numpy().ravel(), kernel[:8])
