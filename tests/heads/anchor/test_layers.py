import keras
import numpy as np
import pytest

from yolo_tf.heads.anchor.anchors import anchor_set
from yolo_tf.heads.anchor.layers import detection_head, prior_logits

STRIDES, CHANNELS = (8, 16, 32), (16, 24, 32)


def head_model(num_classes=6, anchors_per_cell=2):
    features = [keras.Input((None, None, count)) for count in CHANNELS]
    anchors = anchor_set(STRIDES, [[(10, 14)] * anchors_per_cell] * 3)
    outputs = detection_head(features, anchors, num_classes=num_classes)
    return keras.Model(features, outputs)


def zero_features():
    return [np.zeros((4, 96 // stride, 160 // stride, count), np.float32) for stride, count in zip(STRIDES, CHANNELS)]


@pytest.mark.parametrize(
    ("stride", "num_classes", "objectness", "classes"),
    [(8, 80, -6.6846, -4.8803), (16, 80, -5.2983, -4.8803), (32, 80, -3.9120, -4.8803), (32, 1, -3.9120, 11.0021)],
)
def test_prior_logits(stride, num_classes, objectness, classes):
    expected = [0, 0, 0, 0, objectness] + [classes] * num_classes
    np.testing.assert_allclose(prior_logits(stride, num_classes=num_classes), expected, atol=1e-4)


def test_untrained_network_starts_at_the_prior_with_anchors_apart():
    for output, stride, channels in zip(head_model()(zero_features()), STRIDES, CHANNELS, strict=True):
        logits = output.numpy() - prior_logits(stride, num_classes=6)
        assert np.abs(logits).max() <= 1 / np.sqrt(channels) + 1e-5  # the random part of the bias
        assert np.abs(logits[..., 0, :] - logits[..., 1, :]).max() > 0.01


def test_channels_are_anchor_by_anchor():
    model = head_model()
    for level in ("p3", "p4", "p5"):
        head = model.get_layer(f"head_{level}")
        head.set_weights([np.zeros(head.kernel.shape), np.arange(2 * 11)])
    for output, stride in zip(model(zero_features()), STRIDES, strict=True):
        assert output.shape == (4, 96 // stride, 160 // stride, 2, 11)
        np.testing.assert_array_equal(output[3, -1, -1], np.arange(22).reshape(2, 11))


def test_rows_and_columns_keep_their_places():
    model = head_model()
    model.get_layer("head_p3").set_weights([np.ones((1, 1, 16, 22)), np.zeros(22)])
    features = zero_features()
    features[0][1, 2, 7] = 1  # image 1, row 2, column 7: sums to its 16 channels
    lit = np.argwhere(model(features)[0].numpy()[..., 0, 0] == 16)
    np.testing.assert_array_equal(lit, [[1, 2, 7]])


def test_outputs_are_named_after_their_levels():
    assert head_model().output_names == ["p3", "p4", "p5"]
