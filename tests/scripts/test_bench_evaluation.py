"""scripts/bench_evaluation.py gives every engine the same split, and calls it once."""

import importlib.util

import numpy as np
import pytest
from places import ROOT

from yolo_tf.evaluation import coco


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("bench_evaluation", ROOT / "scripts" / "bench_evaluation.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_engines_find_the_same_numbers(script):
    dataset, detections = script.make_split(40, 30, 3)
    assert [len(one) for one in detections] == [30] * 40 and any(record.is_crowd.any() for record in dataset.records)
    reference, *others = (script.measure_engine(engine, dataset, detections) for engine in ("pycocotools", "hotcoco", "report"))
    assert 0.1 < reference["numbers"][0] < 0.9
    for row in others:
        np.testing.assert_array_equal(row["numbers"], reference["numbers"])


def test_an_engine_is_timed_over_one_evaluation(script, monkeypatch):
    calls, evaluator = [], coco.coco_evaluator
    monkeypatch.setattr(coco, "coco_evaluator", lambda *split: calls.append(1) or evaluator(*split))
    script.measure_engine("hotcoco", *script.make_split(3, 30, 2))
    assert len(calls) == 1


def test_rows_are_compared_with_the_first(script):
    rows = {
        "slow": {"seconds": 9.0, "cpu": 8.0, "peak": 20.0, "numbers": [0.5, 0.25]},
        "fast": {"seconds": 0.5, "cpu": 2.0, "peak": 4.0, "numbers": [0.5, 0.26]},
    }
    assert script.format_rows(rows)[2:] == [
        "| slow | 9.00 | 1/1.0 | 8.00 | 1/1.0 | 20 | 0e+00 |",
        "| fast | 0.50 | 1/18.0 | 2.00 | 1/4.0 | 4 | 1e-02 |",
    ]
