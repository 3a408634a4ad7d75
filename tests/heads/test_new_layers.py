"""How predicting layers that no file filled begin."""

import keras
import numpy as np
import pytest

from yolo_tf.heads.new_layers import scale_new_predictors


def head_network():
    """A neck convolution, a head convolution that a batch norm would follow, and two that predict behind it."""
    images = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(4, 1, name="neck_conv")(images)
    x = keras.layers.Conv2D(5, 1, use_bias=False, name="head_p3_stem_conv")(x)
    return keras.Model(images, [keras.layers.Conv2D(6, 1, name=f"head_p{level}")(x) for level in (3, 4)])


@pytest.mark.parametrize(
    ("loaded", "changed"),
    [
        (("neck_conv",), ["head_p3", "head_p4"]),
        (("neck_conv", "head_p4"), ["head_p3"]),  # p4 came from the file
        (("backbone_conv",), []),  # behind a new neck, features are small
        ((), []),
    ],
)
def test_a_new_head_behind_a_loaded_neck_starts_small(loaded, changed):
    network = head_network()
    before = {layer.name: layer.get_weights() for layer in network.layers if layer.weights}
    assert scale_new_predictors(network, loaded, 0.25) == changed
    for name, (kernel, *bias) in before.items():
        np.testing.assert_allclose(network.get_layer(name).kernel, kernel * (0.25 if name in changed else 1))
        np.testing.assert_array_equal(network.get_layer(name).get_weights()[1:], bias)
    assert scale_new_predictors(network, loaded, 1) == []
