"""SimOTA once more, slowly: NumPy, one image, one box, one cell at a time, in the words of arXiv:2107.08430, section 2.1."""

import math

import numpy as np


def assign_plainly(
    boxes, class_ids, cells, strides, predicted_xyxy, objectness, classes, *, radius=2.5, top=10, overlap_cost=3.0
):
    """Returns the box of every cell of one image, int [D], -1 = none, and its overlap, float [D].

    Args:
        boxes: [M, 4] xyxy px; class_ids: [M], -1 = no box.
        cells: [D, 2] (column, row); strides: [D] px.
        predicted_xyxy: [D, 4] px; objectness: [D] and classes: [D, C], logits.
    """
    real = [m for m in range(len(boxes)) if class_ids[m] >= 0]
    inside, near, overlaps, costs = {}, {}, {}, {}
    for m in real:
        low, high = boxes[m, :2], boxes[m, 2:]
        for d in range(len(cells)):
            place = (cells[d] + 0.5) * strides[d]
            inside[m, d] = bool((low < place).all() and (place < high).all())
            near[m, d] = bool((np.abs(place - (low + high) / 2) < radius * strides[d]).all())
    possible = [d for d in range(len(cells)) if any(inside[m, d] or near[m, d] for m in real)]
    wants = {}
    for m in real:
        for d in possible:
            overlaps[m, d] = _iou(boxes[m], predicted_xyxy[d])
            costs[m, d] = _class_cost(objectness[d], classes[d], class_ids[m]) - overlap_cost * math.log(overlaps[m, d] + 1e-8)
            costs[m, d] += 0 if inside[m, d] and near[m, d] else 1e5
        count = max(int(sum(sorted((overlaps[m, d] for d in possible), reverse=True)[:top])), 1)
        for d in sorted(possible, key=lambda d: costs[m, d])[:count]:  # sorted is stable: of equal costs the first cell
            wants.setdefault(d, []).append(m)
    box, overlap = np.full(len(cells), -1), np.zeros(len(cells))
    for d, those in wants.items():
        box[d] = min(those, key=lambda m: costs[m, d])  # min takes the first of equal ones
        overlap[d] = overlaps[box[d], d]
    return box, overlap


def _iou(one, other):
    shared = max(min(one[2], other[2]) - max(one[0], other[0]), 0) * max(min(one[3], other[3]) - max(one[1], other[1]), 0)
    union = (one[2] - one[0]) * (one[3] - one[1]) + (other[2] - other[0]) * (other[3] - other[1]) - shared
    return shared / union if union else 0.0


def _class_cost(objectness, classes, class_id):
    total = 0.0
    for index, logit in enumerate(classes):
        probability = math.sqrt(1 / (1 + math.exp(-logit)) / (1 + math.exp(-objectness)))
        total -= math.log(probability if index == class_id else 1 - probability)
    return total
