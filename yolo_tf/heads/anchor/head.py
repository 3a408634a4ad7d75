"""The row of the anchor head in HEADS: YOLOv5's, A predictions a cell, each relative to an anchor.

A layout is an AnchorSet. Raw predictions are L tensors [B, Y, X, A, 5 + C]: logits tx, ty, tw, th, objectness, classes.
"""

import tensorflow as tf

from yolo_tf.heads import Head
from yolo_tf.heads.anchor.anchors import anchor_set
from yolo_tf.heads.anchor.decode import decode_predictions
from yolo_tf.heads.anchor.distillation import count_objects, distillation_loss
from yolo_tf.heads.anchor.layers import detection_head
from yolo_tf.heads.anchor.layout import refit_anchors, stated_anchors
from yolo_tf.heads.anchor.loss import check_levels, count_matches, detection_loss, place_bytes
from yolo_tf.heads.new_layers import scale_new_predictors

HEAD = Head(
    make_layout=stated_anchors,
    fit_layout=refit_anchors,
    geometry=lambda anchors: {"anchors": anchors.sizes.tolist()},
    from_geometry=anchor_set,
    build=detection_head,
    scale_new=scale_new_predictors,
    output_shapes=lambda anchors, num_classes: [(None, None, None, anchors.per_cell, 5 + num_classes)] * len(anchors.strides),
    channel_parts={"box": slice(0, 4), "score": slice(4, None)},
    decode=decode_predictions,
    count_candidates=lambda anchors, size_hw: [
        tf.reduce_prod(size_hw // stride) * anchors.per_cell for stride in anchors.strides
    ],
    loss_parts=("box", "objectness", "class"),
    loss=detection_loss,
    check_loss=check_levels,
    count_matches=count_matches,
    place_bytes=place_bytes,
    distillation_loss=distillation_loss,
    count_objects=count_objects,
)
