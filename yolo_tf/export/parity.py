"""The gate of every export: what was written must find what the network finds."""

import dataclasses
from typing import NamedTuple

import numpy as np

from yolo_tf.config.plain import plain
from yolo_tf.errors import InputError
from yolo_tf.inference.suppression import suppress
from yolo_tf.structures import Detections
from yolo_tf.structures.boxes import pairwise_iou

TOP_CANDIDATES = 100  # of each image, compared before suppression; so an untrained network is compared too


class Tolerance(NamedTuple):
    """How far a file may be from its network."""

    overlap: float  # least IoU of a detection with its twin
    box: float  # px; twins this close are equal whatever their IoU, which says nothing about boxes of 1 px
    score: float
    share: float  # 0..1; of the candidates, and of the detections, that must agree this well


EXACT = Tolerance(overlap=0.99, box=0.05, score=1e-3, share=1.0)  # the same arithmetic in another order


class ParityError(InputError, RuntimeError):
    """Raised when an exported file does not find what its network finds. The message is one line."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ParityReport:
    """What was compared, and the largest differences that were seen."""

    num_images: int
    num_candidates: int  # compared before suppression
    num_detections: int  # of the network, after suppression
    same_candidates: float  # share that is within the tolerance, 0..1
    same_detections: float  # share, of those of network and file together, that has a twin in the other, 0..1
    box_difference: float  # px, largest of any coordinate of these candidates and of twins
    score_difference: float  # largest of the same
    accuracy: dict | None = None  # of network and file, see accuracy.check_accuracy; None = not measured

    to_json = plain


def format_parity(report):
    """Returns the lines on a ParityReport."""
    return (
        f"  {report.num_candidates} candidates and {report.num_detections} detections:"
        f" {report.same_candidates:.2%} and {report.same_detections:.2%} agree,\n"
        f"  all within {report.box_difference:.2g} px and {report.score_difference:.2g} in score."
    )


def check_parity(reference, detector, images, detect, tolerance=EXACT):
    """Compares an exported file with the network it was made from, and returns a ParityReport.

    The best candidates must agree one by one, and the detections after suppression must pair off: same class,
    IoU and scores within the tolerance. A detection without a twin may pass only where rounding tips a decision:
    its score within the tolerance of a limit, its overlap with a better one close to the threshold, or two that
    overlap with scores within the tolerance, either of which may suppress the other. The share of the tolerance
    must agree so, over all images together: all of them, or fewer for a file of lower precision.

    Args:
        reference: images -> candidates of the network (inference.detector.network_candidates).
        detector: Detector, opened from what was written.
        images: uint8 [n, H, W, 3], RGB, n at least 1.
        detect: DetectConfig that was exported.
        tolerance: Tolerance.

    Raises:
        ParityError: they differ; the message says on which image first, and by how much.
    """
    candidates, detections, differences = [], [], []
    for index, image in enumerate(images):
        where = f"image {index + 1} of {len(images)}"
        expected = [tensor.numpy() for tensor in reference(image[None])]
        found = [np.asarray(tensor) for tensor in detector.candidates(image[None])]
        candidates.append(compare_candidates(expected, found, tolerance, where))

        expected_detections = suppress(*expected, detect)
        found_detections = detector.serve(image[None]) if detector.serve else suppress(*found, detect)
        limits = _least_certain_scores(expected[1][0], expected_detections, detect, tolerance)
        detections.append(_pair_off(expected_detections, found_detections, limits, detect, tolerance, where))
        differences += [candidates[-1].differences, detections[-1].differences]
    for kind, of_images in (("candidates", candidates), ("detections of network and file", detections)):
        wrong, total = sum(len(one.wrong) for one in of_images), sum(one.total for one in of_images)
        if not wrong <= (1 - tolerance.share) * total:
            first = next(one.wrong[0] for one in of_images if one.wrong)
            advice = " Choose a higher precision, or calibrate on more images." if tolerance.share < 1 else ""
            raise ParityError(f"{first} {wrong} of {total} {kind} differ so; at most {1 - tolerance.share:.1%} may.{advice}")
    box_difference, score_difference = np.max(differences, axis=0).tolist()
    num_both = sum(one.total for one in detections)
    return ParityReport(
        num_images=len(images),
        num_candidates=sum(one.total for one in candidates),
        num_detections=sum(one.of_network for one in detections),
        same_candidates=1 - sum(len(one.wrong) for one in candidates) / sum(one.total for one in candidates),
        same_detections=sum(one.twins for one in detections) / num_both if num_both else 1.0,
        box_difference=box_difference,
        score_difference=score_difference,
    )


class Compared(NamedTuple):
    """Candidates, or detections, of one image."""

    total: int
    wrong: list  # a line on each that disagrees
    differences: tuple  # largest (box px, score)
    of_network: int = 0
    twins: int = 0


def compare_candidates(expected, found, tolerance, where):
    """Compares the best candidates of one image one by one, `expected` and `found` (boxes, scores) as [1, D, ...]: Compared."""
    shapes = [tensor.shape for tensor in expected], [tensor.shape for tensor in found]
    if shapes[0] != shapes[1]:
        raise ParityError(f"{where}: the file gives candidates of shape {shapes[1]}. Expected {shapes[0]}, as the network.")
    best = np.argsort(-expected[1][0].max(-1), kind="stable")[:TOP_CANDIDATES]
    boxes, scores = (np.abs(one[0, best] - other[0, best]).max(-1) for one, other in zip(expected, found, strict=True))
    overlaps = np.diagonal(pairwise_iou(expected[0][0, best], found[0][0, best]))
    # what is the same is asked for, not what differs, so that NaN is wrong
    same = ((overlaps > tolerance.overlap) | (boxes < tolerance.box)) & (scores < tolerance.score)
    line = (
        f"{where}: the best {len(best)} candidates differ by up to {boxes.max():.3g} px and {scores.max():.3g} in score."
        f" Expected at most {tolerance.box} px (or IoU > {tolerance.overlap}) and {tolerance.score}."
    )
    return Compared(len(best), [line] * int((~same).sum()), (float(boxes.max()), float(scores.max())))


def _least_certain_scores(scores, detections, detect, tolerance):
    """Returns the scores [C] above which no threshold and no limit on the number of candidates or detections had a say."""
    limits = [detect.least_score]
    best = scores.max(-1)
    if len(best) > detect.candidate_limit:
        limits.append(np.partition(best, -detect.candidate_limit)[-detect.candidate_limit])
    if detections.num_valid[0] == detect.max_detections:
        limits.append(float(detections.scores[0, -1]))
    of_classes = detect.class_thresholds or np.zeros(scores.shape[-1])
    return np.maximum(of_classes, max(limits)) + tolerance.score


def _pair_off(expected, found, limits, detect, tolerance, where):
    """Pairs the detections of one image; wrong are those without a twin that rounding does not explain.

    `limits` are those of `_least_certain_scores`; a wrong file may give classes that are none.
    """
    expected, found = (_valid_part(detections) for detections in (expected, found))
    overlaps = pairwise_iou(expected.boxes, found.boxes).numpy()
    boxes = np.abs(expected.boxes[:, None] - found.boxes[None]).max(-1)
    scores = np.abs(expected.scores[:, None] - found.scores[None])
    same = (expected.class_ids[:, None] == found.class_ids[None]) & (scores < tolerance.score)
    same &= (overlaps > tolerance.overlap) | (boxes < tolerance.box)

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
    wrong = []
    for owner, (own, own_paired), (other, other_paired) in (("network", of_network, of_file), ("file", of_file, of_network)):
        for single in np.flatnonzero(~own_paired & (own.scores > np.take(limits, own.class_ids, mode="clip"))):
            if not _is_tipping(own, single, other, other_paired, detect, tolerance):
                wrong.append(
                    f"{where}: only the {owner} finds class {own.class_ids[single]} with score {own.scores[single]:.4f}"
                    f" at {np.round(own.boxes[single].astype(float), 2).tolist()}. Expected the same {len(expected.scores)}"
                    f" detections from both (class, IoU > {tolerance.overlap}, scores within {tolerance.score})."
                )
    differences = float(boxes[rows, columns].max(initial=0)), float(scores[rows, columns].max(initial=0))
    total = len(expected.scores) + len(found.scores)
    return Compared(total, wrong, differences, of_network=len(expected.scores), twins=2 * len(pairs))


def _is_tipping(own, single, other, other_paired, detect, tolerance):
    """Tells whether rounding may have suppressed, on the other side, a detection that stands on its own.

    Its suppressor there is as good or better, and either overlaps it almost exactly as much as is allowed, or
    has no twin: then suppression took another turn before, which the suppressor's own check has to answer for.
    """
    rivals = other.scores > own.scores[single] - tolerance.score
    if not detect.class_agnostic:
        rivals &= other.class_ids == own.class_ids[single]
    overlaps = pairwise_iou(own.boxes[single : single + 1], other.boxes).numpy()[0]
    at_threshold = np.abs(overlaps - detect.iou_threshold) < (1 - tolerance.overlap) / 10  # may fall on either side of it
    return bool((rivals & (at_threshold | (~other_paired & (overlaps > detect.iou_threshold)))).any())


def _valid_part(detections):
    """Returns the filled slots of the only image, as numpy arrays [n, 4], [n], [n], n."""
    count = int(detections.num_valid[0])
    boxes, scores, class_ids = (np.asarray(tensor)[0, :count] for tensor in detections[:3])
    return Detections(boxes, scores, class_ids, count)
