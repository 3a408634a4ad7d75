import keras
import numpy as np
import pytest

from yolo_tf.errors import InputError
from yolo_tf.files.weights import load_weights
from yolo_tf.models.backbones import BACKBONES, build_backbone, feature_channels

MEAN, DEVIATION = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])


@pytest.fixture
def images():
    return np.random.default_rng(0).uniform(0, 255, (2, 64, 96, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def efficientnet():
    """keras.applications' EfficientNetB0 with its pixel scaling completed and lively statistics."""
    network = keras.applications.EfficientNetB0(include_top=False, weights=None, input_shape=(None, None, 3))
    [scaling] = [layer for layer in network.layers if isinstance(layer, keras.layers.Normalization)]
    scaling.set_weights([MEAN, DEVIATION**2, np.array(0)])
    scaling.finalize_state()
    rng = np.random.default_rng(1)
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights([rng.uniform(0.8, 1.2, weight.shape) for weight in layer.get_weights()])
    return network


def features_of(network, taps, images):
    return keras.Model(network.input, [network.get_layer(tap).output for tap in taps])(images)


@pytest.mark.long  # test_applications.py has quick ones of other families
@pytest.mark.parametrize("suffix", [".h5", ".weights.h5"])
def test_efficientnet_from_a_file_equals_keras_applications(efficientnet, images, tmp_path, suffix):
    path = str(tmp_path / f"efficientnetb0_notop{suffix}")
    efficientnet.save_weights(path) if suffix == ".weights.h5" else efficientnet.save(path)
    expected = features_of(efficientnet, ("block3b_add", "block5c_add", "block7a_project_bn"), images)
    for feature, reference in zip(build_backbone("efficientnetb0", weights=path)(images), expected, strict=True):
        assert np.abs(reference).max() > 0.1
        np.testing.assert_allclose(feature, reference, atol=1e-4)


@pytest.mark.long
def test_convnext_with_depthwise_layers_equals_keras_applications(images, tmp_path):
    reference = keras.applications.ConvNeXtTiny(include_top=False, weights=None, input_shape=(None, None, 3))
    for layer in reference.layers:
        if layer.name.endswith("_layer_scale"):
            layer.set_weights([np.full(layer.gamma.shape, 0.5)])  # at the initial 1e-6 the branches hardly count
    path = str(tmp_path / "convnext_tiny_notop.weights.h5")
    reference.save_weights(path)
    ends = [reference.get_layer(f"convnext_tiny_downsampling_block_{index}").input for index in (1, 2)]
    expected = keras.Model(reference.input, [*ends, reference.layers[-1].input])(images)
    backbone = build_backbone("convnext_tiny", weights=path)
    for feature, reference_feature in zip(backbone(images), expected, strict=True):
        assert np.abs(reference_feature).max() > 0.1
        np.testing.assert_allclose(feature, reference_feature, atol=1e-4)


def test_feature_channels_follow_the_width_of_a_scalable_backbone_only():
    assert feature_channels(BACKBONES["csp_darknet"], width=0.25) == (64, 128, 256)
    assert feature_channels(BACKBONES["efficientnetb0"], width=0.25) == (40, 112, 320)


@pytest.mark.slow
def test_backbone_starts_from_the_weights_of_a_detector_file(images, tmp_path):
    first, second = (build_backbone("csp_darknet", depth=0.33, width=0.125) for _ in range(2))
    detector = keras.Model(first.input, keras.layers.Conv2D(7, 1, name="head_p5")(first.outputs[-1]))
    detector.save(tmp_path / "detector.keras")
    loaded = build_backbone("csp_darknet", weights=str(tmp_path / "detector.keras"), depth=0.33, width=0.125)
    features = [backbone(images, training=True) for backbone in (loaded, first, second)]  # normalised, hence not tiny
    for feature, expected, other in zip(*features, strict=True):
        np.testing.assert_allclose(feature, expected, atol=1e-4)
        assert np.abs(feature - other).max() > 0.5


def test_unknown_backbone():
    with pytest.raises(InputError, match="unknown backbone 'efficientnet_b0'. Did you mean 'efficientnetb0'"):
        build_backbone("efficientnet_b0")


@pytest.mark.parametrize("weights", ["imagenet", "weights.h5"])
def test_csp_darknet_has_no_published_weights(weights, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "weights.h5").touch()
    with pytest.raises(InputError, match=f"csp_darknet has no weights '{weights}'. Expected none or a .keras"):
        build_backbone("csp_darknet", weights=weights)


def test_missing_weights_file():
    with pytest.raises(InputError, match=r"backbone_weights: no file 'absent.h5'. Expected imagenet, none or the path"):
        build_backbone("efficientnetb0", weights="absent.h5")


def test_misspelt_weights():
    with pytest.raises(InputError, match="backbone_weights: got 'imagenett'. Expected imagenet, none"):
        build_backbone("efficientnetb0", weights="imagenett")


def test_unreadable_weights_file(tmp_path):
    path = tmp_path / "broken.h5"
    path.write_bytes(b"no weights")
    with pytest.raises(InputError, match=rf"{path}: cannot be read as weights of a Keras network .* Expected a file that keras"):
        build_backbone("mobilenetv3small", weights=str(path))


def other_network():
    """Of MobileNetV3Small it has the stem's kernel, two of the four vectors of the batch norm behind it, one kernel elsewhere."""
    images = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(16, 3, use_bias=False, name="conv")(images)
    x = keras.layers.BatchNormalization(name="conv_bn", center=False, scale=False)(x)
    network = keras.Model(images, keras.layers.Conv2D(8, 1, use_bias=False, name="elsewhere")(x))
    network.compile("adam", "mse")  # the optimizer's state has shapes of weights too
    network.optimizer.build(network.trainable_variables)
    return network


@pytest.mark.parametrize(
    ("suffix", "fit"),
    [
        (".h5", "3 of 206 tensors fit MobileNetV3Small by layer name and shape"),
        (".weights.h5", "4 of 206 tensors fit MobileNetV3Small by shape alone"),  # which no longer says where a tensor belongs
    ],
)
def test_weights_of_another_network(tmp_path, suffix, fit):
    path = str(tmp_path / f"other{suffix}")
    network = other_network()
    network.save_weights(path) if suffix == ".weights.h5" else network.save(path)
    with pytest.raises(InputError) as raised:
        build_backbone("mobilenetv3small", weights=path)
    message = str(raised.value)
    assert message.startswith(f"{path}: holds the weights of another network: {fit} (") and "\n" not in message
    assert "Expected a file that keras.applications.MobileNetV3Small(include_top=False) loads." in message
    assert message.endswith("Check config.model.backbone and backbone_weights.")


def test_detector_file_that_is_none(tmp_path):
    path = tmp_path / "broken.keras"
    path.write_bytes(b"no zip")
    with pytest.raises(InputError, match=r"broken.keras: cannot be read as a Keras network"):
        build_backbone("csp_darknet", weights=str(path), depth=0.33, width=0.125)


@pytest.mark.slow
def test_detector_file_of_another_width_or_depth(tmp_path):
    path = str(tmp_path / "narrow.keras")
    build_backbone("csp_darknet", depth=0.33, width=0.125).save(path)
    wide, deep = (build_backbone("csp_darknet", depth=depth, width=width) for depth, width in ((0.33, 0.25), (0.67, 0.125)))
    found = r"of layer 'backbone_stem_conv' it has \[\(6, 6, 3, 8\)\], not \[\(6, 6, 3, 16\)\]. Expected a detector with the same"
    with pytest.raises(InputError, match=f"narrow.keras: holds the weights of another network: 0 of 155 tensors .*; {found}"):
        load_weights(wide, path, whole=True)
    before = deep.get_weights()
    fit = f"{len(wide.weights)} of {len(before)} tensors fit csp_darknet by layer name and shape"
    found = "of layer 'backbone_stage1_csp_bottleneck1_1x1_conv' it has none, not .* Check config.model.backbone, depth and width"
    with pytest.raises(InputError, match=f"{fit}; {found}"):
        load_weights(deep, path, whole=True)
    for weights, unchanged in zip(deep.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weights, unchanged)


def test_imagenet_weights_without_a_network(monkeypatch):
    def fail(*arguments, origin=None, **keywords):
        raise Exception(f"URL fetch failure on {arguments[1]}: None -- [Errno -2] Name or service not known")

    monkeypatch.setattr("keras.src.utils.file_utils.get_file", fail)
    with pytest.raises(InputError, match=r"'efficientnetb0_notop.h5' of keras.applications cannot be downloaded") as raised:
        build_backbone("efficientnetb0", weights="imagenet")
    assert "Expected it in ~/.keras/models. Put the file there" in str(raised.value)
    assert "\n" not in str(raised.value)
