"""Options of the loss."""

from __future__ import annotations

import dataclasses
from typing import Literal

from yolo_tf.config.fields import check_options, option


@dataclasses.dataclass(frozen=True, kw_only=True)
class LossConfig:
    """Gains and targets of the loss of the head anchor (YOLOv5: box, obj, cls, anchor_t, label_smoothing ...)."""

    box: float = option(0.05, "gain of the box loss (1 - overlap), before rescaling by levels")
    iou: Literal["ciou", "giou"] = option("ciou", "overlap in box loss and objectness target: complete or generalized IoU")
    objectness: float = option(1.0, "gain of the objectness loss, before rescaling by levels and image size")
    classification: float = option(0.5, "gain of the class loss, before rescaling by levels and classes")
    classification_per_class: bool = option(True, "rescale the class gain by the number of classes over 80")
    level_balance: tuple[float, ...] = option((4.0, 1.0, 0.4), "weight of each level in the objectness loss, fine to coarse")
    anchor_ratio_limit: float = option(4.0, "largest ratio of box side to anchor side that still matches", "above 1")
    shared_anchor: Literal["best", "last"] = option(
        "best", "objectness target where boxes share an anchor: the better overlap, or the last box as in YOLOv5 on a CPU"
    )
    label_smoothing: float = option(0.0, "class targets become 1 - e/2 and e/2", "0 <= x < 1")
    objectness_positive_weight: float = option(1.0, "weight of positive cells in the objectness loss")
    class_positive_weight: float = option(1.0, "weight of positive classes in the class loss")
    focal_gamma: float = option(0.0, "focal loss exponent for objectness and class; 0 = plain cross entropy", "0 or more")

    def __post_init__(self):
        check_options(self, "config.loss")


@dataclasses.dataclass(frozen=True, kw_only=True)
class DecoupledLossConfig:
    """Gains and assignment of the loss of the head decoupled; every default is YOLOX's."""

    box: float = option(5.0, "gain of the box loss (1 - IoU squared)", "0 or more")
    objectness: float = option(1.0, "gain of the objectness loss", "0 or more")
    classification: float = option(1.0, "gain of the class loss", "0 or more")
    l1: float = option(
        1.0, "gain of the distance between raw and wanted box, in the last epochs (augment.close_mosaic) only", "0 or more"
    )
    centre_radius: float = option(2.5, "cells around the centre of a box that may answer for it", "above 0")
    top_overlaps: int = option(10, "as many cells answer for a box as its so many best overlaps sum to", "above 0")
    overlap_cost: float = option(3.0, "what -log(IoU) costs a cell beside its class cost, when cells are chosen", "0 or more")

    def __post_init__(self):
        check_options(self, "config.decoupled_loss")
