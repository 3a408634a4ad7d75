import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from yolo_tf.config import EVALUATION_DETECT, DetectConfig
from yolo_tf.errors import InputError
from yolo_tf.heads.anchor.anchors import COCO_ANCHORS
from yolo_tf.heads.anchor.decode import decode_predictions
from yolo_tf.inference.suppression import suppress
from yolo_tf.structures.boxes import pairwise_iou

DETECT = DetectConfig(score_threshold=0.25, iou_threshold=0.5, max_detections=6, max_candidates=40)


def iou(a, b):
    overlap = max(0, min(a[2], b[2]) - max(a[0], b[0])) * max(0, min(a[3], b[3]) - max(a[1], b[1]))
    return overlap / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - overlap)


def suppress_by_brute_force(boxes, scores, detect):
    """Returns [(score, class id, box)] of one image, best first; looks at every pair."""
    order = np.argsort(-scores.max(1), kind="stable")[: detect.max_candidates]
    single = detect.class_agnostic or not detect.multi_label
    entries = [
        (scores[i, c], c, boxes[i])
        for i in order
        for c in range(scores.shape[1])
        if scores[i, c] > detect.score_threshold and (not single or c == scores[i].argmax())
    ]
    kept = []
    for score, c, box in sorted(entries, key=lambda entry: -entry[0]):
        rivals = [entry for entry in kept if detect.class_agnostic or entry[1] == c]
        if all(iou(box, rival[2]) <= detect.iou_threshold for rival in rivals):
            kept.append((score, c, box))
    return kept[: detect.max_detections]


def random_candidates(rng, batch=3, candidates=70, classes=5):
    """Boxes in clusters, a third of them with negative coordinates as unclipped boxes have."""
    centre = rng.choice(rng.uniform(-40, 200, [8, 2]), [batch, candidates]) + rng.normal(0, 4, [batch, candidates, 2])
    size = rng.uniform(20, 50, [batch, candidates, 2])
    boxes = np.concatenate([centre - size / 2, centre + size / 2], -1).astype(np.float32)
    return boxes, rng.uniform(0, 1, [batch, candidates, classes]).astype(np.float32) ** 2


@pytest.mark.parametrize("multi_label", [False, True])
@pytest.mark.parametrize("class_agnostic", [False, True])
@pytest.mark.parametrize("max_detections", [6, 200])
def test_equals_brute_force(multi_label, class_agnostic, max_detections):
    detect = dataclasses.replace(
        DETECT, multi_label=multi_label, class_agnostic=class_agnostic, max_detections=max_detections, max_candidates=60
    )
    boxes, scores = random_candidates(np.random.default_rng(11))
    found = suppress(boxes, scores, detect)
    assert found.boxes.shape == (3, max_detections, 4)
    for image in range(3):
        expected = suppress_by_brute_force(boxes[image], scores[image], detect)
        count = len(expected)
        assert found.num_valid[image] == count > 5
        np.testing.assert_array_equal(found.scores[image, :count], [entry[0] for entry in expected])
        np.testing.assert_array_equal(found.class_ids[image, :count], [entry[1] for entry in expected])
        np.testing.assert_array_equal(found.boxes[image, :count], [entry[2] for entry in expected])
        assert not np.any(found.boxes[image, count:]) and not np.any(found.scores[image, count:])
        assert np.all(found.class_ids[image, count:] == -1)


def test_worked_example():
    """IoU of the first two boxes is 8/12; the third overlaps no one; the fourth is another class; the fifth too weak."""
    boxes = np.array([[[0, 0, 10, 10], [2, 0, 12, 10], [30, 0, 40, 10], [0, 0, 10, 10], [60, 0, 70, 10]]], np.float32)
    scores = np.array([[[0.9, 0], [0.8, 0], [0.7, 0.6], [0, 0.5], [0.25, 0.2]]], np.float32)
    found = suppress(boxes, scores, DETECT)
    assert found.num_valid[0] == 3
    np.testing.assert_allclose(found.scores[0], [0.9, 0.7, 0.5, 0, 0, 0])
    np.testing.assert_array_equal(found.class_ids[0], [0, 0, 1, -1, -1, -1])
    np.testing.assert_array_equal(found.boxes[0, 1], [30, 0, 40, 10])
    # with several labels a candidate, the third box is also a class 1
    found = suppress(boxes, scores, dataclasses.replace(DETECT, multi_label=True))
    np.testing.assert_allclose(found.scores[0], [0.9, 0.7, 0.6, 0.5, 0, 0])
    np.testing.assert_array_equal(found.class_ids[0], [0, 0, 1, 1, -1, -1])
    # across classes the fourth falls to the first
    found = suppress(boxes, scores, dataclasses.replace(DETECT, class_agnostic=True))
    np.testing.assert_allclose(found.scores[0], [0.9, 0.7, 0, 0, 0, 0])


