"""Anchors: prior box sizes per level."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class AnchorSet:
    """Prior box sizes per level, fine to coarse: the layout of the anchor head."""

    head: ClassVar[str] = "anchor"  # its row in HEADS
    strides: tuple[int, ...]  # L values, input px per cell, increasing
    sizes: np.ndarray  # float32 [L, A, 2] (width, height), input px

    @property
    def per_cell(self):
        """A, the number of anchors in one cell."""
        return self.sizes.shape[1]


def anchor_set(strides, anchors):
    """Builds an AnchorSet from nested lists: L strides and anchors [L, A, 2] (width, height), px."""
    return AnchorSet(strides=tuple(int(s) for s in strides), sizes=np.asarray(anchors, np.float32))


# YOLOv5 v6/v7, k-means on COCO at 640 px.
COCO_ANCHORS = anchor_set(
    (8, 16, 32),
    [
        [(10, 13), (16, 30), (33, 23)],
        [(30, 61), (62, 45), (59, 119)],
        [(116, 90), (156, 198), (373, 326)],
    ],
)


def best_possible_recall(boxes_wh, anchors, *, ratio_limit):
    """Returns the share of boxes that at least one anchor may answer for, 0..1; 1.0 for no boxes.

    Args:
        boxes_wh: [N, 2] (width, height), input px, all > 0.
        anchors: AnchorSet.
        ratio_limit: largest allowed ratio of box side to anchor side, > 1.

    Example: a 10 x 20 box and a 50 x 50 anchor with ratio_limit 4 do not match (50 / 10 > 4).
    """
    boxes_wh = np.asarray(boxes_wh, np.float32).reshape(-1, 2)
    if not len(boxes_wh):
        return 1.0
    ratio = boxes_wh[:, None] / anchors.sizes.reshape(1, -1, 2)  # [N, L*A, 2]
    worst_side = np.maximum(ratio, 1 / ratio).max(-1)  # [N, L*A]
    return float((worst_side.min(1) < ratio_limit).mean())


ENOUGH_RECALL = 0.98  # below this the anchors of another data set are not good enough for these boxes (YOLOv5's mark)
SMALLEST_SIDE = 2.0  # px, of a fitted anchor
KMEANS_ROUNDS = 30
GENERATIONS = 1000  # of the evolution after k-means
MOST_BOXES = 20_000  # more are sampled: the anchors move by less than a pixel, the fit stays at a few seconds


def fitted_box_sizes(dataset, image_size):
    """Returns the sizes that the boxes of a data set have in the network's input: float32 [N, 2] (width, height) px, all > 0.

    Args:
        dataset: DetectionDataset; crowds are left out, as they are in training.
        image_size: (height, width) of the input, px; images are fitted into it with their proportions.
    """
    sizes = [np.zeros((0, 2), np.float32)]
    for record in dataset.records:
        scale = min(image_size[0] / record.height, image_size[1] / record.width)
        boxes = record.boxes[~record.is_crowd]
        sizes.append((boxes[:, 2:] - boxes[:, :2]) * np.float32(scale))
    return np.concatenate(sizes)


def fit_anchors(boxes_wh, *, strides, per_cell, ratio_limit, seed):
    """Fits anchors to box sizes: k-means, then evolution of what k-means found.

    k-means groups the boxes by the overlap of their shapes; the evolution changes random sides at random and keeps
    what raises the mean over the boxes of their best anchor's ratio (smaller side over larger side, the worse of
    width and height; 0 beyond `ratio_limit`, where the box would have no anchor at all).

    Args:
        boxes_wh: [N, 2] (width, height), input px, all > 0; N at least 1.
        strides: L strides, px.
        per_cell: A, anchors of one level.
        ratio_limit: largest ratio of box side to anchor side that still matches, > 1.
        seed: int; the result is a pure function of the arguments.

    Returns:
        AnchorSet, by area: the smallest A at the finest level; sides in tenths of a pixel, to be written down.

    Source: Redmon & Farhadi, arXiv:1612.08242, section 2 "Dimension Clusters" (k-means with distance 1 - IoU);
    k-means++ starts: Arthur & Vassilvitskii 2007.
    """
    boxes_wh = np.asarray(boxes_wh, np.float32).reshape(-1, 2)
    rng = np.random.default_rng(seed)
    if len(boxes_wh) > MOST_BOXES:
        boxes_wh = boxes_wh[rng.choice(len(boxes_wh), MOST_BOXES, replace=False)]
    sizes = _cluster_shapes(boxes_wh, len(strides) * per_cell, rng)
    sizes = _evolve_sizes(sizes, boxes_wh, ratio_limit, rng)
    sizes = sizes[np.argsort(sizes.prod(1), kind="stable")].round(1)
    return anchor_set(strides, sizes.reshape(len(strides), per_cell, 2))


def _cluster_shapes(boxes_wh, count, rng):
    """Returns the [count, 2] centres of k-means over boxes, the distance being 1 - IoU of boxes at one corner."""
    centres = boxes_wh[rng.integers(len(boxes_wh))][None]
    while len(centres) < count:  # k-means++: the farther from all centres, the likelier the next one
        distance = 1 - _shape_iou(boxes_wh, centres).max(1)
        weights = distance**2 if distance.any() else np.ones_like(distance)
        centres = np.append(centres, boxes_wh[rng.choice(len(boxes_wh), p=weights / weights.sum(dtype=np.float64))][None], 0)
    for _ in range(KMEANS_ROUNDS):
        nearest = _shape_iou(boxes_wh, centres).argmax(1)
        members = np.bincount(nearest, minlength=count)
        sums = np.stack([np.bincount(nearest, side, minlength=count) for side in boxes_wh.T], 1)
        moved = np.where(members[:, None] > 0, sums / np.maximum(members, 1)[:, None], centres).astype(np.float32)
        if np.array_equal(moved, centres):
            break
        centres = moved
    return centres


def _shape_iou(boxes_wh, centres):
    """Returns the IoU [N, K] of boxes and centres that share a corner."""
    shared = np.minimum(boxes_wh[:, None], centres).prod(-1)
    return shared / (boxes_wh.prod(1)[:, None] + centres.prod(1) - shared)


def _evolve_sizes(sizes, boxes_wh, ratio_limit, rng):
    """Returns sizes [K, 2] after random changes, each kept when it raises the fitness. In logarithms: ratios are differences."""
    boxes = np.ascontiguousarray(np.log(boxes_wh).T)  # [2, N]
    best = np.log(np.maximum(sizes, SMALLEST_SIDE))
    best_fitness = _fitness(best, boxes, ratio_limit)
    for _ in range(GENERATIONS):
        changes = rng.normal(0, 0.1, best.shape) * (rng.random(best.shape) < 0.5)
        mutant = np.maximum(best + changes, np.log(SMALLEST_SIDE)).astype(np.float32)
        fitness = _fitness(mutant, boxes, ratio_limit)
        if fitness > best_fitness:
            best, best_fitness = mutant, fitness
    return np.exp(best)


def _fitness(log_sizes, log_boxes, ratio_limit):
    """Returns the mean over the boxes of the best ratio 0..1 of an anchor; 0 where none is within the limit."""
    apart = np.abs(log_sizes[:, 0, None] - log_boxes[0])  # [K, N]
    np.maximum(apart, np.abs(log_sizes[:, 1, None] - log_boxes[1]), out=apart)
    apart = apart.min(0)
    return float((np.exp(-apart) * (apart < np.log(ratio_limit))).mean())
