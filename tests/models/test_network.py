import json
import subprocess
import sys
import zipfile

import keras
import numpy as np
import pytest
import tensorflow as tf

from yolo_tf.config import ModelConfig
from yolo_tf.errors import InputError
from yolo_tf.heads import HEADS, load_head
from yolo_tf.heads.anchor.anchors import COCO_ANCHORS, anchor_set
from yolo_tf.models.network import adapt_features, build_network, network_layout

SMALL = dict(name="small", width=0.125)
SLOW = pytest.mark.long
HAND_BUILT = ("resnet18", "ghostnet", "repvgg_a0", "inception_v4")


def build(num_classes=6, anchors=COCO_ANCHORS, **options):
    return build_network(ModelConfig(**options), num_classes=num_classes, anchors=anchors)


def trainable_params(network):
    return sum(int(np.prod(variable.shape)) for variable in network.trainable_variables)


def random_images(*shape):
    return np.random.default_rng(0).integers(0, 256, (*shape, 3)).astype(np.float32)


@pytest.fixture(params=["mixed_float16", "mixed_bfloat16"])
def mixed_precision(request):
    keras.config.set_dtype_policy(request.param)
    yield request.param
    keras.config.set_dtype_policy("float32")


def test_predictions_have_the_grid_of_each_stride(tiny_anchors):
    network = build(anchors=tiny_anchors, **SMALL)
    assert [tuple(output.shape) for output in network(random_images(4, 96, 160))] == [
        (4, 12, 20, 2, 11),
        (4, 6, 10, 2, 11),
        (4, 3, 5, 2, 11),
    ]


@pytest.mark.parametrize(
    ("kind", "params", "channels"),
    [
        # 40 * 128 + 112 * 256 + 320 * 512 = 197,632 kernel elements; 896 biases or 2 * 896 of batch norm
        ("none", 0, [40, 112, 320]),
        ("plain", 198_528, [128, 256, 512]),
        ("batch_norm", 199_424, [128, 256, 512]),
    ],
)
def test_adapters(kind, params, channels):
    features = [keras.Input((None, None, count)) for count in (40, 112, 320)]
    model = keras.Model(features, list(adapt_features(features, kind, width=0.5)))
    assert trainable_params(model) == params
    assert [output.shape[-1] for output in model.outputs] == channels
    assert not [layer for layer in model.layers if isinstance(layer, keras.layers.Activation)]


@pytest.mark.long
@pytest.mark.parametrize(("adapters", "params"), [("none", 6_991_417), ("plain", 7_514_745)])
def test_efficientnetb0_with_other_adapters_has_the_published_parameters(adapters, params):
    assert trainable_params(build(num_classes=80, backbone="efficientnetb0", adapters=adapters, width=0.5)) == params


@pytest.mark.parametrize(
    "options",
    [
        dict(name="yolov5n"),
        pytest.param(dict(backbone="yolov4_csp", neck="yolov4_csp_pan", activation="mish"), marks=SLOW),
        pytest.param(dict(backbone="efficientnetb0", width=0.25), marks=SLOW),
        pytest.param(dict(backbone="convnext_tiny", width=0.25), marks=SLOW),
    ],
    ids=["csp_darknet", "yolov4_csp", "efficientnetb0", "convnext_tiny"],
)
def test_every_variable_gets_a_gradient(options):
    keras.utils.set_random_seed(0)
    network = build(**options)
    images, rng = random_images(4, 64, 96), np.random.default_rng(1)
    with tf.GradientTape() as tape:
        outputs = network(images, training=True)
        total = tf.add_n([tf.reduce_sum(output * rng.normal(size=output.shape)) for output in outputs])
    for variable, gradient in zip(network.trainable_variables, tape.gradient(total, network.trainable_variables)):
        assert np.isfinite(gradient).all(), variable.path
        assert np.abs(gradient).max() > 0, variable.path


