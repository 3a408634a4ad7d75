"""A user's own Keras model as a backbone: a small network with sums, a widened block and a squeeze."""

import keras
import numpy as np
import pytest

from yolo_tf.config import ModelConfig
from yolo_tf.errors import InputError
from yolo_tf.heads.anchor.anchors import COCO_ANCHORS
from yolo_tf.models.backbones.keras_model import (
    build_keras_model,
    check_model,
    check_taps,
    find_taps,
    keras_model_backbone,
    layer_strides,
    read_keras_model,
)
from yolo_tf.models.network import build_network


def own_model(*, last_stride=2, shape=(None, None, 3), first="first", name="mine"):
    """Strides 2, 4, 8, 16 and 32; at 8 a sum with its activation, then the widened inside of the next block."""
    keras.utils.set_random_seed(0)
    images = keras.Input(shape)
    x = keras.layers.Conv2D(4, 3, 4, padding="same", name=first)(images)
    x = keras.layers.Conv2D(6, 3, 2, padding="same", name="down8")(x)
    branch = keras.layers.Conv2D(6, 3, padding="same", name="branch8")(x)
    squeeze = keras.layers.GlobalAveragePooling2D(keepdims=True, name="squeeze8")(branch)
    x = keras.layers.Add(name="sum8")([x, keras.layers.Multiply(name="scaled8")([branch, squeeze])])
    x = keras.layers.BatchNormalization(name="norm8")(x)
    x = keras.layers.ReLU(name="out8")(x)
    x = keras.layers.Conv2D(36, 1, name="widened8")(x)
    x = keras.layers.Conv2D(10, 3, 2, padding="same", name="down16")(x)
    left, right = (keras.layers.Conv2D(5, 1, name=f"{side}16")(x) for side in ("left", "right"))
    x = keras.layers.Concatenate(name="joined16")([left, right])
    outputs = keras.layers.Conv2D(14, 3, last_stride, padding="same", name="down32")(x)
    return keras.Model(images, outputs, name=name)


def test_taps_are_the_ends_of_the_last_blocks():
    model = own_model()
    assert find_taps(model) == ("out8", "joined16", "down32")  # not widened8; the last stride is a plain chain
    assert layer_strides(model) == {
        **dict.fromkeys(["first"], 4),
        **dict.fromkeys(["down8", "branch8", "scaled8", "sum8", "norm8", "out8", "widened8"], 8),
        **dict.fromkeys(["down16", "left16", "right16", "joined16"], 16),
        "down32": 32,
    }


def test_taps_of_resnet50_are_the_published_ones():
    model = keras.applications.ResNet50(include_top=False, weights=None, input_shape=(None, None, 3))
    assert find_taps(model) == ("conv3_block4_out", "conv4_block6_out", "conv5_block3_out")


def test_a_kerashub_backbone_says_its_taps_itself():
    model = own_model()
    pyramid = {f"P{level}": model.get_layer(name).output for level, name in ((3, "norm8"), (4, "left16"), (5, "down32"))}
    model.pyramid_outputs = pyramid
    assert find_taps(model) == ("norm8", "left16", "down32")
    model.pyramid_outputs = {"P3": model.get_layer("first").output} | {f"P{int(key[1]) + 1}": pyramid[key] for key in pyramid}
    assert find_taps(model) == ("norm8", "left16", "down32"), "the strides count, not the keys"
    model.pyramid_outputs = {"P3": pyramid["P3"], "P5": pyramid["P5"]}
    with pytest.raises(InputError, match="mine: its pyramid_outputs lack stride 16. Expected 8, 16 and 32"):
        find_taps(model)


def kerashub_backbones():
    """Name of the class -> a small one, and the layers at whose ends its stages are."""
    resnet = dict(
        input_conv_filters=[64],
        input_conv_kernel_sizes=[7],
        stackwise_num_filters=[64, 64, 96, 128],
        stackwise_num_blocks=[1, 1, 1, 1],
        stackwise_num_strides=[1, 2, 2, 2],
        block_type="basic_block",
    )
    csp = dict(stem_filters=8, stem_kernel_size=3, stem_strides=1, stackwise_depth=[1] * 5, stackwise_strides=[2] * 5)
    csp |= dict(stackwise_num_filters=[16, 24, 32, 40, 48], block_type="dark_block", stage_type="dark")
    return {
        "ResNetBackbone": (resnet, [f"stack{stage}_block0_out" for stage in (1, 2, 3)]),
        "CSPNetBackbone": (csp, [f"stage_{stage}_block_0_dark_block_add" for stage in (2, 3, 4)]),
    }


