"""Plots of an evaluation's insight show the values that they are given."""

import numpy as np
import pytest
from planted import dataset, found, measured, record

from yolo_tf.insight.calibration import Bin, Calibration
from yolo_tf.insight.faults import ErrorSplit
from yolo_tf.insight.slices import Partition, Slice
from yolo_tf.pictures import axes as look
from yolo_tf.pictures import insight_plots as plots

A, B = [10, 10, 60, 60], [100, 10, 160, 60]
KINDS = {"wrong class": 4, "missed": 9}


@pytest.fixture
def drawn(monkeypatch):
    """The figures that are written, instead of files."""
    figures = []
    monkeypatch.setattr(plots, "save", lambda axes, path: figures.append(axes.figure))
    return figures


def heights(axes):
    """Returns the heights of the bars, one list per call that drew some."""
    return [[round(float(bar.get_height()), 3) for bar in container] for container in axes.containers]


def widths(axes):
    return [[round(float(bar.get_width()), 3) for bar in container] for container in axes.containers]


def texts(axes):
    return [text.get_text() for text in axes.texts]


def test_slices_without_boxes_are_left_out(drawn):
    rows = (
        Slice(name="small", boxes=1, images=1, AP=0.25, AP50=0.5),
        Slice(name="medium", boxes=0, images=0, AP=None, AP50=None),
        Slice(name="large", boxes=7, images=3, AP=0.75, AP50=0.8),
    )
    empty = Partition(title="Aspect", slices=rows[1:2])
    plots.plot_slices([Partition(title="Size", slices=rows), empty, empty], "slices.png")
    first, second, _, unused = drawn[0].axes
    assert heights(first) == [[0.5, 0.8], [0.25, 0.75]] and texts(first) == ["0.250", "0.750"]
    assert [label.get_text() for label in first.get_xticklabels()] == ["small\n1 box", "large\n7 boxes"]
    assert texts(second) == [look.NO_BOXES] and not unused.axison


def test_errors_show_gain_and_count(drawn):
    gain = {"wrong class": 0.125, "missed": 0.25, "all wrong detections": 0.0}
    plots.plot_errors(ErrorSplit(AP50=0.5, gain=gain, count=KINDS, score_threshold=0.4), "errors.png")
    gains, counts = drawn[0].axes
    assert widths(gains) == [[0.125, 0.25, 0.0]] and widths(counts) == [[4, 9]]
    assert gains.get_title(loc="left").endswith("it is 0.500") and counts.get_title(loc="left") == "Errors from score 0.400 on"


def test_errors_of_a_split_without_boxes(drawn):
    plots.plot_errors(ErrorSplit(AP50=None, gain=None, count=KINDS, score_threshold=0.25), "errors.png")
    assert texts(drawn[0].axes[0]) == [look.NO_BOXES]


@pytest.mark.parametrize("count", [0, 3])
def test_calibration_draws_the_bins_that_hold_something(count, drawn):
    known = (0.62, 0.5) if count else (None, None)
    bins = (
        Bin(low=0.0, high=0.5, count=0, mean_score=None, share_right=None),
        Bin(low=0.5, high=1.0, count=count, mean_score=known[0], share_right=known[1]),
    )
    error = 0.12 if count else None
    plots.plot_calibration(Calibration(error=error, largest_error=error, bins=bins, per_class={}), "calibration.png")
    shares, counts = drawn[0].axes
    assert heights(shares) == [[0.5] if count else []] and heights(counts) == [[0, count]]
    assert shares.lines[1].get_xydata().tolist() == ([[0.62, 0.5]] if count else [])
    assert shares.get_title(loc="left") == f"Calibration, mean gap {'0.120' if count else '-'}"


def test_classes_stand_in_the_order_of_their_ap(drawn):
    plots.plot_class_accuracy([("cat", 5, 0.2, 0.4), ("owl", 0, None, None), ("d$g", 1, 0.6, 0.7)], "classes.png")
    [axes] = drawn[0].axes
    assert widths(axes) == [[0.7, 0.4], [0.6, 0.2]] and texts(axes) == ["0.600   1 box", "0.200   5 boxes"]
    assert [label.get_text() for label in axes.get_yticklabels()] == [r"d\$g", "cat"]


def test_of_many_classes_the_best_and_the_worst_are_shown(drawn):
    plots.plot_class_accuracy([(f"class {n}", 1, n / 200, n / 100) for n in range(100)], "classes.png")
    [axes] = drawn[0].axes
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert len(names) == 80 and (names[0], names[39], names[40], names[79]) == ("class 99", "class 60", "class 39", "class 0")
    assert axes.get_title(loc="left") == "AP of 100 classes: the best and the worst 40"


def test_thresholds_show_the_means_over_classes_with_boxes(drawn):
    split = dataset(record([A, B]))
    curves = measured(split, [found((A, 0.75, 0), (B, 0.25, 1))]).curves
    plots.plot_thresholds(curves, "thresholds.png")
    [axes] = drawn[0].axes
    precision, recall, f1 = (line.get_ydata() for line in axes.lines[:3])
    np.testing.assert_allclose([precision[500], recall[500], f1[500]], [1, 0.5, 2 / 3])
    plots.plot_thresholds(measured(dataset(record([])), [found()]).curves, "thresholds.png")
    assert texts(drawn[1].axes[0]) == [look.NO_BOXES]
