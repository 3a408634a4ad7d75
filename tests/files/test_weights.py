"""A network takes all of another program's arrays, or none."""

import keras
import numpy as np
import pytest

from yolo_tf.errors import InputError
from yolo_tf.files.weights import fill_network


@pytest.fixture
def network():
    images = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(4, 1, name="first")(images)
    return keras.Model(images, keras.layers.Conv2D(5, 1, use_bias=False, name="second")(x))


@pytest.fixture
def weights():
    rng = np.random.default_rng(0)
    return {"second": [rng.normal(size=(1, 1, 4, 5))], "first": [rng.normal(size=(1, 1, 3, 4)), rng.normal(size=4)]}


def test_every_layer_gets_its_arrays(network, weights):
    fill_network(network, weights, where="a.pth", expected="that of its authors")
    for name, arrays in weights.items():
        for ours, theirs in zip(network.get_layer(name).get_weights(), arrays, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda weights: weights.pop("first"),
            r"a.pth: has no weights for first \(the first of 1 layers that differ\). ",
        ),
        (lambda weights: weights.update(third=[]), "a.pth: has weights for one layer too many, third"),
        (
            lambda weights: weights.update(first=[np.zeros([1, 1, 3, 9]), np.zeros(9)]),
            r"a.pth: first has weights of shape \[\(1, 1, 3, 9\), \(9,\)\]. Expected \[\(1, 1, 3, 4\), \(4,\)\], as in it",
        ),
        (lambda weights: weights["first"].pop(), r"first has weights of shape \[\(1, 1, 3, 4\)\]. Expected"),
    ],
)
def test_where_one_does_not_fit_nothing_changes(network, weights, change, message):
    change(weights)
    before = network.get_weights()
    with pytest.raises(InputError, match=message):
        fill_network(network, weights, where="a.pth", expected="it")
    for ours, theirs in zip(network.get_weights(), before, strict=True):
        np.testing.assert_array_equal(ours, theirs)
