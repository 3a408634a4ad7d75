import keras
import numpy as np
import pytest
import tensorflow as tf

from yolo_tf.layers.yolov4_csp import bottleneck_csp, bottleneck_csp2, spp_csp


def model_of(block, channels, filters, **keywords):
    x = keras.Input((None, None, channels))
    return keras.Model(x, block(x, filters, name="block", **keywords))


def trainable_params(model):
    return sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)


@pytest.mark.parametrize(
    ("block", "channels", "filters", "options", "params"),
    [
        (bottleneck_csp, 64, 64, dict(repeats=1), 19_904),
        (bottleneck_csp, 128, 128, dict(repeats=2), 119_936),
        (bottleneck_csp2, 256, 128, dict(repeats=2), 411_648),
        (bottleneck_csp2, 512, 256, dict(repeats=2), 1_642_496),
        (spp_csp, 512, 256, dict(), 1_904_640),
        (spp_csp, 1280, 512, dict(), 7_872_512),
    ],
)
def test_published_parameters(block, channels, filters, options, params):
    assert trainable_params(model_of(block, channels, filters, **options)) == params


@pytest.mark.parametrize(("block", "added"), [(bottleneck_csp, True), (bottleneck_csp2, False)])
def test_bottlenecks_add_their_input_in_the_backbone_only(block, added):
    model = model_of(block, 16, 16, repeats=1, activation="leaky_relu")
    filters = 8 if added else 16
    model.get_layer("block_bottleneck0_3x3_batch_norm").set_weights([np.zeros(filters)] * 3 + [np.ones(filters)])
    start = "block_main_activation" if added else "block_reduce_activation"
    end = "block_main_end_conv" if added else "block_concat"
    ends = [model.get_layer(start).output, model.get_layer(end).input]
    before, after = keras.Model(model.input, ends)(np.random.default_rng(0).normal(size=(2, 3, 5, 16)))
    after = after if added else after[0]  # the paths into the join: bottlenecks first
    np.testing.assert_allclose(after, before if added else np.zeros_like(before))
    assert np.abs(before).max() > 0.1


@pytest.mark.parametrize("block", [bottleneck_csp, bottleneck_csp2, spp_csp])
def test_paths_are_joined_before_their_batch_norm(block):
    model = model_of(block, 16, 8, activation="mish", **({} if block is spp_csp else dict(repeats=1)))
    names = [layer.name for layer in model.layers]
    joined = model.get_layer("block_joint_batch_norm")
    assert joined.input is model.get_layer("block_concat").output
    assert model.get_layer("block_concat").input[1] is model.get_layer("block_bypass_conv").output  # bare
    assert model.get_layer("block_merge_conv").input is model.get_layer("block_joint_activation").output
    activations = {layer.activation for layer in model.layers if isinstance(layer, keras.layers.Activation)}
    assert activations == {keras.activations.mish} and names[-1] == "block_merge_activation"


def test_pyramid_sees_neighbourhoods_of_5_9_and_13():
    model = model_of(spp_csp, 16, 8)
    ends = [model.get_layer(name).output for name in ("block_before_1x1_activation", "block_pyramid_concat")]
    x, joined = keras.Model(model.input, ends)(np.random.default_rng(0).normal(size=(2, 9, 14, 16)))
    expected = [x] + [tf.nn.max_pool2d(x, side, 1, "SAME") for side in (5, 9, 13)]
    np.testing.assert_array_equal(joined, np.concatenate(expected, -1))
