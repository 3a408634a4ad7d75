import dataclasses

import detector_files
import keras
import numpy as np
import pytest

from yolo_tf import export
from yolo_tf.config import ModelConfig
from yolo_tf.export import EXPORTERS, export_detector
from yolo_tf.files import FORMATS
from yolo_tf.models.backbones import build_backbone
from yolo_tf.models.backbones.repvgg import build_repvgg, repvgg_block
from yolo_tf.models.network import build_network
from yolo_tf.models.reports.cost import count_macs
from yolo_tf.pictures.generated_images import generated_images
from yolo_tf.surgery.fold import fold_batch_norm
from yolo_tf.surgery.reparameterize import deploy_form

# parameters and GFLOPs at 640 x 640 of the backbone with one convolution a block
DEPLOYED = {
    "repvgg_a0": (7_028_384, 22.207),
    "repvgg_a1": (11_508_864, 38.574),
    "repvgg_a2": (24_090_944, 83.519),
    "repvgg_b0": (13_058_048, 49.899),
    "repvgg_b1": (49_780_480, 192.872),
    "repvgg_b2": (77_754_112, 299.984),
    "repvgg_b3": (108_399_872, 427.858),
    "repvgg_b1g2": (39_311_104, 143.799),
    "repvgg_b1g4": (34_076_416, 119.262),
    "repvgg_b2g2": (61_395_712, 223.307),
    "repvgg_b2g4": (53_216_512, 184.969),
    "repvgg_b3g2": (84_843_776, 317.443),
    "repvgg_b3g4": (73_065_728, 262.236),
}
BIG = [name for name in DEPLOYED if name != "repvgg_a0"]


def make_lively(network, seed=1):
    """Gives every batch norm the statistics of pictures, and a gamma and beta of its own."""
    rng = np.random.default_rng(seed)
    batch_norms = [layer for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization)]
    for layer in batch_norms:
        layer.gamma.assign(rng.uniform(0.5, 1.5, layer.gamma.shape))
        layer.beta.assign(rng.normal(0, 0.3, layer.beta.shape))
        layer.momentum = 0.5  # half of 1 stays in each variance, so that no factor is huge
    network(generated_images((96, 160), count=4, seed=3).astype(np.float32), training=True)
    assert all(np.ptp(layer.moving_variance) > 0 for layer in batch_norms)


def small_detector(groups=2):
    """A detector on a narrow RepVGG: stem, strided, grouped and identity blocks; A = 2, C = 3."""
    keras.utils.set_random_seed(0)
    images = keras.Input((None, None, 3), name="images")
    pixels = keras.layers.Rescaling(1 / 255)(images)
    features = build_repvgg(pixels, widths=(8, 12, 16, 20), blocks=(2, 3, 2, 1), groups=groups)
    outputs = []
    for x in features:
        raw = keras.layers.BatchNormalization()(keras.layers.Conv2D(2 * (5 + len(detector_files.CLASS_NAMES)), 1)(x))
        raw = keras.ops.stack(keras.ops.split(raw, 2, axis=-1), axis=3)
        outputs.append(keras.layers.Activation("linear", dtype="float32")(raw))
    network = keras.Model(images, outputs, name="small")
    make_lively(network)
    return network


def assert_same_predictions(network, other):
    images = generated_images((64, 96), count=2, seed=4).astype(np.float32)
    for expected, found in zip(network(images, training=False), other(images, training=False), strict=True):
        assert np.std(expected) > 0.01
        np.testing.assert_allclose(found, expected, atol=1e-4)


def kernels_of_blocks(network):
    return [layer.name for layer in network.layers if isinstance(layer, keras.layers.Conv2D) and "repvgg_" in layer.name]


