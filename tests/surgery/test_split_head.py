import detector_files
import keras
import numpy as np
import pytest

from yolo_tf.errors import InputError
from yolo_tf.pictures.generated_images import generated_images
from yolo_tf.surgery.split_head import split_head

PARTS = {"box": slice(0, 4), "score": slice(4, None)}  # of the channels of raw predictions


def test_the_same_answers_from_twice_the_convolutions():
    network = detector_files.build_network()
    split = split_head(network, PARTS)
    images = generated_images((64, 96), count=3).astype(np.float32)
    expected, found = network(images), split(images)
    assert [raw.shape for raw in found] == [(3, 8, 12, 2, 8), (3, 4, 6, 2, 8), (3, 2, 3, 2, 8)]
    for one, other in zip(expected, found, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
        assert np.std(one) > 0.5
    heads = [layer for layer in split.layers if layer.name.endswith(("_box", "_score"))]
    assert [layer.filters for layer in heads] == [8, 8, 8, 8, 8, 8]  # A = 2 of 4, and of 1 + 3 for C = 3
    assert split.count_params() == network.count_params()


def test_box_and_score_channels_of_each_anchor_are_told_apart():
    """The kernel of output channel n is n everywhere; A = 2, C = 5."""
    images = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(20, 1, use_bias=False, name="head")(images)
    network = keras.Model(images, [keras.ops.stack(keras.ops.split(x, 2, axis=-1), axis=3)])
    network.get_layer("head").set_weights([np.tile(np.arange(20.0), (1, 1, 3, 1))])
    split = split_head(network, PARTS)
    assert split.get_layer("head_box").kernel[0, 0, 0].numpy().tolist() == [0, 1, 2, 3, 10, 11, 12, 13]
    assert split.get_layer("head_score").kernel[0, 0, 1].numpy().tolist() == [4, 5, 6, 7, 8, 9, 14, 15, 16, 17, 18, 19]


@pytest.mark.parametrize("filters, join", [(20, True), (10, False)])
def test_a_head_of_another_shape_is_refused(filters, join):
    """Two convolutions added up, and one of another number of filters; A = 2, C = 5."""
    images = keras.Input((32, 64, 3))
    x = keras.layers.Conv2D(filters, 1, name="one")(images)
    x = keras.layers.Add(name="sum")([x, keras.layers.Conv2D(filters, 1)(images)]) if join else keras.ops.tile(x, [1, 1, 1, 2])
    network = keras.Model(images, [keras.ops.stack(keras.ops.split(x, 2, axis=-1), axis=3)])
    name = "sum" if join else "one"
    message = (
        f"precision: got int8 for a network .*comes from '{name}'. Expected a convolution of 20 filters.* Use another precision"
    )
    with pytest.raises(InputError, match=message):
        split_head(network, PARTS)
