import keras
import numpy as np
import pytest

from yolo_tf.models.necks.yolov4_csp_pan import yolov4_csp_pan


def neck_model(channels, **multiples):
    features = [keras.Input((None, None, count)) for count in channels]
    return keras.Model(features, list(yolov4_csp_pan(features, **multiples)))


@pytest.mark.parametrize(
    ("channels", "multiples", "params"),
    [
        # Pyramid, neck and head of S and L at four classes, less the head: 27 * (128 + 256 + 512 + 3) at width 0.5.
        ((128, 256, 512), dict(depth=0.33, width=0.5), 1_904_640 + 3_569_361 - 24_273),
        ((256, 512, 1024), dict(depth=1.0, width=1.0), 7_610_368 + 18_308_945 - 48_465),
        ((40, 112, 1280), dict(depth=1.0, width=1.0), 7_872_512 + 18_178_897 - 48_465),
    ],
    ids=["s", "l", "efficientnetb0"],
)
def test_published_parameters(channels, multiples, params):
    model = neck_model(channels, **multiples)
    assert sum(int(np.prod(variable.shape)) for variable in model.trainable_variables) == params
    assert [output.shape[-1] for output in model.outputs] == [int(count * multiples["width"]) for count in (256, 512, 1024)]


@pytest.mark.parametrize(
    ("join", "first", "second"),
    [
        ("neck_p4_topdown_join", "neck_p4_lateral_activation", "neck_p5_upsample"),
        ("neck_p3_join", "neck_p3_lateral_activation", "neck_p4_upsample"),
        ("neck_p4_join", "neck_p3_downsample_activation", "neck_p4_topdown_csp_merge_activation"),
        ("neck_p5_join", "neck_p4_downsample_activation", "neck_sppcsp_merge_activation"),
    ],
)
def test_the_way_up_takes_the_merged_maps(join, first, second):
    model = neck_model((40, 112, 64), depth=0.5, width=0.125, activation="mish")
    for tensor, wanted in zip(model.get_layer(join).input, (first, second), strict=True):
        assert tensor is model.get_layer(wanted).output


def test_outputs_are_3x3_convolutions_of_the_merged_maps():
    model = neck_model((40, 112, 64), depth=0.5, width=0.125)
    for level in (3, 4, 5):
        conv = model.get_layer(f"neck_p{level}_output_conv")
        assert conv.input is model.get_layer(f"neck_p{level}_csp_merge_activation").output
        assert conv.kernel_size == (3, 3) and conv.filters == 2 * conv.input.shape[-1]
