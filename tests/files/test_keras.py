"""Networks in training become files that open with Keras alone, and start other runs."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from yolo_tf.errors import InputError
from yolo_tf.files import read_spec
from yolo_tf.files.keras import read_network, save_network
from yolo_tf.files.spec import detector_spec
from yolo_tf.files.weights import load_weights


def spec_of(num_classes, anchors):
    names = [f"class {number}" for number in range(num_classes)]
    return detector_spec(class_names=names, image_size=(96, 160), anchors=anchors, name="tiny")


def test_weights_start_another_network(tiny_network, tiny_anchors, tmp_path):
    spec = spec_of(6, tiny_anchors)
    save_network(tiny_network(seed=0), spec, tmp_path / "a.keras")
    assert read_spec(tmp_path / "a.keras") == spec
    other = tiny_network(seed=1)
    report = load_weights(other, tmp_path / "a.keras")
    assert len(report.loaded) == 13 and str(report) == f"weights: 13 of 13 layers from {tmp_path / 'a.keras'}"
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


def test_freezing_is_not_saved(tiny_network, tmp_path):
    network = tiny_network()
    network.get_layer("stage1_batch_norm").trainable = False
    save_network(network, None, tmp_path / "a.keras")
    assert not network.get_layer("stage1_batch_norm").trainable
    assert all(layer.trainable for layer in keras.models.load_model(tmp_path / "a.keras", compile=False).layers)


def test_what_does_not_fit_stays_as_it_was_and_is_reported(tiny_network, tiny_anchors, tmp_path):
    source, other = tiny_network(num_classes=4, seed=0), tiny_network(num_classes=6, seed=1)
    save_network(source, spec_of(4, tiny_anchors), tmp_path / "four.keras")
    before = other.get_layer("head_p4").get_weights()
    report = load_weights(other, tmp_path / "four.keras")
    assert report.other_shape == ("head_p3", "head_p4", "head_p5") and report.missing == report.unused == ()
    assert "weights: 10 of 13 layers" in str(report) and "head_p3 (other shape), head_p4 (other shape)" in str(report)
    np.testing.assert_array_equal(other.get_layer("head_p4").get_weights()[0], before[0])
    np.testing.assert_array_equal(other.get_layer("stage2_conv").kernel, source.get_layer("stage2_conv").kernel)


def test_a_part_of_a_network_gives_its_layers(tiny_network, tmp_path):
    source, other = tiny_network(seed=0), tiny_network(seed=1)
    part = keras.Model(source.inputs[0], keras.layers.Conv2D(2, 1, name="extra")(source.get_layer("stage1_silu").output))
    save_network(part, None, tmp_path / "part.keras")
    report = load_weights(other, tmp_path / "part.keras")
    assert report.loaded == ("stage0_conv", "stage0_batch_norm", "stage1_conv", "stage1_batch_norm")
    assert len(report.missing) == 9 and report.unused == ("extra",)
    text = str(report)
    assert "stage2_conv (not in the file)" in text and "and 3 more" in text and "in the file only: extra" in text


def test_files_that_give_nothing_are_refused(tiny_network, tmp_path):
    images, network = keras.Input((None, None, 3)), tiny_network()
    x = keras.layers.Conv2D(8, 5, name="stage0_conv")(images)  # of another kernel
    save_network(keras.Model(images, keras.layers.Conv2D(22, 1, name="head_p3")(x)), None, tmp_path / "other.keras")
    before = network.get_weights()
    fit = "other.keras: holds the weights of another network: 1 of 31 tensors fit tiny by layer name and shape, no layer as a"
    with pytest.raises(InputError, match=f"{fit} whole. Expected a network of the same backbone. Check config.model.backbone"):
        load_weights(network, tmp_path / "other.keras")
    for weights, unchanged in zip(network.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weights, unchanged)
    (tmp_path / "broken.keras").write_bytes(b"PK")
    with pytest.raises(InputError, match="broken.keras: cannot be read as a Keras network"):
        load_weights(tiny_network(), tmp_path / "broken.keras")
    with pytest.raises(InputError, match="absent.keras: no such file. Expected a .keras file. Check config.model.weights"):
        load_weights(tiny_network(), tmp_path / "absent.keras")
    (tmp_path / "saved_model").mkdir()
    with pytest.raises(InputError, match="saved_model: is no .keras file"):
        load_weights(tiny_network(), tmp_path / "saved_model")


@pytest.mark.parametrize("there", [True, False])
def test_a_checkpoint_of_pytorch_names_the_way_in(there, tmp_path):
    """As weights, as a teacher, as a network: one function reads them all."""
    path = tmp_path / "yolov5n.pt"
    path.write_bytes(b"") if there else None
    with pytest.raises(InputError, match=r"config.model.weights. A YOLOv5 checkpoint becomes one: yolo-tf import-yolov5 .*n.pt"):
        read_network(path, option="config.model.weights")
