"""Another activation in a network of keras.applications: everywhere but in gates, with the weights as they are."""

import keras
import numpy as np
import pytest

from yolo_tf.config import ModelConfig
from yolo_tf.errors import InputError
from yolo_tf.heads.anchor.anchors import COCO_ANCHORS
from yolo_tf.models.backbones import build_backbone
from yolo_tf.models.backbones.applications import build_application
from yolo_tf.models.network import build_network


def small_network(activation=None):
    """Every form in which keras.applications write an activation, and both kinds of gate."""

    def replaced(layer):
        return layer if activation is None else keras.layers.Activation(activation, name=layer.name)

    images = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(4, 3, 2, padding="same", activation=activation or "swish", name="stem")(images)
    x = replaced(keras.layers.ReLU(6.0, name="six"))(keras.layers.BatchNormalization(name="norm")(x))
    gate = keras.layers.ReLU(6.0, name="hard_gate")(keras.layers.Conv2D(4, 1, name="gate_conv")(x) + 3.0) * (1 / 6)
    x = keras.layers.Multiply(name="gated")([x, gate])
    soft = keras.layers.Conv2D(4, 1, activation="sigmoid", name="soft_gate")(x)
    x = keras.layers.Multiply(name="gated_again")([x, soft])
    x = replaced(keras.layers.Activation("relu", name="one"))(keras.layers.Conv2D(5, 1, name="conv")(x))
    x = replaced(keras.layers.ReLU(name="two"))(keras.layers.Conv2D(5, 1, name="conv2")(x))
    network = keras.Model(images, x)
    rng = np.random.default_rng(0)
    network.set_weights([rng.normal(0, 1, weight.shape) for weight in network.get_weights()])
    network.get_layer("norm").set_weights([np.full(4, value) for value in (3.0, 0.3, 0.1, 0.5)])
    return network


@pytest.mark.parametrize("activation", ["relu6", "hard_silu"])
def test_all_but_gates_are_replaced(activation):
    images = keras.Input((None, None, 3))
    options = dict(constructor=lambda **ignored: small_network(), taps=["two"], weights="none")
    pixels = np.random.default_rng(1).normal(0, 2, (2, 6, 10, 3)).astype(np.float32)
    features = []
    for given in (activation, None):
        [feature] = build_application(images, activation=given, **options)
        features.append(keras.Model(images, feature)(pixels).numpy())
        np.testing.assert_allclose(features[-1], small_network(given)(pixels), rtol=1e-4, atol=1e-5)
    assert np.abs(features[0] - features[1]).max() > 0.1


@pytest.mark.slow
def test_weights_come_from_the_same_file(tmp_path):
    path = str(tmp_path / "notop.weights.h5")
    keras.applications.MobileNetV3Small(include_top=False, weights=None, input_shape=(64, 64, 3)).save_weights(path)
    own, other = (build_backbone("mobilenetv3small", weights=path, backbone_activation=kind) for kind in ("own", "relu6"))
    assert [layer.name for layer in own.layers if layer.weights] == [layer.name for layer in other.layers if layer.weights]
    for one, twin in zip(own.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(one, twin)
    activations = [layer.activation for layer in other.layers if isinstance(layer, keras.layers.Activation)]
    assert len(activations) == 31 and set(activations) == {keras.activations.relu6}
    assert sum(isinstance(layer, keras.layers.ReLU) for layer in other.layers) == 9, "the gates"


def test_the_config_reaches_the_backbone():
    model = ModelConfig(backbone="mobilenetv3small", backbone_activation="hard_silu", activation="relu6", width=0.125)
    network = build_network(model, num_classes=3, anchors=COCO_ANCHORS)
    kinds = {"backbone": set(), "neck": set()}
    for layer in network.layers:
        if isinstance(layer, keras.layers.Activation) and not layer.name.startswith(("head_", "p3", "p4", "p5")):
            kinds["neck" if layer.name.startswith("neck_") else "backbone"].add(layer.activation)
    kinds["backbone"].discard(keras.activations.linear)
    assert kinds == {"backbone": {keras.activations.hard_silu}, "neck": {keras.activations.relu6}}


@pytest.mark.parametrize(
    ("backbone", "advice"),
    [("csp_darknet", "Set model.activation"), ("resnet18", "Leave it out"), ("convnext_tiny", "Leave it out")],
)
def test_backbones_that_keep_theirs(backbone, advice):
    message = f"got relu6 for backbone {backbone}, whose activation is not to be replaced. Expected own. {advice}"
    with pytest.raises(InputError, match=message):
        build_backbone(backbone, backbone_activation="relu6")


def test_networks_of_your_own_keep_theirs():
    own = keras.Sequential([keras.Input((None, None, 3)), keras.layers.Conv2D(4, 3, 8)])
    with pytest.raises(InputError, match="backbone_activation: got relu for a network of your own. Expected own. Build it with"):
        build_network(ModelConfig(backbone_activation="relu"), num_classes=3, anchors=COCO_ANCHORS, backbone=own)
