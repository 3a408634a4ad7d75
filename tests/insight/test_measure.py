"""All that is known of an evaluation, as values and as JSON."""

import json

import numpy as np
import pytest
from planted import dataset, found, measured, record

from yolo_tf.insight.measure import measure_insight, shares_of_rows

A, B, ELSEWHERE = [10, 10, 60, 60], [100, 10, 160, 60], [200, 200, 260, 260]


@pytest.fixture(scope="module")
def insight():
    """A cat found, a dog taken for a cat, something where nothing is; nine more images are without fault."""
    split = dataset(record([A, B], [0, 1], path="a.jpg"), *(record([A], [0], path="b.jpg") for _ in range(9)))
    detections = [found((A, 0.9, 0), (B, 0.7, 0), (ELSEWHERE, 0.2, 1)), *(found((A, 0.8, 0)) for _ in range(9))]
    return measure_insight(split, measured(split, detections))


def test_what_is_said_agrees(insight):
    least = insight.thresholds.score_threshold
    assert insight.shown_threshold == least and 0.7 < least < 0.8, "keeps both cats and not the dog"
    assert insight.errors.count["wrong class"] == 0 and insight.errors.count["missed"] == 1
    assert [(row.index, row.num_faults) for row in insight.images] == [(0, 1), *((index, 0) for index in range(1, 10))]
    assert insight.resolution.AP == pytest.approx(insight.result.metrics["AP"]) and insight.resolution.images == 10
    assert set(insight.partitions) == {"size", "aspect", "crowding", "border", "boxes_per_image"}


def test_json_holds_everything_in_plain_numbers(insight):
    values = json.loads(json.dumps(insight.to_json(), allow_nan=False))
    assert values["confusion"]["classes"] == ["cat", "dog", "background"]
    assert values["confusion"]["counts"] == [[10, 0, 0], [1, 0, 0], [0, 0, 0]]
    assert values["confusion"]["shares"] == [[1.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
    assert values["worst_images"] == [{"path": "a.jpg", "right": 1, "wrong": 0, "missed": 1}]
    assert values["slices"]["size"]["32 to 96"]["boxes"] == 11
    curves = values["curves"]["per_class"]["cat"]
    assert len(values["curves"]["thresholds"]) == 101 and values["curves"]["thresholds"][75] == 0.75
    assert (curves["precision"][75], curves["recall"][75], curves["precision"][50]) == (1.0, 1.0, 0.9091)
    assert len(curves["precision_at_recall"]) == len(values["curves"]["recall_levels"]) == 101


def test_a_split_without_boxes_has_values_too():
    split = dataset(record([]), record([]))
    insight = measure_insight(split, measured(split, [found((A, 0.9, 0)), found()]))
    values = json.loads(json.dumps(insight.to_json(), allow_nan=False))
    assert values["thresholds"] is values["resolution"] is values["errors"]["gain"] is None
    assert values["errors"]["count"]["nothing there"] == 1 and insight.shown_threshold == 0.25
    assert values["curves"]["per_class"] == {"cat": None, "dog": None}


def test_an_empty_split_has_values_too():
    insight = measure_insight(dataset(), measured(dataset(), []))
    assert insight.images == () and insight.calibration.error is None
    json.dumps(insight.to_json(), allow_nan=False)


def test_shares_of_rows():
    np.testing.assert_allclose(shares_of_rows(np.array([[3, 1], [0, 0]])), [[0.75, 0.25], [0, 0]])
