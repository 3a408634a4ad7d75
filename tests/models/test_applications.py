import keras
import numpy as np
import pytest

from yolo_tf.config import ModelConfig
from yolo_tf.heads.anchor.anchors import COCO_ANCHORS
from yolo_tf.models.backbones import BACKBONES, build_backbone
from yolo_tf.models.backbones.application_rows import ROWS
from yolo_tf.models.backbones.applications import build_application
from yolo_tf.models.network import build_network

# One network per family, with what prepares RGB pixels 0..255 for it; None: the network does that itself.
REFERENCES = {
    "efficientnetv2b0": ("EfficientNetV2B0", None),
    "efficientnetv2s": ("EfficientNetV2S", None),
    "mobilenet": ("MobileNet", keras.applications.mobilenet.preprocess_input),
    "mobilenetv2": ("MobileNetV2", keras.applications.mobilenet_v2.preprocess_input),
    "mobilenetv3small": ("MobileNetV3Small", None),
    "mobilenetv3large": ("MobileNetV3Large", None),
    "densenet121": ("DenseNet121", keras.applications.densenet.preprocess_input),
    "resnet50": ("ResNet50", keras.applications.resnet.preprocess_input),
    "resnet50v2": ("ResNet50V2", keras.applications.resnet_v2.preprocess_input),
    "xception": ("Xception", keras.applications.xception.preprocess_input),
    "inceptionv3": ("InceptionV3", keras.applications.inception_v3.preprocess_input),
    "inceptionresnetv2": ("InceptionResNetV2", keras.applications.inception_resnet_v2.preprocess_input),
    "nasnetmobile": ("NASNetMobile", keras.applications.nasnet.preprocess_input),
    "vgg16": ("VGG16", keras.applications.vgg16.preprocess_input),
}
QUICK = {"mobilenetv3small", "vgg16"}
FAMILIES = [pytest.param(name, marks=[pytest.mark.long] * (name not in QUICK)) for name in REFERENCES]


@pytest.fixture
def images():
    return np.random.default_rng(0).uniform(0, 255, (2, 96, 160, 3)).astype(np.float32)


def application(constructor):
    """A keras.applications network of the size of `images`, its batch norms not neutral."""
    network = getattr(keras.applications, constructor)(include_top=False, weights=None, input_shape=(96, 160, 3))
    rng = np.random.default_rng(1)
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights([rng.uniform(0.8, 1.2, weight.shape) for weight in layer.get_weights()])
    return network


def padded_everywhere(network):
    """The same network and weights, with every "valid" of its layers made "same"."""

    def clone(layer):
        config = layer.get_config()
        return type(layer).from_config(config | ({"padding": "same"} if config.get("padding") == "valid" else {}))

    padded = keras.models.clone_model(network, clone_function=clone)
    padded.set_weights(network.get_weights())
    return padded


@pytest.mark.slow
@pytest.mark.parametrize("name", FAMILIES)
def test_features_from_a_file_equal_keras_applications(name, images, tmp_path):
    constructor, prepare = REFERENCES[name]
    reference = application(constructor)
    path = str(tmp_path / "notop.weights.h5")
    reference.save_weights(path)
    if name.startswith("inception"):
        reference = padded_everywhere(reference)
    taps = [tap.layer for tap in BACKBONES[name].taps]
    pixels = images if prepare is None else prepare(images.copy())
    expected = keras.Model(reference.input, [reference.get_layer(tap).output for tap in taps])(pixels)
    for feature, reference_feature in zip(build_backbone(name, weights=path)(images), expected, strict=True):
        largest = np.abs(reference_feature).max()
        assert largest > 0.1
        np.testing.assert_allclose(feature, reference_feature, atol=1e-4 * max(largest, 1))


@pytest.mark.slow
@pytest.mark.parametrize("name", FAMILIES)
def test_layers_are_named_alike_in_every_build_and_public(name):
    first, second = build_backbone(name), build_backbone(name)
    names = [layer.name for layer in first.layers]
    assert [layer.name for layer in second.layers] == names
    assert not [name for name in names if name.startswith(("adapter_", "neck_", "head_"))]
    assert all(isinstance(operation, keras.Layer) for operation in first.operations)
    assert {type(layer) for layer in first.layers} <= {getattr(keras.layers, type(layer).__name__) for layer in first.layers}


@pytest.mark.long
def test_numbered_layers_take_their_weights_from_a_file(images, tmp_path):
    build_backbone("xception").save(tmp_path / "first.keras")
    saved = keras.models.load_model(tmp_path / "first.keras")
    assert {"conv2d", "conv2d_3", "batch_normalization_3", "add_11"} <= {layer.name for layer in saved.layers}
    loaded = build_backbone("xception", weights=str(tmp_path / "first.keras"))
    for feature, expected in zip(loaded(images), saved(images), strict=True):
        np.testing.assert_allclose(feature, expected, atol=1e-4)


