"""Activations that suit int8 cost one operation of their own, or none."""

import detector_files
import keras
import numpy as np
import pytest

from yolo_tf.config import ModelConfig
from yolo_tf.export import export_detector
from yolo_tf.export.parity import Tolerance
from yolo_tf.export.tflite import PRECISIONS, Quantization
from yolo_tf.export.tflite_graph import read_operations
from yolo_tf.models.network import build_network
from yolo_tf.pictures.generated_images import generated_images

CALIBRATION = list(generated_images((96, 160), count=16, seed=9))


@pytest.mark.long
@pytest.mark.parametrize("activation, operation", [("relu6", None), ("hard_silu", "HARD_SWISH")])
def test_exports_of_networks_with_them(activation, operation, tmp_path, monkeypatch):
    keras.utils.set_random_seed(2)
    model = ModelConfig(activation=activation, depth=0.1, width=0.125)
    network = build_network(model, num_classes=len(detector_files.CLASS_NAMES), anchors=detector_files.ANCHORS)
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0
    network(np.float32(CALIBRATION), training=True)  # statistics that fit
    path = detector_files.write_detector(network, tmp_path / "network.keras")
    report = export_detector(path, "saved_model", tmp_path / "saved_model", detect=detector_files.DETECT)
    assert report.same_candidates == 1

    # what a network has not learnt, rounding moves further than what it has
    loose = Tolerance(overlap=0.5, box=2.0, score=0.5, share=0.5)
    monkeypatch.setitem(PRECISIONS, "int8", PRECISIONS["int8"]._replace(tolerance=loose))
    out = tmp_path / "q.tflite"
    export_detector(
        path, "tflite", out, detect=detector_files.DETECT, quantization=Quantization(precision="int8", calibration=CALIBRATION)
    )
    operations = read_operations(out.read_bytes())
    convolutions = sum(isinstance(layer, keras.layers.Conv2D) for layer in network.layers)
    heads = 3
    found = [one for one in operations if one.name in ("HARD_SWISH", "LOGISTIC", "RELU6", "MINIMUM", "MAXIMUM")]
    int8 = [one.name for one in found if one.outputs[0].dtype == "INT8"]
    assert int8 == [operation] * (convolutions - heads if operation else 0)
    assert [one.name for one in found if one.outputs[0].dtype == "FLOAT32"] == ["LOGISTIC"] * heads, "of the decode"
