"""Anchors: prior box sizes per level."""

from __future__ import annotations

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class AnchorSet:
    """Prior box sizes per level, fine to coarse."""

    strides: tuple[int, ...]  # L values, input px per cell, increasing
    sizes: np.ndarray  # float32 [L, A, 2] (width, height), input px

    @property
    def per_cell(self):
        """A, the number of anchors in one cell."""
        return self.sizes.shape[1]

    @property
    def grid_sizes(self):
        """float32 [L, A, 2] (width, height) in cells of each level."""
        return self.sizes / np.array(self.strides, np.float32)[:, None, None]


def anchor_set(strides, sizes):
    """Builds an AnchorSet from nested lists.

    Args:
        strides: L strides, px.
        sizes: [L, A, 2] (width, height), px.
    """
    return AnchorSet(strides=tuple(int(s) for s in strides), sizes=np.asarray(sizes, np.float32))


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
    """Returns the share of boxes that at least one anchor may answer for, 0..1.

    Args:
        boxes_wh: [N, 2] (width, height), input px, all > 0.
        anchors: AnchorSet.
        ratio_limit: largest allowed ratio of box side to anchor side, > 1.

    Returns:
        float; 1.0 for no boxes.

    Example: a 10 x 20 box and a 50 x 50 anchor with ratio_limit 4 do not match (50 / 10 > 4).
    """
    boxes_wh = np.asarray(boxes_wh, np.float32).reshape(-1, 2)
    if not len(boxes_wh):
        return 1.0
    ratio = boxes_wh[:, None] / anchors.sizes.reshape(1, -1, 2)  # [N, L*A, 2]
    worst_side = np.maximum(ratio, 1 / ratio).max(-1)  # [N, L*A]
    return float((worst_side.min(1) < ratio_limit).mean())
