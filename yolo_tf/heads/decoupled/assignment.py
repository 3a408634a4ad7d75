"""SimOTA: which cells answer for which boxes, by what the network predicts there, with static shapes."""

from typing import NamedTuple

import tensorflow as tf

from yolo_tf.structures.boxes import cxcywh_to_xyxy, pairwise_iou

OUTSIDE = 1e5  # cost of a cell that does not lie both in a box and near its centre: no other reason weighs as much
NEVER = 1e30  # cost of a cell that is no candidate at all
LEAST_LOGARITHM = -100.0  # of a probability: the cost of being sure of the wrong thing stays finite


class Assignment(NamedTuple):
    """The box that each cell answers for."""

    box: tf.Tensor  # int32 [B, D]: place among the M boxes; -1 = none
    iou: tf.Tensor  # float32 [B, D]: overlap of the cell's prediction with that box; 0 = none


def assign_boxes(targets, candidates, boxes_cxcywh, *, loss):
    """Chooses which cells answer for which boxes: an Assignment, through which no gradient flows.

    A cell is a candidate of an image where its centre lies in any box or within `centre_radius` cells of the centre of any.
    A candidate costs a box: the cross entropy of sqrt(objectness x class probability) against the box's class, summed over
    classes; `overlap_cost` times -log(IoU); and OUTSIDE where it is not both inside that box and near its centre. A box
    takes as many of the cheapest candidates as the whole part of the sum of its `top_overlaps` largest IoUs says, at
    least one. Of equal costs, and of cells that two boxes want at one cost, the first wins: the finer level, the upper
    row, the left column; the earlier box. Else a cell that two boxes want goes to the one that it costs less.

    Args:
        targets: Targets, boxes [B, M, 4] in input px.
        candidates: Candidates of D cells.
        boxes_cxcywh: their boxes as `decoded_boxes` gives them.
        loss: DecoupledLossConfig.

    Source: YOLOX, arXiv:2107.08430, section 2.1 "SimOTA"; OTA, arXiv:2103.14259, section 3.
    """
    candidates, boxes_cxcywh = tf.nest.map_structure(tf.stop_gradient, (candidates, boxes_cxcywh))
    real = (targets.class_ids >= 0)[..., None]  # [B, M, 1]
    inside, near = _places(targets.boxes, candidates, loss.centre_radius)
    possible = real & tf.reduce_any((inside | near) & real, 1, keepdims=True)  # [B, M, D]
    iou = tf.where(possible, pairwise_iou(targets.boxes, cxcywh_to_xyxy(boxes_cxcywh)), 0.0)
    cost = class_costs(targets.class_ids, candidates) - loss.overlap_cost * tf.math.log(iou + 1e-8)
    cost = tf.where(possible, cost + tf.where(inside & near, 0.0, OUTSIDE), NEVER)
    return cheapest_cells(cost, iou, top_overlaps=loss.top_overlaps)


def cheapest_cells(cost, iou, *, top_overlaps):
    """Returns the Assignment for costs and overlaps float32 [B, M, D]; cells that cost NEVER are not taken."""
    batch, num_boxes = tf.shape(cost)[0], tf.shape(cost)[1]
    num_cells = cost.shape[2] or tf.shape(cost)[2]
    most = tf.minimum(top_overlaps, num_cells)
    overlaps = tf.reduce_sum(tf.math.top_k(iou, most).values, -1)
    wanted = tf.maximum(tf.cast(overlaps, tf.int32), 1)  # [B, M] cells
    negative_cost, cell = tf.math.top_k(-cost, most)  # [B, M, most], of equal values the first
    price = tf.where((tf.range(most) < wanted[..., None]) & (negative_cost > -NEVER), -negative_cost, NEVER)

    slot = tf.reshape(cell + tf.range(batch)[:, None, None] * num_cells, [-1])  # place in [B * D]
    best_price = tf.math.unsorted_segment_min(tf.reshape(price, [-1]), slot, batch * num_cells)
    wins = tf.reshape(price, [-1]) <= tf.minimum(tf.gather(best_price, slot), NEVER / 2)
    box = tf.reshape(tf.broadcast_to(tf.range(num_boxes)[:, None], tf.shape(cell)), [-1])
    winner = tf.math.unsorted_segment_min(tf.where(wins, box, num_boxes), slot, batch * num_cells)
    winner = tf.reshape(winner, [batch, num_cells])  # M or more: nobody, or no answer stood there at all
    taken = winner < num_boxes
    chosen_iou = tf.gather(tf.transpose(iou, [0, 2, 1]), tf.where(taken, winner, 0), batch_dims=2)
    return Assignment(tf.where(taken, winner, -1), tf.where(taken, chosen_iou, 0.0))


def class_costs(class_ids, candidates):
    """Returns the cross entropy float32 [B, M, D] of sqrt(objectness x class probability) against each box's class.

    It is summed over the classes: what all of them cost as background, and what the class of the box changes in that. So
    no tensor has boxes, cells and classes at once.
    """
    log_probability = (tf.math.log_sigmoid(candidates.classes) + tf.math.log_sigmoid(candidates.objectness)) / 2  # [B, D, C]
    log_probability = tf.maximum(log_probability, LEAST_LOGARITHM)
    log_opposite = tf.maximum(tf.math.log(-tf.math.expm1(log_probability)), LEAST_LOGARITHM)
    background = -tf.reduce_sum(log_opposite, -1)  # [B, D]
    change = tf.transpose(log_opposite - log_probability, [0, 2, 1])  # [B, C, D]
    return background[:, None] + tf.gather(change, tf.maximum(class_ids, 0), batch_dims=1)


def _places(boxes, candidates, radius):
    """Returns whether the centre of a cell lies in a box, and within `radius` cells of its centre: bool [B, M, D] each."""
    inside = near = True
    for axis in (0, 1):
        low, high = boxes[..., axis, None], boxes[..., axis + 2, None]  # [B, M, 1]
        stride = candidates.strides[:, 0]  # [D]
        place = (candidates.cells[:, axis] + 0.5) * stride
        inside &= (low < place) & (place < high)
        near &= tf.abs(place - (low + high) / 2) < radius * stride
    return inside, near
