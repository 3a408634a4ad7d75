"""What works for one head works for all: files of every format and precision, a smaller network, XLA, half precision."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from detector_files import DETECT, need_openvino
from strided_detectors import IMAGES, save_strided_detector, strided_detector

from yolo_tf.config import ModelConfig
from yolo_tf.engine.trainer import DetectorTrainer
from yolo_tf.export import export_detector
from yolo_tf.export.prune import prune_detector
from yolo_tf.export.tflite import Quantization
from yolo_tf.files.keras import read_network
from yolo_tf.heads import HEADS
from yolo_tf.inference.detector import open_detector
from yolo_tf.models.network import network_layout
from yolo_tf.structures import Targets

FORMATS = [("saved_model", ""), ("onnx", ""), ("openvino", "")]
FORMATS += [("tflite", precision) for precision in ("float32", "float16", "dynamic", "int8")]


@pytest.fixture(scope="module", params=HEADS)
def file(request, tmp_path_factory):
    """The file of a detector with each head."""
    return save_strided_detector(request.param, tmp_path_factory.mktemp(request.param) / "tiny.keras")


@pytest.mark.long
@pytest.mark.parametrize(("format", "precision"), FORMATS, ids=lambda value: value or "float")
def test_every_format_and_precision_finds_what_the_network_finds(file, tmp_path, format, precision):
    if format == "onnx":
        pytest.importorskip("tf2onnx", reason="needs pip install 'yolo_tf[onnx]'")
    if format == "openvino":
        need_openvino()
    calibration = {"calibration": list(IMAGES)} if precision == "int8" else {}
    quantization = Quantization(precision=precision, **calibration) if precision else None
    out = tmp_path / f"tiny{'' if format in ('saved_model', 'openvino') else '.' + format}"
    report = export_detector(file, format, out, detect=DETECT, quantization=quantization)
    assert report.same_candidates >= (0.85 if precision == "int8" else 0.95)  # what the gate asks for at least
    again = open_detector(out)
    assert again.spec.head == open_detector(file).spec.head
    if format == "saved_model":
        signatures = tf.saved_model.load(str(out)).signatures
        assert set(signatures) == {"serving_default", "candidates", "image_bytes"}
        boxes, scores = open_detector(file).candidates(IMAGES[:2])
        found = signatures["candidates"](images=tf.constant(IMAGES[:2]))
        np.testing.assert_allclose(found["boxes"], boxes, atol=1e-2)
        np.testing.assert_allclose(found["scores"], scores, atol=1e-4)


@pytest.mark.long
def test_a_pruned_network_is_smaller_and_has_the_same_predictions_to_give(file, tmp_path):
    report = prune_detector(file, tmp_path / "pruned.keras", "channels", 0.4)
    assert report.after.params["total"] < 0.75 * report.before.params["total"]
    assert report.after.params["head"] < report.before.params["head"]
    pruned, whole = (read_network(path, option="here") for path in (tmp_path / "pruned.keras", file))
    assert [raw.shape for raw in pruned.outputs] == [raw.shape for raw in whole.outputs]
    export_detector(tmp_path / "pruned.keras", "saved_model", tmp_path / "saved", detect=DETECT)


def targets_of(images):
    boxes = [[10.0, 20.0, 50.0, 60.0], [100.0, 30.0, 112.0, 44.0], [0.0] * 4]
    return Targets(tf.constant([boxes] * len(images)), tf.constant([[0, 2, -1]] * len(images)))


def losses(head, *, policy="float32", **options):
    """Losses of four steps on the same four images."""
    keras.config.set_dtype_policy(policy)
    try:
        network = strided_detector(head, kernel_scale=0.5)
        trainer = DetectorTrainer(network, network_layout(ModelConfig(head=head)), fused_batch_norm=False)
        trainer.compile(keras.optimizers.SGD(0.05), **options)
        images = tf.constant(IMAGES[:4], tf.float32)
        return trainer.fit(images, targets_of(images), batch_size=4, epochs=4, shuffle=False, verbose=0).history["loss"]
    finally:
        keras.config.set_dtype_policy("float32")


@pytest.mark.long
@pytest.mark.parametrize("head", HEADS)
def test_a_step_under_xla_is_the_step_without(head):
    plain, compiled = losses(head), losses(head, jit_compile=True)
    np.testing.assert_allclose(compiled, plain, rtol=1e-3)
    assert compiled[0] == pytest.approx(plain[0], rel=1e-5) and plain[-1] < plain[0]


@pytest.mark.long
@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
@pytest.mark.parametrize("head", HEADS)
def test_half_precision_learns_too(head, policy):
    whole, half = losses(head), losses(head, policy=policy)
    assert np.isfinite(half).all() and half[-1] < half[0]
    assert half[0] == pytest.approx(whole[0], rel=0.03)