# four candidates apart from each other, with the scores of three classes
APART = np.array([[[0, 0, 9, 9], [20, 0, 29, 9], [40, 0, 49, 9], [60, 0, 69, 9]]], np.float32)
OF_THREE = np.array([[[0.9, 0.6, 0.1], [0.5, 0.8, 0.1], [0.2, 0.3, 0.7], [0.45, 0.1, 0.4]]], np.float32)


@pytest.mark.parametrize(
    "class_ids, multi_label, class_agnostic, expected",  # expected: (score, class id, candidate)
    [
        ((1,), False, False, [(0.8, 1, 1)]),  # candidates 0 and 2 are of other classes first
        ((1,), True, False, [(0.8, 1, 1), (0.6, 1, 0), (0.3, 1, 2)]),
        ((1,), False, True, [(0.8, 1, 1)]),
        ((1,), True, True, [(0.8, 1, 1), (0.6, 1, 0), (0.3, 1, 2)]),
        ((2, 0), False, False, [(0.9, 0, 0), (0.7, 2, 2), (0.45, 0, 3)]),
        ((2, 0), True, False, [(0.9, 0, 0), (0.7, 2, 2), (0.5, 0, 1), (0.45, 0, 3), (0.4, 2, 3)]),
        ((2, 0), True, True, [(0.9, 0, 0), (0.7, 2, 2), (0.5, 0, 1), (0.45, 0, 3)]),  # one class a candidate
        ((0, 1, 2), False, False, [(0.9, 0, 0), (0.8, 1, 1), (0.7, 2, 2), (0.45, 0, 3)]),
    ],
)
@pytest.mark.parametrize("score_threshold", [0.25, 0.0])
def test_only_some_classes(class_ids, multi_label, class_agnostic, expected, score_threshold):
    detect = dataclasses.replace(
        DETECT, class_ids=class_ids, multi_label=multi_label, class_agnostic=class_agnostic, score_threshold=score_threshold
    )
    if multi_label and not score_threshold:
        expected = [entry for entry in expected if entry[0] > 0.4]  # weaker ones follow
    found = suppress(APART, OF_THREE, detect)
    count = len(expected)
    assert found.num_valid[0] == count or (multi_label and not score_threshold)
    np.testing.assert_allclose(found.scores[0, :count], [score for score, _, _ in expected])
    np.testing.assert_array_equal(found.class_ids[0, :count], [class_id for _, class_id, _ in expected])
    np.testing.assert_array_equal(found.boxes[0, :count], [APART[0, candidate] for _, _, candidate in expected])
    assert set(found.class_ids.numpy().ravel()) <= {*class_ids, -1}


@pytest.mark.parametrize("multi_label", [False, True])
def test_other_classes_take_no_places_and_suppress_no_one(multi_label):
    only_last = dataclasses.replace(DETECT, class_ids=(2,), multi_label=multi_label)
    found = suppress(APART, OF_THREE, dataclasses.replace(only_last, max_candidates=1, max_detections=1))
    np.testing.assert_array_equal(found.class_ids, [[2]])
    np.testing.assert_allclose(found.scores, [[0.7]])
    one_place = np.repeat(APART[:, :1], 4, 1)
    found = suppress(one_place, OF_THREE, dataclasses.replace(only_last, class_agnostic=True))
    np.testing.assert_allclose(found.scores[0, :2], [0.7, 0])


@pytest.mark.parametrize(
    "class_thresholds, class_ids, multi_label, class_agnostic, expected",  # expected: (score, class id, candidate)
    [
        ((0.5, 0.5, 0.5), (), False, False, [(0.9, 0, 0), (0.8, 1, 1), (0.7, 2, 2)]),
        ((0.4, 0.85, 0.75), (), False, False, [(0.9, 0, 0), (0.45, 0, 3)]),  # candidate 1 is no class 0 that scores 0.5
        ((0.4, 0.85, 0.75), (), True, False, [(0.9, 0, 0), (0.5, 0, 1), (0.45, 0, 3)]),
        ((0.4, 0.85, 0.75), (), True, True, [(0.9, 0, 0), (0.5, 0, 1), (0.45, 0, 3)]),
        ((0.95, 0.55, 0.35), (0, 1), True, False, [(0.8, 1, 1), (0.6, 1, 0)]),
        ((0.1, 0.1, 0.65), (2,), False, False, [(0.7, 2, 2)]),  # below the threshold of all, 0.25, counts what a class asks
        ((1.0, 1.0, 1.0), (), True, False, []),
    ],
)
def test_a_threshold_of_each_class(class_thresholds, class_ids, multi_label, class_agnostic, expected):
    options = dict(class_thresholds=class_thresholds, class_ids=class_ids, multi_label=multi_label)
    found = suppress(APART, OF_THREE, dataclasses.replace(DETECT, class_agnostic=class_agnostic, **options))
    assert found.num_valid[0] == len(expected)
    np.testing.assert_allclose(found.scores[0, : len(expected)], [score for score, _, _ in expected])
    np.testing.assert_array_equal(found.class_ids[0, : len(expected)], [class_id for _, class_id, _ in expected])
    np.testing.assert_array_equal(
        found.boxes[0, : len(expected)], APART[0, np.array([candidate for _, _, candidate in expected], int)]
    )


