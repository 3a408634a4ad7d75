"""What was found: a batch of fixed size, and each image of it."""

import numpy as np
import pytest
import tensorflow as tf

from yolo_tf.structures import Detections, ImageDetections

NAMES = ("car", "bus", "tram")


def test_a_batch_falls_into_images_without_its_empty_slots():
    boxes = np.arange(3 * 4 * 4, dtype=np.float32).reshape(3, 4, 4)
    scores = np.linspace(1, 0, 12, dtype=np.float32).reshape(3, 4)
    class_ids = np.array([[2, 0, -1, -1], [-1, -1, -1, -1], [1, 1, 0, 2]], np.int32)
    batch = Detections(*map(tf.constant, (boxes, scores, class_ids, np.array([2, 0, 4], np.int32))))
    found = batch.per_image()
    assert [len(one) for one in found] == [2, 0, 4]
    for row, one in enumerate(found):
        np.testing.assert_array_equal(one.boxes, boxes[row, : len(one)])
        np.testing.assert_array_equal(one.scores, scores[row, : len(one)])
        np.testing.assert_array_equal(one.class_ids, class_ids[row, : len(one)])
        assert (one.boxes.dtype, one.scores.dtype, one.class_ids.dtype) == (np.float32, np.float32, np.int32)


def test_plain_values_are_rounded():
    found = ImageDetections(
        boxes=np.array([[20, 10.00049, 60.12345, 90], [0, 0, 200, 100]], np.float32),
        scores=np.array([0.7512345678, 0.5], np.float32),
        class_ids=np.array([2, 0], np.int32),
    )
    assert found.to_json(NAMES) == [
        {"class_id": 2, "class_name": "tram", "score": pytest.approx(0.751235, abs=1e-9), "box": [20, 10, 60.123, 90]},
        {"class_id": 0, "class_name": "car", "score": 0.5, "box": [0, 0, 200, 100]},
    ]
    nothing = ImageDetections(boxes=found.boxes[:0], scores=found.scores[:0], class_ids=found.class_ids[:0])
    assert nothing.to_json(NAMES) == [] and len(nothing) == 0
