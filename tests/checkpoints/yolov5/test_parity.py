"""An imported YOLOv5n against tensors recorded from the original: raw predictions, boxes, detections, loss, gradients."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from yolo_tf.checkpoints.yolov5.checkpoint import read_yolov5
from yolo_tf.config import EVALUATION_DETECT, DetectConfig, LossConfig
from yolo_tf.heads.anchor.anchors import COCO_ANCHORS
from yolo_tf.heads.anchor.decode import decode_predictions
from yolo_tf.heads.anchor.loss import detection_loss
from yolo_tf.inference.suppression import suppress
from yolo_tf.models.imported.yolov5 import build_imported
from yolo_tf.structures import Targets
from yolo_tf.surgery.fused_batch_norm import fused_batch_norm_view

STRIDES = (8, 16, 32)


@pytest.fixture(scope="module")
def network(shared_dir):
    path = shared_dir / "weights" / "yolov5n.pt"
    return build_imported(read_yolov5(path), where=path)


@pytest.fixture(scope="module")
def forward(shared_dir):
    return np.load(shared_dir / "golden" / "forward.npz")


@pytest.fixture(scope="module")
def raw(network, forward):
    return network(forward["image"][None].astype(np.float32), training=False)


@pytest.fixture(scope="module")
def recorded_loss(shared_dir):
    return np.load(shared_dir / "golden" / "loss.npz"), json.loads((shared_dir / "golden" / "loss.json").read_text())


def targets_of(arrays):
    """Returns the Targets of loss.npz, padded to as many boxes as the fullest image has."""
    rows, size = arrays["targets"], arrays["images"].shape[1]
    boxes, class_ids = np.zeros((8, 11, 4), np.float32), np.full((8, 11), -1, np.int32)
    for image in range(8):
        mine = rows[rows[:, 0] == image]
        centre, half = mine[:, 2:4] * size, mine[:, 4:6] * size / 2
        boxes[image, : len(mine)] = np.concatenate([centre - half, centre + half], 1)
        class_ids[image, : len(mine)] = mine[:, 1]
    return Targets(tf.constant(boxes), tf.constant(class_ids))


def test_raw_predictions(raw, forward):
    for level, ours in zip((3, 4, 5), raw, strict=True):
        theirs = forward[f"raw_p{level}"].transpose(0, 2, 3, 1, 4)
        assert np.abs(theirs).max() > 8  # logits of real objects
        np.testing.assert_allclose(ours, theirs, atol=2e-4, rtol=0)


def test_decoded_boxes_and_scores(raw, forward):
    boxes, scores = (tensor.numpy()[0] for tensor in decode_predictions(raw, COCO_ANCHORS))
    # Theirs: level, anchor, row, column. Ours: level, row, column, anchor.
    levels = np.split(forward["decoded"], np.cumsum([3 * (640 // stride) ** 2 for stride in STRIDES])[:-1])
    theirs = np.concatenate([level.reshape(3, -1, 85).swapaxes(0, 1).reshape(-1, 85) for level in levels])
    centre, half = theirs[:, :2], theirs[:, 2:4] / 2
    np.testing.assert_allclose(boxes, np.concatenate([centre - half, centre + half], 1), atol=0.05, rtol=0)
    np.testing.assert_allclose(scores, theirs[:, 4:5] * theirs[:, 5:], atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("name", "detect", "count"), [("nms_detect", DetectConfig(), 13), ("nms_evaluate", EVALUATION_DETECT, 300)]
)
def test_the_same_detections(raw, forward, name, detect, count):
    found = suppress(*decode_predictions(raw, COCO_ANCHORS), detect)
    ours = np.concatenate([found.boxes[0], found.scores[0][:, None], tf.cast(found.class_ids[0], tf.float32)[:, None]], 1)
    ours, theirs = ours[: int(found.num_valid[0])], forward[name]
    assert len(ours) == len(theirs) == count
    # Equal scores may come in either order, so detections are paired, not compared by row.
    near = np.abs(ours[:, None, :4] - theirs[None, :, :4]).max(-1) < 0.05
    near &= np.abs(ours[:, None, 4] - theirs[None, :, 4]) < 1e-4
    near &= ours[:, None, 5] == theirs[None, :, 5]
    assert (near.sum(0) == 1).all() and (near.sum(1) == 1).all()


def test_loss_parts_where_the_last_box_keeps_a_shared_anchor(recorded_loss):
    arrays, numbers = recorded_loss
    predictions = [tf.constant(arrays[f"raw_p{level}"].transpose(0, 2, 3, 1, 4)) for level in (3, 4, 5)]
    parts = detection_loss(targets_of(arrays), predictions, COCO_ANCHORS, loss=LossConfig(shared_anchor="last"))
    reference = numbers["loss_evalBN_gains_train_py_scaled_nc80_320"]  # gains rescaled for 80 classes at 320 px
    for ours, theirs in (("box", "box"), ("objectness", "obj"), ("class", "cls")):
        np.testing.assert_allclose(parts[ours], reference[theirs], rtol=1e-4, err_msg=ours)
    np.testing.assert_allclose(sum(parts.values()) * 8, reference["total_times_bs"], rtol=1e-4)


@pytest.mark.parametrize("fused", [False, True], ids=["keras", "fused"])
def test_loss_in_training_mode(shared_dir, recorded_loss, fused):
    """With the statistics of the batch, by Keras' own batch norm and by the fused one that training uses."""
    arrays, numbers = recorded_loss
    path = shared_dir / "weights" / "yolov5n.pt"
    network = build_imported(read_yolov5(path), where=path)  # its own: the running statistics change
    forward = fused_batch_norm_view(network) if fused else network
    images = tf.constant(arrays["images"], tf.float32)
    parts = detection_loss(
        targets_of(arrays), forward(images, training=True), COCO_ANCHORS, loss=LossConfig(shared_anchor="last")
    )
    reference = numbers["loss_trainBN_gains_train_py_scaled_nc80_320"]
    for ours, theirs in (("box", "box"), ("objectness", "obj"), ("class", "cls")):
        np.testing.assert_allclose(parts[ours], reference[theirs], rtol=1e-4, err_msg=ours)


