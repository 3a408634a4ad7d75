import dataclasses
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from yolo_tf.config import DetectConfig
from yolo_tf.export.parity import EXACT, ParityError, Tolerance, check_parity
from yolo_tf.inference.detector import Detector
from yolo_tf.inference.suppression import suppress
from yolo_tf.structures import Detections

DETECT = DetectConfig(score_threshold=0.25, iou_threshold=0.45, max_detections=20, max_candidates=100)
IMAGES = np.zeros([2, 32, 64, 3], np.uint8)


def candidates(score=0.9):
    """150 candidates of 3 classes: far apart, all weak except five; the last two of these overlap."""
    x = np.arange(150, dtype=np.float32) * 100
    boxes = np.stack([x, x * 0, x + 40, x * 0 + 20], -1)
    boxes[144] = boxes[143] + 4
    scores = np.full([150, 3], 0.01, np.float32)
    for index, row in enumerate((3, 50, 120, 143, 144)):
        scores[row, index % 3] = score - 0.1 * index
    scores[144] = scores[143] - 0.05
    return boxes, scores


def detector_of(boxes, scores, serve=None):
    answer = tf.constant(boxes)[None], tf.constant(scores)[None]
    return Detector(path=Path("export"), kind="tflite", spec=None, candidates=lambda images: answer, serve=serve)


def check(boxes, scores, *, detect=DETECT, serve=None, reference=None, tolerance=EXACT):
    expected = detector_of(*(reference or candidates())).candidates
    return check_parity(expected, detector_of(boxes, scores, serve), IMAGES, detect, tolerance)


def test_equal_files_differ_by_nothing():
    report = check(*candidates())
    assert dataclasses.asdict(report) == {
        "num_images": 2, "num_candidates": 200, "num_detections": 8, "same_candidates": 1.0, "same_detections": 1.0,
        "box_difference": 0.0, "score_difference": 0.0, "accuracy": None,
    }  # fmt: skip


def test_small_differences_are_measured():
    boxes, scores = candidates()
    boxes[50, 2] += 0.03
    scores[3, 0] -= 4e-4
    report = check(boxes, scores)
    assert report.box_difference == pytest.approx(0.03, abs=1e-3)
    assert report.score_difference == pytest.approx(4e-4, rel=1e-2)


@pytest.mark.parametrize("score", [0.9, 0.2])
def test_a_moved_candidate_is_found_even_where_nothing_is_detected(score):
    reference = candidates(score=score)
    boxes, scores = candidates(score=score)
    boxes[3] += 2
    with pytest.raises(ParityError, match=r"image 1 of 2: the best 100 candidates differ by up to 2 px and 0 in score"):
        check(boxes, scores, reference=reference)


def test_a_wrong_score_and_nan_are_found():
    boxes, scores = candidates()
    scores[120, 0] += 0.01
    with pytest.raises(ParityError, match="differ by up to 0 px and 0.01 in score. Expected at most"):
        check(boxes, scores)
    boxes, scores = candidates()
    boxes[3] = np.nan
    with pytest.raises(ParityError, match="nan px"):
        check(boxes, scores)


def test_a_lower_precision_may_differ_in_a_few_places():
    """One of 100 candidates of each image moved by 25 px; of its 4 + 4 detections one on each side loses its twin."""
    boxes, scores = candidates()
    boxes[3] += 25
    allowed = Tolerance(overlap=0.8, box=2.0, score=0.1, share=0.75)
    report = check(boxes, scores, tolerance=allowed)
    assert (report.same_candidates, report.same_detections, report.box_difference) == (0.99, 0.75, 25)
    stricter = "only the network finds class 0 with score 0.9000 .* 4 of 16 detections of network and file differ so; at most 24"
    with pytest.raises(ParityError, match=stricter):
        check(boxes, scores, tolerance=allowed._replace(share=0.76))
    message = "up to 25 px and 0 in score.* 2 of 200 candidates differ so; at most 0.5% may. Choose a high"
    with pytest.raises(ParityError, match=message):
        check(boxes, scores, tolerance=allowed._replace(share=0.995))
    boxes, scores = candidates()
    scores[3, 0] -= 0.05
    assert check(boxes, scores, tolerance=allowed).same_detections == 1
    with pytest.raises(ParityError, match="0 px and 0.05 in score. Expected at most 2.0 px .* and 0.04"):
        check(boxes, scores, tolerance=allowed._replace(score=0.04, share=1))


def test_other_shapes_are_found():
    boxes, scores = candidates()
    with pytest.raises(ParityError, match=r"candidates of shape .*149.* Expected .*150.* as the network"):
        check(boxes[1:], scores[1:])