def test_a_low_threshold_of_a_class_lets_in_what_that_of_all_keeps_out():
    low = OF_THREE * np.float32(0.2)  # 0.18 at most
    found = suppress(APART, low, dataclasses.replace(DETECT, class_thresholds=(0.1, 0.17, 0.1)))
    np.testing.assert_array_equal(found.class_ids[0, :2], [0, 2])
    np.testing.assert_allclose(found.scores[0, :3], [0.18, 0.14, 0], atol=1e-6)


def test_thresholds_that_are_not_one_a_class_are_refused():
    with pytest.raises(InputError, match="class_thresholds: got 2 numbers. Expected 3, one for each class of the detector"):
        suppress(APART, OF_THREE, dataclasses.replace(DETECT, class_thresholds=(0.5, 0.5)))
    with pytest.raises(InputError, match=r"config.detect.class_thresholds: expected numbers 0..1, got \[0.5, 1.5\]"):
        DetectConfig(class_thresholds=(0.5, 1.5))


def test_an_unknown_class_number_is_refused():
    with pytest.raises(InputError, match="config.detect.class_ids: the detector has no class 3. Expected 0..2. Correct"):
        suppress(APART, OF_THREE, dataclasses.replace(DETECT, class_ids=(0, 3)))


@pytest.mark.parametrize("class_agnostic", [False, True])
def test_nothing_found(class_agnostic):
    found = suppress(tf.ones([2, 9, 4]), tf.fill([2, 9, 3], 0.2), dataclasses.replace(DETECT, class_agnostic=class_agnostic))
    np.testing.assert_array_equal(found.num_valid, [0, 0])
    np.testing.assert_array_equal(found.boxes, np.zeros([2, 6, 4]))
    np.testing.assert_array_equal(found.scores, np.zeros([2, 6]))
    np.testing.assert_array_equal(found.class_ids, np.full([2, 6], -1))


@pytest.mark.parametrize("class_agnostic", [False, True])
def test_function_with_unknown_shapes_equals_eager(class_agnostic):
    detect = dataclasses.replace(DETECT, class_agnostic=class_agnostic)
    boxes, scores = random_candidates(np.random.default_rng(3))
    traced = tf.function(
        lambda boxes, scores: suppress(boxes, scores, detect),
        input_signature=[tf.TensorSpec([None, None, 4]), tf.TensorSpec([None, None, 5])],
    )
    for result, expected in zip(traced(boxes, scores), suppress(boxes, scores, detect), strict=True):
        np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize(
    "name, detect",
    [
        ("nms_detect", DetectConfig(score_threshold=0.25, iou_threshold=0.45)),
        ("nms_evaluate", dataclasses.replace(EVALUATION_DETECT, max_candidates=25200)),
    ],
)
def test_equals_the_recorded_reference(name, detect, shared_dir):
    golden = np.load(shared_dir / "golden" / "forward.npz")
    predictions = [tf.constant(golden[f"raw_p{level}"].transpose(0, 2, 3, 1, 4)) for level in (3, 4, 5)]
    found = suppress(*decode_predictions(predictions, COCO_ANCHORS), detect)
    expected = golden[name]
    assert found.num_valid[0] == len(expected)
    count = len(expected)
    np.testing.assert_allclose(found.scores[0, :count], expected[:, 4], atol=2e-5)
    # equal scores may come in either order, so boxes are paired, not compared by row
    overlaps = pairwise_iou(tf.constant(expected[:, :4]), found.boxes[0, :count]).numpy()
    same_class = expected[:, 5:6] == found.class_ids[0, :count].numpy()[None]
    assert ((overlaps > 0.999) & same_class).any(1).all()