@pytest.mark.slow
def test_gradients_of_the_loss(network, recorded_loss, shared_dir):
    arrays, numbers = recorded_loss
    recorded = np.load(shared_dir / "golden" / "loss_gradients.npz")
    loss = LossConfig(objectness=4.0, shared_anchor="last")  # a gain of 1 after the rescaling to 320 px, as recorded
    layers = {"model.0.conv": "backbone_stem_conv", **{f"model.24.m.{level}": f"head_p{level + 3}" for level in range(3)}}
    layers["model.0.bn"] = "backbone_stem_batch_norm"
    variables = {}
    for theirs, ours in layers.items():
        layer = network.get_layer(ours)
        batch_norm = isinstance(layer, keras.layers.BatchNormalization)
        variables[f"{theirs}.weight"] = layer.gamma if batch_norm else layer.kernel
        if not batch_norm and layer.use_bias:
            variables[f"{theirs}.bias"] = layer.bias
    assert set(variables) == set(recorded.files)

    @tf.function  # eagerly every layer's output would stay in memory twice
    def gradients(images):
        with tf.GradientTape() as tape:
            parts = detection_loss(targets_of(arrays), network(images, training=False), COCO_ANCHORS, loss=loss)
            total = sum(parts.values()) * 8
        return total, tape.gradient(total, [variable.value for variable in variables.values()])

    total, found = gradients(tf.constant(arrays["images"], tf.float32))
    np.testing.assert_allclose(total, numbers["loss_evalBN_gains_hyp_as_is"]["total_times_bs"], rtol=1e-4)
    for name, ours in zip(variables, found, strict=True):
        ours = ours.numpy().astype(np.float64)
        theirs = recorded[name].astype(np.float64)
        ours = (ours.transpose(3, 2, 0, 1) if ours.ndim == 4 else ours).ravel()
        theirs = theirs.ravel()
        norms = np.linalg.norm(ours), np.linalg.norm(theirs)
        assert ours @ theirs / (norms[0] * norms[1]) > 1 - 1e-6, name
        np.testing.assert_allclose(norms[0], norms[1], rtol=1e-4, err_msg=name)
