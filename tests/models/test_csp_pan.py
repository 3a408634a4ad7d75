import keras
import numpy as np
import pytest
import tensorflow as tf

from yolo_tf.models.necks import NECKS
from yolo_tf.models.necks.csp_pan import csp_pan

BOTH_WAYS = [name for name in NECKS if name != "fpn"]  # nothing flows from fine to coarse in a plain pyramid


def neck_model(neck, channels=(40, 112, 64), *, depth=0.33, width=0.125, **options):
    features = [keras.Input((None, None, count)) for count in channels]
    return keras.Model(features, list(neck(features, depth=depth, width=width, **options)))


def random_features(channels=(40, 112, 64)):
    rng = np.random.default_rng(0)
    return [
        tf.constant(rng.normal(size=(2, 96 // stride, 160 // stride, count)), tf.float32)
        for stride, count in zip((8, 16, 32), channels, strict=True)
    ]


@pytest.mark.parametrize("neck", NECKS.values(), ids=NECKS)
def test_strides_are_kept(neck):
    grids = [tuple(output.shape[:3]) for output in neck_model(neck)(random_features())]
    assert grids == [(2, 12, 20), (2, 6, 10), (2, 3, 5)]


@pytest.mark.parametrize("neck", ["csp_pan", "csp_pan_unpooled"])
def test_channels_follow_the_width(neck):
    assert [output.shape[-1] for output in neck_model(NECKS[neck]).outputs] == [32, 64, 128]


@pytest.mark.parametrize("neck", NECKS.values(), ids=NECKS)
def test_activation_is_everywhere_the_same(neck):
    model = neck_model(neck, activation="mish")
    activations = [layer for layer in model.layers if layer.name.endswith("_activation")]
    batch_norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert len(activations) == len(batch_norms)
    assert {layer.activation for layer in activations} <= {keras.activations.mish}


@pytest.mark.parametrize("neck", [NECKS[name] for name in BOTH_WAYS], ids=BOTH_WAYS)
def test_every_output_depends_on_every_input(neck):
    model, features = neck_model(neck), random_features()
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(features)
        totals = [tf.reduce_sum(output * output) for output in model(features)]
    for total in totals:
        for gradient in tape.gradient(total, features):
            assert (np.abs(gradient).max((1, 2, 3)) > 0).all()  # for each image of the batch


@pytest.mark.parametrize(
    ("depth", "width", "params"),
    [
        (0.33, 0.25, 164_608 + 33_024 + 90_880 + 8_320 + 22_912 + 36_992 + 74_496 + 147_712 + 296_448),
        (0.67, 0.75, 1_476_864 + 295_680 + 1_182_720 + 74_112 + 296_448 + 332_160 + 1_035_264 + 1_327_872 + 4_134_912),
    ],
    ids=["n", "m"],
)
def test_parameters_of_yolov5(depth, width, params):
    channels = tuple(int(count * width) for count in (256, 512, 1024))
    model = neck_model(csp_pan, channels, depth=depth, width=width)
    assert sum(int(np.prod(variable.shape)) for variable in model.trainable_variables) == params


@pytest.mark.parametrize(
    ("join", "first", "second"),
    [
        ("neck_p4_topdown_join", "neck_p5_upsample", None),
        ("neck_p3_join", "neck_p4_upsample", None),
        ("neck_p4_join", "neck_p3_downsample_activation", "neck_p4_reduce_activation"),
        ("neck_p5_join", "neck_p4_downsample_activation", "neck_p5_reduce_activation"),
    ],
)
def test_resampled_map_comes_first_and_the_way_up_takes_reduced_maps(join, first, second):
    model = neck_model(csp_pan)
    expected = [model.get_layer(first).output]
    expected.append(model.get_layer(second).output if second else model.inputs[1 if "p4" in join else 0])
    for tensor, wanted in zip(model.get_layer(join).input, expected, strict=True):
        assert tensor is wanted
