"""The row of the decoupled head in HEADS: YOLOX's, one prediction a cell without anchors.

A layout is a CellGrid. Raw predictions are 3 L tensors: L boxes [B, Y, X, 4], L objectness logits [B, Y, X, 1], L class
logits [B, Y, X, C]. Each comes from a convolution of its own, so int8 keeps them apart as they are.
"""

import tensorflow as tf

from yolo_tf.heads import Head
from yolo_tf.heads.decoupled.decode import decode_predictions
from yolo_tf.heads.decoupled.distillation import count_objects, distillation_loss
from yolo_tf.heads.decoupled.layers import decoupled_head
from yolo_tf.heads.decoupled.layout import cell_grid, stated_grid
from yolo_tf.heads.decoupled.loss import count_matches, detection_loss, place_bytes
from yolo_tf.heads.new_layers import scale_new_predictors

HEAD = Head(
    make_layout=stated_grid,
    fit_layout=lambda grid, dataset, **options: ({}, ""),
    geometry=lambda grid: {},
    from_geometry=cell_grid,
    build=decoupled_head,
    scale_new=scale_new_predictors,
    output_shapes=lambda grid, num_classes: [
        (None, None, None, channels) for channels in (4, 1, num_classes) for _ in grid.strides
    ],
    channel_parts={},
    decode=decode_predictions,
    count_candidates=lambda grid, size_hw: [tf.reduce_prod(size_hw // stride) for stride in grid.strides],
    loss_section="decoupled_loss",
    loss_parts=("box", "objectness", "class"),
    loss=detection_loss,
    plain_loss_differs=True,
    count_matches=count_matches,
    matches_need_predictions=True,
    any_places=True,
    place_bytes=place_bytes,
    distillation_loss=distillation_loss,
    count_objects=count_objects,
)
