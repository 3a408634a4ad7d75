"""The gate of every export: what was written must find what the network finds."""

import dataclasses

import numpy as np

from yolo_tf.boxes import pairwise_iou
from yolo_tf.structures import Detections
from yolo_tf.suppression import suppress

BOX_OVERLAP = 0.99  # least IoU of a detection with its twin
BOX_TOLERANCE = 0.05  # px; twins this close are equal whatever their IoU, which says nothing about boxes of 1 px
SCORE_TOLERANCE = 1e-3
TIPPING_OVERLAP = 1e-3  # an IoU this close to the threshold of suppression may fall on either side of it
TOP_CANDIDATES = 100  # of each image, compared before suppression; so an untrained network is compared too


class ParityError(RuntimeError):
    """Raised when an exported file does not find what its network finds. The message is one line."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ParityReport:
    """What was compared, and the largest differences that were seen."""

    num_images: int
    num_candidates: int  # compared before suppression
    num_detections: int  # of the network, after suppression
    box_difference: float  # px, largest of any coordinate
    score_difference: float  # largest


def check_parity(reference, detector, images, detect):
    """Compares an exported file with the network it was made from.

    The best candidates must agree one by one, and the detections after suppression must pair off: same
    class, IoU above 0.99, scores within 1e-3. A detection without a twin may pass only where rounding tips a
    decision: its score within 1e-3 of a limit, its overlap with a better one within 1e-3 of the threshold, or
    two that overlap with scores within 1e-3, either of which may suppress the other.

    Args:
        reference: images -> candidates of the network (runtime.network_candidates).
        detector: Detector, opened from what was written.
        images: uint8 [n, H, W, 3], RGB, n at least 1.
        detect: DetectConfig that was exported.

    Returns:
        ParityReport.

    Raises:
        ParityError: they differ; the message says on which image, and by how much.
    """
    num_candidates = num_detections = 0
    box_difference = score_difference = 0.0
    for index, image in enumerate(images):
        where = f"image {index + 1} of {len(images)}"
        expected = [tensor.numpy() for tensor in reference(image[None])]
        found = [np.asarray(tensor) for tensor in detector.candidates(image[None])]
        boxes, scores = _candidate_differences(expected, found, where)
        num_candidates += min(TOP_CANDIDATES, expected[1].shape[1])

        expected_detections = suppress(*expected, detect)
        found_detections = detector.serve(image[None]) if detector.serve else suppress(*found, detect)
        limit = _least_certain_score(expected[1][0], expected_detections, detect)
        pair_boxes, pair_scores = _pair_off(expected_detections, found_detections, limit, detect, where)
        num_detections += int(expected_detections.num_valid[0])
        box_difference = max(box_difference, boxes, pair_boxes)
        score_difference = max(score_difference, scores, pair_scores)
    return ParityReport(
        num_images=len(images),
        num_candidates=num_candidates,
        num_detections=num_detections,
        box_difference=box_difference,
        score_difference=score_difference,
    )


def _candidate_differences(expected, found, where):
    """Returns the largest (box px, score) difference over the best candidates of the network, compared one by one."""
    shapes = [tensor.shape for tensor in expected], [tensor.shape for tensor in found]
    if shapes[0] != shapes[1]:
        raise ParityError(f"{where}: the file gives candidates of shape {shapes[1]}. Expected {shapes[0]}, as the network.")
    best = np.argsort(-expected[1][0].max(-1), kind="stable")[:TOP_CANDIDATES]
    boxes, scores = (np.abs(one[0, best] - other[0, best]) for one, other in zip(expected, found, strict=True))
    # a side of a large box may be off by more px and still overlap by 0.99
    sides = (expected[0][0, best, 2:] - expected[0][0, best, :2]).min(-1, keepdims=True)
    allowed = np.maximum(BOX_TOLERANCE, (1 - BOX_OVERLAP) / 4 * sides)
    # compared with `not <=`, so that NaN fails
    if not (boxes <= allowed).all() or not (scores <= SCORE_TOLERANCE).all():
        raise ParityError(
            f"{where}: the best {len(best)} candidates differ by up to {boxes.max():.3g} px and {scores.max():.3g} in score."
            f" Expected at most {BOX_TOLERANCE} px (or {(1 - BOX_OVERLAP) / 4:.2%} of the box) and {SCORE_TOLERANCE}."
        )
    return float(boxes.max()), float(scores.max())


def _least_certain_score(scores, detections, detect):
    """Returns the score above which no limit on the number of candidates or detections had a say."""
    limits = [detect.score_threshold]
    best = scores.max(-1)
    if len(best) > detect.max_candidates:
        limits.append(np.partition(best, -detect.max_candidates)[-detect.max_candidates])
    if detections.num_valid[0] == detect.max_detections:
        limits.append(float(detections.scores[0, -1]))
    return max(limits) + SCORE_TOLERANCE


def _pair_off(expected, found, limit, detect, where):
    """Pairs the detections of one image; returns the largest (box px, score) difference of the pairs."""
    expected, found = (_valid_part(detections) for detections in (expected, found))
    overlaps = pairwise_iou(expected.boxes, found.boxes).numpy()
    boxes = np.abs(expected.boxes[:, None] - found.boxes[None]).max(-1)
    scores = np.abs(expected.scores[:, None] - found.scores[None])
    same = (expected.class_ids[:, None] == found.class_ids[None]) & (scores < SCORE_TOLERANCE)
    same &= (overlaps > BOX_OVERLAP) | (boxes < BOX_TOLERANCE)

    pairs = []
    for row in range(len(same)):
        twins = np.flatnonzero(same[row])
        if len(twins):
            twin = twins[np.argmax(overlaps[row, twins])]
            pairs.append((row, twin))
            same[:, twin] = False
    rows, columns = ([pair[side] for pair in pairs] for side in (0, 1))
    of_network = expected, np.isin(np.arange(len(expected.scores)), rows)
    of_file = found, np.isin(np.arange(len(found.scores)), columns)
    for owner, (own, own_paired), (other, other_paired) in (("network", of_network, of_file), ("file", of_file, of_network)):
        for single in np.flatnonzero(~own_paired & (own.scores > limit)):
            if not _is_tipping(own, single, other, other_paired, detect):
                raise ParityError(
                    f"{where}: only the {owner} finds class {own.class_ids[single]} with score {own.scores[single]:.4f}"
                    f" at {np.round(own.boxes[single].astype(float), 2).tolist()}. Expected the same {len(expected.scores)}"
                    f" detections from both (class, IoU > {BOX_OVERLAP}, scores within {SCORE_TOLERANCE})."
                )
    return float(boxes[rows, columns].max(initial=0)), float(scores[rows, columns].max(initial=0))


def _is_tipping(own, single, other, other_paired, detect):
    """Tells whether rounding may have suppressed, on the other side, a detection that stands on its own.

    Its suppressor there is as good or better, and either overlaps it almost exactly as much as is allowed, or
    has no twin: then suppression took another turn before, which the suppressor's own check has to answer for.
    """
    rivals = other.scores > own.scores[single] - SCORE_TOLERANCE
    if not detect.class_agnostic:
        rivals &= other.class_ids == own.class_ids[single]
    overlaps = pairwise_iou(own.boxes[single : single + 1], other.boxes).numpy()[0]
    at_threshold = np.abs(overlaps - detect.iou_threshold) < TIPPING_OVERLAP
    return bool((rivals & (at_threshold | (~other_paired & (overlaps > detect.iou_threshold)))).any())


def _valid_part(detections):
    """Returns the filled slots of the only image, as numpy arrays [n, 4], [n], [n], n."""
    count = int(detections.num_valid[0])
    boxes, scores, class_ids = (np.asarray(tensor)[0, :count] for tensor in detections[:3])
    return Detections(boxes, scores, class_ids, count)
