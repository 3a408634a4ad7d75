"""The three parts of the detection loss: box, objectness, class."""

from collections.abc import Sequence

import keras
import tensorflow as tf

from yolo_tf.config import LossConfig
from yolo_tf.errors import InputError
from yolo_tf.heads.anchor.anchors import AnchorSet
from yolo_tf.heads.anchor.matching import match_level
from yolo_tf.structures import Targets
from yolo_tf.structures.boxes import complete_iou, generalized_iou

BOX_OVERLAPS = {"ciou": complete_iou, "giou": generalized_iou}
# Of one place for a box, per number that one cell of each level predicts: answers, what they are held against, gradients.
# Measured as the growth of the process over steps with 1600 places instead of 150 (80 classes, batch 8).
PLACE_BYTES = 94.0
REFERENCE_LEVELS, REFERENCE_CLASSES, REFERENCE_SIZE = 3, 80, 640  # what YOLOv5's gains were tuned for


def detection_loss(
    targets: Targets,
    predictions: Sequence[tf.Tensor],
    anchors: AnchorSet,
    *,
    loss: LossConfig,
    num_matches: tf.Tensor | None = None,
    plain: bool = False,
) -> dict[str, tf.Tensor]:
    """Computes the loss of a batch.

    Args:
        targets: Targets, boxes [B, M, 4] in input px.
        predictions: L tensors [B, Y, X, A, 5 + C], logits of any float type.
        anchors: AnchorSet with L levels.
        loss: LossConfig.
        num_matches: float32 [L], what the sums over matches are divided by; None = the matches of this batch. With
            the mean over replicas (see `count_matches`), the mean of their losses is the loss of their joined batch.
        plain: not used; this loss is the same in all epochs.

    Returns:
        dict of float32 scalars `box`, `objectness`, `class`: weighted by their gains, means over the batch. Their
        sum times B is what YOLOv5 minimises. Finite when nothing matches.

    Gains are rescaled as YOLOv5 does: all by 3 / L, class by C / 80 (unless `loss` says otherwise), objectness by
    image area / 640^2.

    Source: YOLOv5 v6/v7 as documented; CIoU arXiv:1911.08287; GIoU arXiv:1902.09630; focal loss arXiv:1708.02002, section 3.
    """
    parts = {"box": 0.0, "objectness": 0.0, "class": 0.0}
    # Sizes are asked for level by level: in another order of operations TensorFlow joins others, whose last bits differ.
    matches = _matches(targets, (keras.ops.shape(raw)[1:3] for raw in predictions), anchors, loss)
    for level, (raw, match) in enumerate(zip(predictions, matches, strict=True)):
        divisor = _count(match) if num_matches is None else num_matches[level]
        box, objectness, classification = level_loss(match, raw, divisor, loss=loss)
        parts["box"] += box
        parts["objectness"] += objectness * loss.level_balance[level]
        parts["class"] += classification
    gains = part_gains(predictions, anchors, loss=loss)
    return {name: part * gains[name] for name, part in parts.items()}


def check_levels(loss, anchors):
    """Raises InputError where a LossConfig has weights for another number of levels than an AnchorSet."""
    if len(loss.level_balance) != len(anchors.strides):
        raise InputError(
            f"config.loss.level_balance: got {len(loss.level_balance)} weights, {list(loss.level_balance)}. Expected"
            f" {len(anchors.strides)}, one for each level (strides {list(anchors.strides)}). Write as many."
        )


def part_gains(predictions, anchors, *, loss):
    """Returns the gains of `box`, `objectness` and `class` in a LossConfig, rescaled to the levels, classes and image size.

    Those are told from the predictions, L tensors [B, Y, X, A, 5 + C], and an AnchorSet with L levels.
    """
    num_classes = predictions[0].shape[-1] - 5
    rows, columns = keras.ops.shape(predictions[0])[1:3]  # tensors where the size changes from batch to batch
    pixels = tf.cast(rows * columns * anchors.strides[0] ** 2, tf.float32)
    per_level = REFERENCE_LEVELS / len(predictions)
    per_class = num_classes / REFERENCE_CLASSES if loss.classification_per_class else 1.0
    return {
        "box": loss.box * per_level,
        "objectness": loss.objectness * per_level * pixels / REFERENCE_SIZE**2,
        "class": loss.classification * per_level * per_class,
    }


