"""Scores against the share that is right, worked out by hand."""

import pytest
from planted import dataset, found, record

from yolo_tf.evaluation.coco import coco_evaluator
from yolo_tf.insight.calibration import measure_calibration

A, B, ELSEWHERE = [10, 10, 60, 60], [100, 10, 160, 60], [200, 200, 260, 260]


def test_error_is_the_mean_gap_over_detections():
    """At 0.95 one of one right (gap .05), at 0.65 one of two (gap .15): (.05 + 2 * .15) / 3."""
    split = dataset(record([A, B]))
    evaluator = coco_evaluator(split, [found((A, 0.95, 0), (B, 0.65, 0), (ELSEWHERE, 0.65, 0))])
    calibration = measure_calibration(evaluator)
    assert calibration.error == pytest.approx(0.35 / 3, abs=1e-6) and calibration.largest_error == pytest.approx(0.15, abs=1e-6)
    filled = {round(one.low, 1): (one.count, one.share_right) for one in calibration.bins if one.count}
    assert filled == {0.9: (1, 1.0), 0.6: (2, 0.5)} and len(calibration.bins) == 10
    assert calibration.bins[0].mean_score is None and calibration.bins[0].share_right is None
    assert calibration.per_class["cat"] == pytest.approx(0.35 / 3, abs=1e-6)


def test_without_detections_there_is_no_error():
    split = dataset(record([A]))
    calibration = measure_calibration(coco_evaluator(split, [found()]))
    assert (calibration.error, calibration.largest_error) == (None, None)
    assert all(one.count == 0 for one in calibration.bins)
