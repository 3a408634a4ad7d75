"""Smaller networks of real architectures against the large ones whose channels are dead."""

import detector_files
import keras
import numpy as np
import pytest

from yolo_tf.config import ModelConfig
from yolo_tf.heads.anchor.anchors import COCO_ANCHORS
from yolo_tf.models.backbones.repvgg import build_repvgg
from yolo_tf.models.network import build_network
from yolo_tf.models.reports.cost import count_macs
from yolo_tf.surgery.pruning.channel_flow import follow_channels
from yolo_tf.surgery.pruning.channels import kept_count, removed_channels, without_channels
from yolo_tf.surgery.reparameterize import deploy_form

AMOUNT = 0.4
SLOW = ["efficientnetb0", "ghostnet", "repvgg_a0", "repvgg_b1g2", "densenet121", "convnext_tiny", "xception", "vgg16"]
SLOW += ["yolov4_csp", "resnet18", "resnet50v2", "inceptionv3", "nasnetmobile", "inceptionresnetv2", "mobilenetv2"]
FAST = ["csp_darknet", "mobilenetv3small"]


def lively_network(backbone):
    """Returns a network with random batch norms, so that no channel is like another and none is dead."""
    keras.utils.set_random_seed(3)
    network = build_network(ModelConfig(backbone=backbone, width=0.25), num_classes=3, anchors=COCO_ANCHORS)
    detector_files.disturb_batch_norms(network, np.random.default_rng(3))
    return network


def kill(network, flow, dead):
    """Makes channels zero wherever they are made or normalised: kernel columns, biases, gammas, betas and means.

    Inception's batch norms have no gamma: there it is the mean of zero that keeps a dead channel at zero.
    """
    for name, cut in flow.cuts.items():
        layer = network.get_layer(name)
        for weight in layer.weights:
            for axis in cut.weights.get(weight.name, ()):
                if axis.reads or weight.name == "moving_variance":
                    continue
                values = weight.numpy()
                values[(*[slice(None)] * axis.number, np.isin(flow.ids.roots(axis.ids), list(dead)))] = 0
                weight.assign(values)


@pytest.mark.parametrize("backbone", FAST + [pytest.param(name, marks=pytest.mark.long) for name in SLOW])
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
    sizes = [count_macs(model, image_size=(64, 96))["total"] for model in (network, smaller)]
    assert sizes[1] < {"convnext_tiny": 0.7, "repvgg_b1g2": 0.97}.get(backbone, 0.5) * sizes[0]
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


def weakest_half(kernel, gamma):
    """Returns the places of those of 16 channels that go at 0.5: filters `kernel`, and a batch norm if `gamma` is given."""
    images = keras.Input((None, None, 1))
    first = keras.layers.Conv2D(16, 1, use_bias=False, name="first")
    x = first(images)
    if gamma is not None:
        norm = keras.layers.BatchNormalization()
        x = norm(x)
        norm.gamma.assign(gamma)
    network = keras.Model(images, keras.layers.Conv2D(1, 1)(x))
    first.set_weights([np.reshape(kernel, (1, 1, 1, 16))])
    flow = follow_channels(network)
    removed = removed_channels(network, flow, 0.5)
    smaller = without_channels(network, flow, removed)
    places = [place for place, root in enumerate(flow.groups[0].roots) if root in removed]
    np.testing.assert_array_equal(smaller.get_layer("first").kernel.numpy().ravel(), np.delete(kernel, places).astype(np.float32))
    return places


def test_what_a_channel_counts_for():
    signs = np.array([1, -1] * 8)
    rising = np.arange(1.0, 17.0) * signs
    assert weakest_half(rising, None) == [0, 1, 2, 3, 4, 5, 6, 7]
    assert weakest_half(rising, rising[::-1]) == [8, 9, 10, 11, 12, 13, 14, 15]
    constant = np.where(np.arange(16) == 2, 0.0, rising)  # behind a large gamma
    assert weakest_half(constant, rising[::-1]) == [2, 9, 10, 11, 12, 13, 14, 15]


def test_layers_that_are_added_count_alike_whatever_their_scale():
    """Norms 1, 2 ... 16 (one is 90) beside 1600, 1500 ... 100: the outlier decides, though 90 is little beside 800."""
    images = keras.Input((None, None, 1))
    small, large = (keras.layers.Conv2D(16, 1, name=name) for name in ("small", "large"))
    network = keras.Model(images, keras.layers.Conv2D(1, 1)(keras.layers.Add()([small(images), large(images)])))
    values = np.arange(1.0, 17.0)
    small.kernel.assign(np.reshape(np.where(values == 9, 90, values), (1, 1, 1, 16)))
    large.kernel.assign(np.reshape(1700 - 100 * values, (1, 1, 1, 16)))
    flow = follow_channels(network)
    removed = removed_channels(network, flow, 0.5)
    # v / 13.56 falls behind (17 - v) / 8.5: the eight last places go, but for the outlier in their midst
    assert [place for place, root in enumerate(flow.groups[0].roots) if root in removed] == [7, 9, 10, 11, 12, 13, 14, 15]


def test_a_pruned_repvgg_still_has_a_deploy_form():
    """Its identity branches need equal channels in and out, in one order."""
    keras.utils.set_random_seed(0)
    images = keras.Input((None, None, 3))
    features = build_repvgg(images, widths=(32, 40, 48, 56), blocks=(2, 3, 2, 1))
    network = keras.Model(images, [keras.layers.Conv2D(2, 1)(x) for x in features])
    detector_files.disturb_batch_norms(network, np.random.default_rng(1))
    flow = follow_channels(network)
    smaller = without_channels(network, flow, removed_channels(network, flow, 0.5))
    deployed = deploy_form(smaller)
    assert smaller.get_layer("repvgg_stage4_block1_3x3_conv").filters == 32  # 28 would be left, half way between 24 and 32
    assert network.count_params() > 1.5 * smaller.count_params() > 1.5 * deployed.count_params()
    pixels = np.random.default_rng(2).normal(size=(1, 64, 96, 3)).astype(np.float32)
    for one, other in zip(smaller(pixels), deployed(pixels), strict=True):
        np.testing.assert_allclose(other, one, atol=1e-4 * np.abs(one).max())