@pytest.mark.parametrize(
    "options",
    [
        SMALL,
        dict(backbone="yolov4_csp", neck="yolov4_csp_pan", activation="mish", width=0.125),
        dict(backbone="efficientnetb0", width=0.125),
        dict(backbone="convnext_tiny", width=0.125),
        *(dict(backbone=name, width=0.125) for name in HAND_BUILT),
    ],
    ids=["csp_darknet", "yolov4_csp", "efficientnetb0", "convnext_tiny", *HAND_BUILT],
)
@pytest.mark.long
def test_file_opens_with_keras_alone(options, tmp_path):
    network = build(**options)
    network.save(tmp_path / "network.keras")
    sizes = [(2, 64, 96), (1, 96, 160)]
    arrays = {}
    for index, size in enumerate(sizes):
        images = random_images(*size)
        arrays[f"images{index}"] = images
        arrays.update({f"level{level}_{index}": output.numpy() for level, output in enumerate(network(images))})
    np.savez(tmp_path / "expected.npz", **arrays)
    script = """
import sys, keras, numpy
network, expected = keras.models.load_model("network.keras"), numpy.load("expected.npz")
for index in range(2):
    for level, output in enumerate(network(expected[f"images{index}"])):
        numpy.testing.assert_allclose(output, expected[f"level{level}_{index}"], atol=1e-6)
assert "yolo_tf" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.parametrize(
    "backbone",
    ["csp_darknet", *(pytest.param(name, marks=SLOW) for name in ("efficientnetb0", "convnext_tiny", *HAND_BUILT))],
)
def test_predictions_are_finite_float32_in_mixed_precision(mixed_precision, backbone):
    network = build(backbone=backbone, width=0.125)
    assert network.get_layer("head_p3").compute_dtype == mixed_precision.removeprefix("mixed_")
    assert network.get_layer("pixel_scaling").compute_dtype == "float32"
    for output in network(random_images(2, 64, 96)):
        assert output.dtype == "float32"
        assert np.isfinite(output).all()


def test_a_file_names_layers_of_keras_only(tmp_path):
    """So that it opens with Keras alone, which the long test does in a process of its own."""
    build(**SMALL).save(tmp_path / "network.keras")
    with zipfile.ZipFile(tmp_path / "network.keras") as archive:
        layers = json.loads(archive.read("config.json"))["config"]["layers"]
    assert len(layers) > 100
    modules = {layer["module"] for layer in layers}
    assert modules == {"keras.layers", "keras.src.ops.numpy"}  # the head splits and stacks
    assert {layer["registered_name"] for layer in layers} == {None, "Split", "Stack"}


def test_image_bytes_and_floats_are_the_same():
    network, images = build(**SMALL), random_images(1, 64, 96)
    for output, expected in zip(network(images.astype(np.uint8)), network(images), strict=True):
        np.testing.assert_array_equal(output, expected)


@pytest.mark.parametrize(("name", "expected"), [("_my net/v1.2", "my_net_v1_2"), ("ö", "detector")])
def test_network_is_named_as_tensorflow_accepts_it(name, expected):
    network = build(name=name, width=0.03, depth=0.1)
    assert network.name == expected
    network(random_images(1, 32, 64))


@pytest.mark.slow
def test_same_seed_gives_the_same_network():
    outputs = []
    for _ in range(2):
        keras.utils.set_random_seed(3)
        outputs.append(build(**SMALL)(random_images(1, 64, 96))[0].numpy())
    np.testing.assert_array_equal(*outputs)


def test_activation_of_the_config_is_that_of_backbone_and_neck():
    network = build(activation="leaky_relu", **SMALL)
    kinds = {layer.name.partition("_")[0]: type(layer) for layer in network.layers if layer.name.endswith("_activation")}
    assert kinds == {"backbone": keras.layers.LeakyReLU, "neck": keras.layers.LeakyReLU}


def test_unknown_neck():
    with pytest.raises(InputError, match="unknown neck 'csp_pam'. Did you mean 'csp_pan'"):
        build(neck="csp_pam")


def test_anchors_of_other_strides():
    with pytest.raises(InputError, match=r"levels have strides \(8, 16\). Expected \(8, 16, 32\)"):
        build(anchors=anchor_set((8, 16), [[(1, 2)], [(3, 4)]]))


def test_anchors_of_the_config():
    assert network_layout(ModelConfig()) is COCO_ANCHORS
    own = network_layout(ModelConfig(anchors=(((4, 6), (8, 7)), ((20, 30), (31, 19)), ((70, 90), (110, 60)))))
    assert (own.strides, own.per_cell) == ((8, 16, 32), 2)
    np.testing.assert_array_equal(own.sizes[1], [[20, 30], [31, 19]])


@pytest.mark.parametrize(
    "anchors",
    [
        (((4, 6),), ((20, 30),)),
        (((4, 6),), ((20, 30), (31, 19)), ((70, 90),)),
        (((4, 6, 1),), ((20, 30, 1),), ((70, 90, 1),)),
        (((4, 0),), ((20, 30),), ((70, 90),)),
        (4.0, 6.0, 8.0),
    ],
    ids=["two levels", "unequal levels", "triples", "zero", "flat"],
)
def test_unusable_anchors(anchors):
    with pytest.raises(InputError, match=r"config.model.anchors: got .* Expected 3 levels with equally many"):
        network_layout(ModelConfig(anchors=anchors))


@pytest.mark.slow
def test_batch_norm_momentum_replaces_that_of_every_batch_norm(tmp_path):
    network = build(batch_norm_momentum=0.5, **SMALL)
    network.save(tmp_path / "a.keras")
    for one in (network, keras.models.load_model(tmp_path / "a.keras", compile=False)):
        momenta = [layer.momentum for layer in one.layers if isinstance(layer, keras.layers.BatchNormalization)]
        assert len(momenta) > 20 and set(momenta) == {0.5}
    usual = [layer.momentum for layer in build(**SMALL).layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert set(usual) == {0.97}


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize(
    "options",
    [
        dict(backbone="csp_darknet_yolox", neck="csp_pan_unpooled", depthwise=True),
        dict(backbone="csp_darknet", neck="csp_pan", activation="relu6"),
        dict(backbone="ghostnet_050", neck="csp_pan", depthwise=True),
        dict(backbone="repvgg_a0", neck="fpn"),
    ],
    ids=lambda options: options["backbone"],
)
def test_any_backbone_and_neck_goes_with_any_head(head, options):
    model = ModelConfig(head=head, **SMALL, **options)
    layout = network_layout(model)
    network = build_network(model, num_classes=6, anchors=layout)
    shapes = load_head(head).output_shapes(layout, 6)
    predictions = network(random_images(2, 96, 160), training=True)  # untrained statistics would fade every signal out
    strides = [8, 16, 32] * (len(shapes) // 3)
    assert [raw.shape[1:] for raw in predictions] == [
        (96 // stride, 160 // stride, *shape[3:]) for stride, shape in zip(strides, shapes, strict=True)
    ]
    assert all(np.isfinite(raw).all() and np.ptp(raw) > 0 for raw in predictions)
    three_by_three = [
        layer
        for layer in network.layers
        if layer.name.startswith(("neck_", "head_")) and getattr(layer, "kernel_size", None) == (3, 3)
    ]
    kinds = {isinstance(layer, keras.layers.DepthwiseConv2D) for layer in three_by_three}
    assert kinds == {bool(model.depthwise)}


def test_a_depthwise_form_that_is_not_there_is_refused():
    with pytest.raises(InputError, match="config.model.depthwise: got true for neck fpn, which has no depthwise form. Expected"):
        build(neck="fpn", depthwise=True)
    with pytest.raises(
        InputError, match=r"depthwise: got true for backbone yolov4_csp, .* Expected one of csp_darknet, csp_dark"
    ):
        build(backbone="yolov4_csp", depthwise=True)


def test_yolox_sees_pixels_as_they_are_and_is_yolov5s_v5_behind_them():
    """Same names, shapes and numbers up to the neck, so weights of either fit the other."""
    options = dict(neck="csp_pan_unpooled", **SMALL)
    networks = [build(backbone=backbone, **options) for backbone in ("csp_darknet_v5", "csp_darknet_yolox")]
    networks[1].set_weights(networks[0].get_weights())
    images = random_images(1, 96, 160)
    for one, other in zip(networks[0](images), networks[1](images / 255), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)
