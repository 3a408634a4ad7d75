"""Networks in training become files that open with Keras alone, and start other runs."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from yolo_tf.detector_file import detector_spec, read_spec
from yolo_tf.errors import InputError
from yolo_tf.network_file import load_weights, save_network


def spec_of(num_classes, anchors):
    names = [f"class {number}" for number in range(num_classes)]
    return detector_spec(class_names=names, image_size=(96, 160), anchors=anchors, name="tiny")


def test_weights_start_another_network(tiny_network, tiny_anchors, tmp_path):
    spec = spec_of(6, tiny_anchors)
    save_network(tiny_network(seed=0), spec, tmp_path / "a.keras")
    assert read_spec(tmp_path / "a.keras") == spec
    other = tiny_network(seed=1)
    load_weights(other, tmp_path / "a.keras", spec)
    for left, right in zip(other.weights, tiny_network(seed=0).weights, strict=True):
        np.testing.assert_array_equal(left.numpy(), right.numpy())


def test_half_precision_is_saved_as_float32(tiny_network, tiny_anchors, tmp_path):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        network = tiny_network()
    finally:
        keras.config.set_dtype_policy("float32")
    save_network(network, spec_of(6, tiny_anchors), tmp_path / "a.keras")
    saved = keras.models.load_model(tmp_path / "a.keras", compile=False)
    assert {layer.compute_dtype for layer in saved.layers} == {"float32"}
    plain = tiny_network()
    plain.set_weights(network.get_weights())
    images = tf.random.stateless_uniform([1, 64, 96, 3], (1, 2), 0, 255)
    for left, right in zip(saved(images), plain(images), strict=True):
        np.testing.assert_allclose(left, right, atol=1e-6)


def test_another_network_or_class_count_is_refused(tiny_network, tiny_anchors, tmp_path):
    save_network(tiny_network(num_classes=4), spec_of(4, tiny_anchors), tmp_path / "four.keras")
    with pytest.raises(InputError, match=r"was trained on 4 classes .* Expected 6: .* Use a network of these classes"):
        load_weights(tiny_network(), tmp_path / "four.keras", spec_of(6, tiny_anchors))
    save_network(tiny_network(anchors_per_cell=3), spec_of(6, tiny_anchors), tmp_path / "three.keras")
    with pytest.raises(InputError, match=r"holds another network \(tiny\). Expected one built from the same model section"):
        load_weights(tiny_network(), tmp_path / "three.keras", spec_of(6, tiny_anchors))


def test_an_export_is_no_start(tmp_path, tiny_network, tiny_anchors):
    from yolo_tf.export import export_detector

    spec = spec_of(6, tiny_anchors)
    save_network(tiny_network(), spec, tmp_path / "a.keras")
    export_detector(tmp_path / "a.keras", "saved_model", tmp_path / "saved")
    with pytest.raises(InputError, match="saved: is an export. Expected a .keras file"):
        load_weights(tiny_network(), tmp_path / "saved", spec)
