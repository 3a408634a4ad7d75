"""Anchors fitted to box sizes, and how many boxes a set of anchors may answer for."""

import numpy as np
import pytest

from yolo_tf.heads.anchor.anchors import (
    COCO_ANCHORS,
    ENOUGH_RECALL,
    MOST_BOXES,
    anchor_set,
    best_possible_recall,
    fit_anchors,
    fitted_box_sizes,
)
from yolo_tf.structures import DetectionDataset, ImageRecord

STRIDES = (8, 16, 32)


def lognormal_sizes(count, centre_wh, spread, seed=0):
    """Draws [count, 2] box sizes around `centre_wh`, px."""
    return np.exp(np.random.default_rng(seed).normal(np.log(centre_wh), spread, (count, 2))).astype(np.float32)


def test_a_box_is_recalled_by_an_anchor_within_the_limit():
    anchors = anchor_set((8, 16), [[(10, 20)], [(50, 50)]])
    boxes = [(10, 20), (41, 20), (10, 200), (190, 30), (199, 199), (201, 50)]
    # (41, 20): 4.1 times the first anchor's width, but 2.5 times less than the second's height
    assert best_possible_recall(boxes, anchors, ratio_limit=4.0) == pytest.approx(4 / 6)
    assert best_possible_recall([], anchors, ratio_limit=4.0) == 1.0


def test_sizes_of_three_clusters_are_recovered():
    painted = np.array([(11.0, 40.0), (52.0, 21.0), (120.0, 90.0)], np.float32)
    boxes = np.repeat(painted, (30, 50, 20), 0) * np.random.default_rng(1).uniform(0.97, 1.03, (100, 2))
    fitted = fit_anchors(boxes, strides=STRIDES, per_cell=1, ratio_limit=4.0, seed=0)
    np.testing.assert_allclose(fitted.sizes[:, 0], painted, rtol=0.03)
    assert fitted.strides == STRIDES


def test_boxes_unlike_coco_s_are_matched_by_fitted_anchors_only():
    boxes = lognormal_sizes(400, (4.5, 33.0), 0.5)  # tiny and tall
    assert best_possible_recall(boxes, COCO_ANCHORS, ratio_limit=4.0) < 0.9
    fitted = fit_anchors(boxes, strides=STRIDES, per_cell=2, ratio_limit=4.0, seed=0)
    assert best_possible_recall(boxes, fitted, ratio_limit=4.0) > ENOUGH_RECALL
    areas = fitted.sizes.prod(-1).ravel()
    assert fitted.sizes.shape == (3, 2, 2) and (np.diff(areas) >= 0).all() and (fitted.sizes >= 2).all()
    np.testing.assert_array_equal(fitted.sizes, fitted.sizes.round(1))


def test_the_evolution_improves_on_k_means(monkeypatch):
    boxes = lognormal_sizes(500, (20.0, 60.0), 0.9)

    def mean_ratio(anchors):
        ratio = boxes[:, None] / anchors.sizes.reshape(1, -1, 2)
        return np.minimum(ratio, 1 / ratio).min(-1).max(1).mean()

    evolved = mean_ratio(fit_anchors(boxes, strides=STRIDES, per_cell=2, ratio_limit=4.0, seed=3))
    monkeypatch.setattr("yolo_tf.heads.anchor.anchors.GENERATIONS", 0)
    clustered = mean_ratio(fit_anchors(boxes, strides=STRIDES, per_cell=2, ratio_limit=4.0, seed=3))
    assert evolved > clustered + 0.01


def test_the_fit_is_a_function_of_boxes_and_seed():
    boxes = lognormal_sizes(MOST_BOXES + 7, (30.0, 50.0), 0.6)
    first, again, other = (fit_anchors(boxes, strides=(16,), per_cell=2, ratio_limit=4.0, seed=seed).sizes for seed in (5, 5, 6))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0
    np.testing.assert_allclose(first, other, rtol=0.2)


def test_fewer_sizes_than_anchors_still_give_every_anchor():
    fitted = fit_anchors([(30, 12), (30, 12)], strides=STRIDES, per_cell=2, ratio_limit=4.0, seed=0)
    np.testing.assert_allclose(fitted.sizes.reshape(-1, 2), [(30, 12)] * 6, rtol=0.02)


def make_record(boxes, is_crowd, *, height, width):
    return ImageRecord(
        image_id=f"{height}",
        path=f"{height}.jpg",
        height=height,
        width=width,
        boxes=np.array(boxes, np.float32).reshape(-1, 4),
        class_ids=np.zeros(len(is_crowd), np.int32),
        is_crowd=np.array(is_crowd, bool),
    )


def test_box_sizes_are_those_of_the_fitted_image_without_crowds():
    boxes = [(10, 10, 50, 30), (0, 0, 200, 100), (5, 5, 25, 65)]
    wide, empty = make_record(boxes, [False, True, False], height=100, width=200), make_record([], [], height=50, width=60)
    sizes = fitted_box_sizes(DetectionDataset(class_names=("a",), records=(wide, empty)), (64, 96))
    np.testing.assert_allclose(sizes, [(40 * 0.48, 20 * 0.48), (20 * 0.48, 60 * 0.48)], rtol=1e-6)
    assert fitted_box_sizes(DetectionDataset(class_names=("a",), records=(empty,)), (64, 96)).shape == (0, 2)