def count_matches(targets, image_size, anchors, *, loss, predictions=None):
    """Counts the answers (box, anchor, cell) of a batch on every level, float32 [L]; no prediction is needed for it.

    Args:
        targets: Targets, boxes [B, M, 4] in input px.
        image_size: (height, width) of the network input, px; ints or int32 scalars.
        anchors: AnchorSet with L levels.
        loss: LossConfig.
        predictions: not used.
    """
    grid_sizes = [[side // stride for side in image_size] for stride in anchors.strides]
    return tf.stack([_count(match) for match in _matches(targets, grid_sizes, anchors, loss)])


def place_bytes(anchors, num_classes, image_size):
    """Returns the bytes that a place for one box of one image takes in a step; the size of the image does not count."""
    return PLACE_BYTES * len(anchors.strides) * anchors.per_cell * (5 + num_classes)


def _matches(targets, grid_sizes, anchors, loss):
    """Yields the Match of every level."""
    for sizes, stride, grid_size in zip(anchors.sizes, anchors.strides, grid_sizes, strict=True):
        yield match_level(targets, sizes, stride=stride, grid_size=grid_size, ratio_limit=loss.anchor_ratio_limit)


def _count(match):
    return tf.reduce_sum(tf.cast(match.mask, tf.float32))


def level_loss(match, raw, num_matches, *, loss):
    """Computes the unweighted box, objectness and class loss of one level: float32 scalars; that of one class is 0.

    Args:
        match: Match of this level.
        raw: [B, Y, X, A, 5 + C] logits.
        num_matches: float32 scalar, what the sums over matches are divided by; 0 gives 0.
        loss: LossConfig.
    """
    batch = tf.shape(raw)[0]
    cells = tf.reduce_prod(tf.shape(raw)[1:4])
    num_classes = raw.shape[-1] - 5
    flat = tf.reshape(raw, [batch, cells, raw.shape[-1]])
    chosen = tf.cast(tf.gather(flat, match.cell, batch_dims=1), tf.float32)  # [B, P, 5 + C]
    counted = tf.cast(match.mask, tf.float32)  # [B, P]

    # Rows that do not count get a harmless target: their loss is masked, but a NaN gradient would not be.
    target = tf.where(match.mask[..., None], match.boxes_grid, tf.constant([0.5, 0.5, 1.0, 1.0]))
    predicted_xy = tf.sigmoid(chosen[..., 0:2]) * 2 - 0.5
    predicted_wh = tf.square(tf.sigmoid(chosen[..., 2:4]) * 2) * match.anchors_grid
    iou = BOX_OVERLAPS[loss.iou](tf.concat([predicted_xy, predicted_wh], -1), target)  # [B, P]
    box = tf.math.divide_no_nan(tf.reduce_sum((1 - iou) * counted), num_matches)

    # Two boxes may meet in one cell and anchor. The better overlap wins, or the one that the reference writes last.
    quality = tf.stop_gradient(tf.nn.relu(iou)) * counted
    slot = match.cell + tf.range(batch)[:, None] * cells
    if loss.shared_anchor == "last":
        order = tf.where(match.mask, match.order, -1)
        last = tf.math.unsorted_segment_max(tf.reshape(order, [-1]), tf.reshape(slot, [-1]), batch * cells)
        quality *= tf.cast(order == tf.gather(last, slot), tf.float32)
    objectness_target = tf.math.unsorted_segment_max(tf.reshape(quality, [-1]), tf.reshape(slot, [-1]), batch * cells)
    objectness_target = tf.maximum(objectness_target, 0.0)  # empty segments hold the lowest float
    objectness_logits = tf.cast(tf.reshape(flat[..., 4], [-1]), tf.float32)
    objectness = tf.reduce_mean(
        cross_entropy(objectness_target, objectness_logits, loss.objectness_positive_weight, loss.focal_gamma)
    )

    if num_classes == 1:
        return box, objectness, tf.constant(0.0)
    smooth = loss.label_smoothing / 2
    class_target = tf.one_hot(match.class_ids, num_classes, 1 - smooth, smooth)
    per_class = cross_entropy(class_target, chosen[..., 5:], loss.class_positive_weight, loss.focal_gamma)
    per_match = tf.reduce_mean(per_class, -1) * counted
    return box, objectness, tf.math.divide_no_nan(tf.reduce_sum(per_match), num_matches)


def cross_entropy(targets, logits, positive_weight=1.0, focal_gamma=0.0):
    """Returns the binary cross entropy [...] of logits against targets 0..1, optionally focal (alpha 0.25)."""
    if positive_weight == 1.0:
        entropy = tf.nn.sigmoid_cross_entropy_with_logits(labels=targets, logits=logits)
    else:
        entropy = tf.nn.weighted_cross_entropy_with_logits(labels=targets, logits=logits, pos_weight=positive_weight)
    if focal_gamma == 0.0:
        return entropy
    probability = tf.sigmoid(logits)
    right = targets * probability + (1 - targets) * (1 - probability)
    alpha = targets * 0.25 + (1 - targets) * 0.75
    return entropy * alpha * tf.pow(1 - right, focal_gamma)