@pytest.mark.parametrize("name", kerashub_backbones())
def test_a_backbone_of_kerashub_itself(name):
    """A detector on it starts from its very features."""
    hub = pytest.importorskip("keras_hub", reason="needs pip install keras-hub")
    keras.utils.set_random_seed(0)
    options, taps = kerashub_backbones()[name]
    model = getattr(hub.models, name)(**options, image_shape=(None, None, 3))
    assert find_taps(model) == tuple(taps)
    backbone = keras_model_backbone(model)
    batch = np.random.default_rng(0).uniform(0, 255, (2, 64, 96, 3)).astype(np.float32)
    expected = keras.Model(model.inputs[0], [model.get_layer(tap).output for tap in taps])(batch)
    for ours, theirs, stride in zip(backbone(batch), expected, (8, 16, 32), strict=True):
        assert np.abs(theirs).max() > 1e-3
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)
        assert ours.shape[1:3] == (64 // stride, 96 // stride)
    network = build_network(ModelConfig(width=0.25, depth=0.33), num_classes=2, anchors=COCO_ANCHORS, backbone=model)
    assert [output.shape for output in network(batch)] == [(2, 64 // side, 96 // side, 3, 7) for side in (8, 16, 32)]


def test_the_rebuilt_graph_has_the_weights_and_takes_our_pixels():
    model = own_model()
    images = keras.Input((None, None, 3), name="images")
    pixels = keras.layers.Rescaling(1 / 127.5, -1.0, name="pixel_scaling")(images)
    taps = find_taps(model)
    features = build_keras_model(pixels, model=model, taps=taps)
    batch = np.random.default_rng(0).uniform(0, 255, (2, 64, 96, 3)).astype(np.float32)
    expected = keras.Model(model.inputs[0], [model.get_layer(tap).output for tap in taps])(batch / 127.5 - 1)
    rebuilt = keras.Model(images, list(features))
    for ours, theirs in zip(rebuilt(batch), expected, strict=True):
        assert np.abs(theirs).max() > 1e-3
        np.testing.assert_allclose(ours, theirs, atol=1e-6)
    rebuilt.get_layer("down16").kernel.assign(np.zeros((3, 3, 36, 10)))
    assert np.abs(model.get_layer("down16").kernel).max() > 0  # the user's model stays as it is


@pytest.mark.parametrize(
    ("taps", "message"),
    [
        (("out8", "joined16"), r"got 2 layers \['out8', 'joined16'\]. Expected three"),
        (("ouT8", "joined16", "down32"), "mine has no layer 'ouT8'. Did you mean 'out8'. Expected one of stride 8"),
        (("out8", "out8", "down32"), r"'out8' has stride 8 \(shape \(None, None, None, 6\)\). Expected 16"),
        (("squeeze8", "joined16", "down32"), "'squeeze8' has stride none"),
    ],
)
def test_unusable_taps(taps, message):
    with pytest.raises(InputError, match=message):
        check_taps(own_model(), taps)
    check_taps(own_model(), ("sum8", "left16", "down32"))


def test_a_model_without_a_coarse_map():
    with pytest.raises(InputError, match=r"mine: has no feature of stride 32; its maps have strides \[4, 8, 16\]. Expected 8"):
        find_taps(own_model(last_stride=1))


def test_the_file_of_a_model(tmp_path):
    for suffix in (".keras", ".h5"):
        own_model().save(tmp_path / f"own{suffix}")
        assert read_keras_model(str(tmp_path / f"own{suffix}")).name == "mine"
    (tmp_path / "broken.keras").write_bytes(b"no zip")
    messages = {
        "broken.keras": r"broken.keras: cannot be read as a Keras network .*Expected a whole .keras file of built-in layers.",
        "absent.keras": "config.model.backbone_file: no file '.*absent.keras'. Expected the .keras file of a functional model",
    }
    for name, message in messages.items():
        with pytest.raises(InputError, match=message):
            read_keras_model(str(tmp_path / name))
    with pytest.raises(InputError, match="config.model.backbone_file: no file ''"):
        read_keras_model("")


def nested():
    images = keras.Input((None, None, 3))
    return keras.Model(images, own_model()(images), name="outer")


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (lambda: own_model(shape=(64, 96, 3)), "mine: takes images of 64 x 96 px only. Expected any size. Build it with"),
        (lambda: own_model(shape=(None, None, 1)), r"takes \(None, None, None, 1\). Expected one input of RGB images"),
        (nested, "outer: holds the model 'mine' as a layer. Expected one flat graph"),
        (lambda: own_model(first="head_first"), "its layer 'head_first' is named like a part of the detector"),
        (lambda: "resnet", "resnet: is no functional Keras model"),
        (lambda: keras.Sequential([keras.layers.Conv2D(3, 1)], name="unbuilt"), "unbuilt: is no functional Keras model"),
    ],
)
def test_unusable_models(model, message):
    with pytest.raises(InputError, match=message):
        check_model(model())
    check_model(own_model())


def test_a_layer_that_cannot_be_made_again():
    class Odd(keras.layers.Layer):
        def call(self, x):
            return x

        def get_config(self):
            raise NotImplementedError("no config")

    images = keras.Input((None, None, 3))
    model = keras.Model(images, Odd(name="odd")(own_model().layers[1](images)), name="mine")
    with pytest.raises(InputError, match="mine: layer 'odd' cannot be made again .* Expected layers with get_config"):
        build_keras_model(keras.Input((None, None, 3)), model=model, taps=("odd",) * 3)


def test_a_layer_that_comes_back_under_another_name():
    class Block(keras.layers.Layer):
        def __init__(self, name=None):
            super().__init__(name=f"{name}_0")

        def call(self, x):
            return x

        def get_config(self):
            return {"name": self.name}

    images = keras.Input((None, None, 3))
    model = keras.Model(images, Block(name="block")(own_model().layers[1](images)), name="mine")
    with pytest.raises(InputError, match=r"mine: layer 'block_0' \(Block\) comes back from its config as 'block_0_0'. Expected"):
        build_keras_model(keras.Input((None, None, 3)), model=model, taps=("block_0",) * 3)
