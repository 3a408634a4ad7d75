import keras
import numpy as np

from yolo_tf.models.parts import kernels_of
from yolo_tf.models.reports.sparsity import sparsity
from yolo_tf.surgery.pruning.magnitude import zero_smallest_weights


def network():
    images = keras.Input((None, None, 1))
    x = keras.layers.Conv2D(2, 1, name="a_conv")(images)
    x = keras.layers.DepthwiseConv2D(1, name="neck_depthwise")(keras.layers.BatchNormalization()(x))
    model = keras.Model(images, keras.layers.Conv2D(3, 1, name="head_p3")(x))
    model.get_layer("a_conv").set_weights([np.array([[[[0.1, -5]]]]), np.array([0.001, 0.001])])
    model.get_layer("neck_depthwise").set_weights([np.array([[[[-0.3], [7]]]]), np.zeros(2)])
    model.get_layer("head_p3").set_weights([np.array([[[[0.2, 3, -4], [6, -0.4, 0.5]]]]), np.zeros(3)])
    return model


def test_the_smallest_weights_of_all_kernels_become_zero():
    """Ten kernel weights; floor(0.45 * 10) = 4 go: 0.1, 0.2, -0.3 and -0.4. Biases and batch norms stay."""
    model = network()
    assert [tuple(kernel.shape) for kernel in kernels_of(model)] == [(1, 1, 1, 2), (1, 1, 2, 1), (1, 1, 2, 3)]
    zero_smallest_weights(kernels_of(model), 0.45)
    np.testing.assert_allclose(model.get_layer("a_conv").kernel.numpy().ravel(), [0, -5])
    np.testing.assert_allclose(model.get_layer("a_conv").bias, [0.001, 0.001])
    np.testing.assert_allclose(model.get_layer("neck_depthwise").kernel.numpy().ravel(), [0, 7])
    np.testing.assert_allclose(model.get_layer("head_p3").kernel.numpy().ravel(), [0, 3, -4, 6, 0, 0.5])
    shares = {"backbone": 0.5, "adapters": 0.0, "neck": 0.5, "head": 2 / 6, "total": 0.4}
    assert sparsity(model) == shares
    zero_smallest_weights(kernels_of(model), 0.45)
    assert sparsity(model) == shares, "what is zero counts"
    zero_smallest_weights(kernels_of(model), 0.6)
    np.testing.assert_allclose(model.get_layer("head_p3").kernel.numpy().ravel(), [0, 0, -4, 6, 0, 0])
    assert sparsity(model)["total"] == 0.6


def test_equal_weights_do_not_make_it_more():
    model = network()
    for kernel in kernels_of(model):
        kernel.assign(keras.ops.ones_like(kernel))
    zero_smallest_weights(kernels_of(model), 0.3)
    assert sparsity(model)["total"] == 0.3
    zero_smallest_weights(kernels_of(network()), 0.05)  # floor(0.5) = 0 weights: nothing happens