def test_a_grouped_block_by_hand():
    """Two channels in two groups, all batch norms neutral: w * x + v * x + x, one kernel of w, v and 1 at the centre."""
    images = keras.Input((None, None, 2))
    network = keras.Model(images, repvgg_block(images, 2, groups=2, name="repvgg_b"))
    kernel, centre = np.arange(18.0).reshape(3, 3, 1, 2), np.array([100.0, 200.0]).reshape(1, 1, 1, 2)
    network.get_layer("repvgg_b_3x3_conv").set_weights([kernel])
    network.get_layer("repvgg_b_1x1_conv").set_weights([centre])
    for branch, (gamma, mean) in {"3x3": (1, 0), "1x1": (1, 0), "identity": (2, 3)}.items():
        epsilon = 1e-5
        batch_norm = network.get_layer(f"repvgg_b_{branch}_batch_norm")
        batch_norm.set_weights([np.full(2, value) for value in (gamma, 0.5, mean, 1 - epsilon)])
    deployed = deploy_form(network)
    assert [layer.name for layer in deployed.layers[1:]] == ["repvgg_b_conv", "repvgg_b_relu"]
    kernel[1, 1, 0] += [100 + 2, 200 + 2]
    found, bias = deployed.get_layer("repvgg_b_conv").get_weights()
    np.testing.assert_allclose(found, kernel, rtol=1e-6)
    np.testing.assert_allclose(bias, [0.5 + 0.5 + 0.5 - 2 * 3] * 2, rtol=1e-6)


@pytest.mark.parametrize("groups", [1, pytest.param(2, id="grouped"), pytest.param(4, marks=pytest.mark.long)])
def test_a_small_detector_predicts_the_same(groups):
    network = small_detector(groups)
    before = [weight.copy() for weight in network.get_weights()]
    deployed = deploy_form(network)
    assert len(kernels_of_blocks(network)) == 2 * 9 and len(kernels_of_blocks(deployed)) == 9
    assert_same_predictions(network, deployed)
    assert_same_predictions(network, fold_batch_norm(deployed))
    for weight, old in zip(network.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, old)


@pytest.mark.parametrize("backbone", ["repvgg_a0", pytest.param("repvgg_b1g4", marks=pytest.mark.long)])
def test_a_whole_detector_predicts_the_same(backbone):
    keras.utils.set_random_seed(0)
    model = ModelConfig(backbone=backbone, width=0.125)
    network = build_network(model, num_classes=6, anchors=detector_files.ANCHORS)
    make_lively(network)
    deployed = deploy_form(network)
    backbone_before, after = (sum(np.prod(variable.shape) for variable in one.trainable_variables) for one in (network, deployed))
    params, gflops = DEPLOYED[backbone]
    rest = [layer for layer in network.layers if layer.name.startswith(("adapter_", "neck_", "head_"))]
    assert after == params + sum(np.prod(variable.shape) for layer in rest for variable in layer.trainable_variables)
    assert after < backbone_before
    assert 2 * count_macs(deployed, image_size=(640, 640))["backbone"] / 1e9 == pytest.approx(gflops, rel=1e-3)
    assert {layer.name for layer in rest} < {layer.name for layer in deployed.layers}
    assert_same_predictions(network, deployed)


@pytest.mark.long
@pytest.mark.parametrize("name", BIG)
def test_deployed_cost_is_the_published_one(name):
    deployed = deploy_form(build_backbone(name))
    params, gflops = DEPLOYED[name]
    assert deployed.count_params() == params
    assert 2 * count_macs(deployed, image_size=(640, 640))["backbone"] / 1e9 == pytest.approx(gflops, rel=1e-3)


def test_other_networks_stay_as_they_are():
    network = detector_files.build_network()
    assert deploy_form(network) is network


def test_a_sum_of_other_things_is_no_block():
    images = keras.Input((None, None, 3))
    x = keras.layers.BatchNormalization(name="repvgg_x_3x3_batch_norm")(images)
    network = keras.Model(images, keras.layers.Add(name="repvgg_x_add")([x, images]))
    assert deploy_form(network) is network


@pytest.mark.parametrize("format", [pytest.param("saved_model", marks=pytest.mark.long), "tflite"])
def test_export_writes_the_deploy_form(format, tmp_path, monkeypatch):
    """And compares what it wrote with the network in the file, which has all branches."""
    written = []

    def write(network, path, **options):
        written.append(network)
        EXPORTERS[format].write(network, path, **options)

    monkeypatch.setattr(export, "EXPORTERS", {format: EXPORTERS[format]._replace(write=write)})
    path = detector_files.write_detector(small_detector(), tmp_path / "small.keras")
    detect = dataclasses.replace(detector_files.DETECT, score_threshold=0.2)
    report = export_detector(path, format, tmp_path / f"out{FORMATS[format].suffix}", detect=detect)
    assert report.num_detections > 4 and 0 < report.box_difference < 0.05 and report.score_difference < 1e-4
    assert len(kernels_of_blocks(written[0])) == 9
    assert not [layer for layer in written[0].layers if isinstance(layer, keras.layers.BatchNormalization)]