@pytest.mark.long
@pytest.mark.parametrize("name", ["inceptionv3", "inceptionresnetv2"])
def test_padding_leaves_the_first_windows_where_they_were(name, images, tmp_path):
    """Of the three convolutions of the stem, cells inside the border are those of the published network."""
    reference = application(REFERENCES[name][0])
    path = str(tmp_path / "notop.weights.h5")
    reference.save_weights(path)
    backbone = build_backbone(name, weights=path)
    convolution = [layer for layer in reference.layers if isinstance(layer, keras.layers.Conv2D)][1]
    published = keras.Model(reference.input, convolution.output)(images / 127.5 - 1)
    padded = keras.Model(backbone.input, backbone.get_layer("conv2d_1").output)(images)
    assert (published.shape[1:3], padded.shape[1:3]) == ((45, 77), (48, 80))
    np.testing.assert_allclose(padded[:, 1:46, 1:78], published, atol=1e-4)


def test_pixels_are_scaled_as_the_published_weights_want():
    scalings = {
        name: ROWS[name].pixel_scaling for name in ("resnet101", "vgg19", "efficientnetv2l", "nasnetmobile", "densenet201")
    }
    pixel = np.array([255, 128, 0])
    scaled = {name: pixel * np.array(scale) + np.array(offset) for name, (scale, offset) in scalings.items()}
    np.testing.assert_allclose(scaled["resnet101"], [131.32, 11.221, -103.939])  # minus 123.68, 116.779, 103.939
    np.testing.assert_allclose(scaled["vgg19"], [131.32, 11.221, -103.939])
    np.testing.assert_allclose(scaled["efficientnetv2l"], [0.9921875, 0, -1])  # / 128 - 1
    np.testing.assert_allclose(scaled["nasnetmobile"], [1, 0.0039216, -1], atol=1e-6)  # / 127.5 - 1
    np.testing.assert_allclose(scaled["densenet201"], [2.2489, 0.2052, -1.8044], atol=1e-4)


@pytest.fixture
def small_convnext(monkeypatch):
    """Returns a function that builds a ConvNeXt of blocks 1, 1, 2, 1 with a drop rate, whose branches are large."""
    from keras.src.applications.convnext import ConvNeXt

    def constructor(**options):
        network = ConvNeXt((1, 1, 2, 1), (8, 16, 24, 32), name="convnext_tiny", layer_scale_init_value=1.0, **options)
        rng = np.random.default_rng(2)
        network.set_weights([rng.normal(0, 0.3, weight.shape) for weight in network.get_weights()])
        return network

    def build(**options):
        images = keras.Input((None, None, 3))
        taps = [f"convnext_tiny_stage_{stage}_block_{block}_add" for stage, block in ((1, 0), (2, 1), (3, 0))]
        features = build_application(images, constructor=constructor, taps=taps, weights="none", **options)
        return keras.Model(images, list(features))

    return build


def test_drop_path_changes_nothing_but_training(small_convnext, images):
    plain, dropping = small_convnext(), small_convnext(drop_path=0.5)
    assert [layer.name for layer in dropping.layers if layer.weights] == [layer.name for layer in plain.layers if layer.weights]
    for feature, expected in zip(dropping(images / 255), plain(images / 255), strict=True):
        np.testing.assert_array_equal(feature, expected)
    for feature, other in zip(dropping(images / 255, training=True), plain(images / 255, training=True), strict=True):
        assert np.abs(feature - other).max() > 0.01  # each tap lies behind a block that is dropped or scaled up


def test_drop_path_rises_over_the_blocks(small_convnext):
    network = small_convnext(drop_path=0.4)
    rates = {layer.name: layer.rate for layer in network.layers if isinstance(layer, keras.layers.Dropout)}
    blocks = ["stage_1_block_0", "stage_2_block_0", "stage_2_block_1", "stage_3_block_0"]  # not stage_0_block_0: rate 0
    assert list(rates) == [f"convnext_tiny_{block}_drop_path" for block in blocks]
    assert list(rates.values()) == pytest.approx([0.1, 0.2, 0.3, 0.4])


def test_drop_path_drops_the_whole_branch_of_some_images(small_convnext):
    keras.utils.set_random_seed(3)
    network = small_convnext(drop_path=0.8)
    block = "convnext_tiny_stage_3_block_0"
    branches = [network.get_layer(f"{block}_{name}").output for name in ("layer_scale", "drop_path")]
    images = np.random.default_rng(0).uniform(0, 1, (40, 64, 96, 3)).astype(np.float32)
    branch, dropped = (tensor.numpy() for tensor in keras.Model(network.input, branches)(images, training=True))
    kept = np.array([image.any() for image in dropped])
    assert 0.05 < kept.mean() < 0.45  # 0.2 of 40 images, three deviations
    np.testing.assert_allclose(dropped[kept], branch[kept] / (1 - 0.8), rtol=1e-5)
    assert np.abs(branch[~kept]).max(axis=(1, 2, 3)).min() > 0.01


@pytest.mark.long
def test_drop_path_of_the_config_reaches_the_network():
    model = ModelConfig(backbone="convnext_tiny", drop_path=0.34, width=0.125)
    network = build_network(model, num_classes=5, anchors=COCO_ANCHORS)
    rates = [layer.rate for layer in network.layers if isinstance(layer, keras.layers.Dropout)]
    assert rates == pytest.approx([0.02 * block for block in range(1, 18)])  # of 18 blocks


def test_drop_path_belongs_to_convnext():
    with pytest.raises(ValueError, match="drop_path 0.1 for MobileNetV3Small, which has no blocks of ConvNeXt"):
        build_backbone("mobilenetv3small", drop_path=0.1)
