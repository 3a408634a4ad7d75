"""The loss against tensors recorded from the reference implementation."""

import json

import numpy as np
import pytest
import tensorflow as tf

from yolo_tf.config import LossConfig
from yolo_tf.heads.anchor.anchors import COCO_ANCHORS
from yolo_tf.heads.anchor.loss import detection_loss
from yolo_tf.heads.anchor.matching import match_level
from yolo_tf.structures import Targets

SIZE = 320


@pytest.fixture(scope="module")
def golden(shared_dir):
    return np.load(shared_dir / "golden" / "loss.npz"), json.loads((shared_dir / "golden" / "loss.json").read_text())


@pytest.fixture(scope="module")
def batch(golden):
    arrays, _ = golden
    rows = arrays["targets"]
    images = len(arrays["images"])
    boxes, class_ids = np.zeros((images, 11, 4), np.float32), np.full((images, 11), -1, np.int32)
    for image in range(images):
        mine = rows[rows[:, 0] == image]
        centre, half = mine[:, 2:4] * SIZE, mine[:, 4:6] * SIZE / 2
        boxes[image, : len(mine)] = np.concatenate([centre - half, centre + half], 1)
        class_ids[image, : len(mine)] = mine[:, 1]
    targets = Targets(tf.constant(boxes), tf.constant(class_ids))
    predictions = [tf.constant(arrays[f"raw_p{level}"].transpose(0, 2, 3, 1, 4)) for level in (3, 4, 5)]
    return targets, predictions


@pytest.mark.parametrize("level", [0, 1, 2])
def test_the_same_anchors_answer_for_the_same_boxes(golden, batch, level):
    arrays, _ = golden
    targets, predictions = batch
    rows, columns = predictions[level].shape[1:3]
    match = match_level(
        targets,
        COCO_ANCHORS.sizes[level],
        stride=COCO_ANCHORS.strides[level],
        grid_size=(rows, columns),
        ratio_limit=4.0,
    )
    image, answer = np.nonzero(match.mask.numpy())
    cell = match.cell.numpy()[image, answer]
    ours = zip(image, cell // 3 // columns, cell // 3 % columns, cell % 3, match.class_ids.numpy()[image, answer], strict=True)
    boxes = match.boxes_grid.numpy()[image, answer]
    prefix = f"match_p{level + 3}_"
    theirs = zip(*(arrays[prefix + key].astype(int).tolist() for key in ("b", "gj", "gi", "a", "tcls")), strict=True)
    ours = sorted((tuple(map(int, key)), tuple(np.round(box, 3))) for key, box in zip(ours, boxes, strict=True))
    theirs = sorted((key, tuple(np.round(box, 3))) for key, box in zip(theirs, arrays[prefix + "tbox"], strict=True))
    assert [key for key, _ in ours] == [key for key, _ in theirs]
    np.testing.assert_allclose([box for _, box in ours], [box for _, box in theirs], atol=2e-3)


def test_the_loss_parts_are_the_reference_s(golden, batch):
    _, numbers = golden
    parts = detection_loss(*batch, COCO_ANCHORS, loss=LossConfig())
    reference = numbers["loss_evalBN_gains_train_py_scaled_nc80_320"]  # gains rescaled for 80 classes at 320 px
    np.testing.assert_allclose(parts["box"], reference["box"], rtol=1e-4)
    np.testing.assert_allclose(parts["class"], reference["cls"], rtol=1e-4)
    # Where two boxes share a slot the reference keeps whichever was written last, this project the better one.
    np.testing.assert_allclose(parts["objectness"], reference["obj"], rtol=1e-2)