def served(change):
    """Returns a `serve` whose detections were changed after suppression."""
    found = suppress(*(tensor[None] for tensor in candidates()), DETECT)
    found = Detections(*(tensor.numpy() for tensor in found))
    return lambda images: Detections(*(tf.constant(tensor) for tensor in change(found)))


def drop_last(found):
    found = found._replace(num_valid=found.num_valid - 1)
    found.class_ids[0, found.num_valid[0]] = -1
    return found


def test_suppression_inside_the_file_is_compared_too():
    report = check(*candidates(), serve=served(lambda found: found))
    assert report.num_detections == 8
    with pytest.raises(ParityError, match="only the network finds class 0 with score 0.6000"):
        check(*candidates(), serve=served(drop_last))
    with pytest.raises(ParityError, match="only the network finds class 0 with score 0.9000"):
        check(*candidates(), serve=served(lambda found: found._replace(class_ids=found.class_ids + 1)))
    with pytest.raises(ParityError, match=r"Expected the same 4 detections from both \(class, IoU > 0.99"):
        check(*candidates(), serve=served(lambda found: found._replace(boxes=found.boxes * 1.01)))
    twice = dataclasses.replace(DETECT, iou_threshold=0.9)
    with pytest.raises(ParityError, match="only the file finds"):
        check(*candidates(), serve=lambda images: suppress(*(tensor[None] for tensor in candidates()), twice))


def test_a_score_at_the_threshold_may_fall_on_either_side():
    reference, (boxes, scores) = candidates(), candidates()
    reference[1][7, 1], scores[7, 1] = 0.2501, 0.2499
    assert check(boxes, scores, reference=reference).num_detections == 10
    reference[1][7, 1], scores[7, 1] = 0.2599, 0.2599  # but nothing clearly above it
    with pytest.raises(ParityError, match="only the network finds class 1 with score 0.2599"):
        check(boxes, scores, reference=reference, serve=served(lambda found: found))


def test_an_overlap_at_the_threshold_may_fall_on_either_side():
    """40 x 20 boxes, the second 4 to the right and below: 36 * 16 of 800 + 800 - 576, IoU 0.5625."""
    reference, (boxes, scores) = candidates(), candidates()
    detect = dataclasses.replace(DETECT, iou_threshold=0.5625)
    boxes[144] += 1e-4
    reference[0][144] -= 1e-4
    counts = [int(suppress(b[None], s[None], detect).num_valid[0]) for b, s in (reference, (boxes, scores))]
    assert counts == [4, 5]
    assert check(boxes, scores, reference=reference, detect=detect).num_detections == 8


def test_the_last_place_may_go_to_either_of_two_equals():
    detect = dataclasses.replace(DETECT, max_detections=2)
    reference, (boxes, scores) = candidates(), candidates()
    reference[1][50, 1], reference[1][120, 2] = 0.8001, 0.8
    scores[50, 1], scores[120, 2] = 0.8, 0.8001
    assert check(boxes, scores, reference=reference, detect=detect).num_detections == 4


def test_either_of_two_equals_may_suppress_the_other():
    """And what the loser would have suppressed stands or falls with it: here a third, behind the second."""
    reference, (boxes, scores) = candidates(), candidates()
    for some_boxes in (reference[0], boxes):
        some_boxes[145] = some_boxes[144] + [6, 0, 6, 0]  # IoU .74 with the second, .41 with the first
    for some_scores, first, second in ((reference[1], 0.6001, 0.6), (scores, 0.6, 0.6001)):
        some_scores[143:146, 0] = first, second, 0.4
    counts = [int(suppress(b[None], s[None], DETECT).num_valid[0]) for b, s in (reference, (boxes, scores))]
    assert counts == [5, 4]
    assert check(boxes, scores, reference=reference).num_detections == 10
    with pytest.raises(ParityError, match="only the network finds class 0 with score 0.6001"):
        check(*reference, reference=reference, serve=lambda images: suppress(boxes[None, :143], scores[None, :143], DETECT))


def test_what_is_near_the_threshold_of_its_class_may_fall_on_either_side():
    """0.4 is clearly above the threshold of all, and on that of class 1, not of class 0."""
    reference, (boxes, scores) = candidates(), candidates()
    reference[1][7, 1], scores[7, 1] = 0.4001, 0.3999
    detect = dataclasses.replace(DETECT, class_thresholds=(0.3, 0.4, 0.3))
    assert check(boxes, scores, reference=reference, detect=detect).same_detections < 1
    lower, higher = (dataclasses.replace(DETECT, class_thresholds=(0.3, least, 0.3)) for least in (0.35, 0.45))
    with pytest.raises(ParityError, match="only the network finds class 1 with score 0.4001"):
        check(boxes, scores, reference=reference, detect=lower, serve=lambda images: suppress(boxes[None], scores[None], higher))
