"""The loss of the decoupled head: box, objectness, class."""

import tensorflow as tf

from yolo_tf.heads.decoupled.assignment import assign_boxes
from yolo_tf.heads.decoupled.decode import decoded_boxes, join_levels
from yolo_tf.structures.boxes import overlap_of_pairs, xyxy_to_cxcywh

# YOLOX minimises the mean over the answers of 64 images at a learning rate of 0.01. An update here takes the parts times its
# images, so they are divided by 64: the same learning rate and decay suit both heads, whatever the batch.
REFERENCE_BATCH = 64
# Of one place for a box, per cell: what the cell costs it and how much both overlap, and on the way there. Measured as the growth
# of the process over steps with 640 and 1280 places instead of 160 (416 px, 80 classes, batch 8).
PLACE_BYTES = 26.0


def detection_loss(targets, predictions, layout, *, loss, num_matches=None, plain=False):
    """Computes the loss of a batch.

    Args:
        targets: Targets, boxes [B, M, 4] in input px.
        predictions: 3 L tensors of any float type, as `decoupled_head` makes them.
        layout: CellGrid with L levels.
        loss: DecoupledLossConfig.
        num_matches: float32 scalar, the answers that the sums are divided by; None = those of this batch. With the
            mean over replicas (see `count_matches`), the mean of their losses is the loss of their joined batch.
        plain: whether these are the last epochs, whose images are no mosaics any more: the box part then has its L1 term.

    Returns:
        dict of float32 scalars `box`, `objectness`, `class`, weighted by their gains; their sum times REFERENCE_BATCH is
        what YOLOX minimises. Where nothing matches the images take the place of the answers.

    Source: YOLOX, arXiv:2107.08430, sections 2.1 and 2.2.
    """
    candidates = join_levels(predictions, layout)
    boxes = decoded_boxes(candidates)
    assigned = assign_boxes(targets, candidates, boxes, loss=loss)
    answers = tf.cast(assigned.box >= 0, tf.float32)  # [B, D]
    place = tf.maximum(assigned.box, 0)
    # Cells without a box get a harmless target: their loss is masked, but a NaN gradient would not be.
    target = tf.gather(xyxy_to_cxcywh(targets.boxes), place, batch_dims=1)
    target = tf.where(answers[..., None] > 0, target, tf.stop_gradient(boxes))

    overlap = overlap_of_pairs(boxes, target)
    box = loss.box * tf.reduce_sum((1 - tf.square(overlap)) * answers)
    if plain:
        box += loss.l1 * tf.reduce_sum(tf.abs(candidates.box - _raw_boxes(target, candidates)) * answers[..., None])
    entropy = tf.nn.sigmoid_cross_entropy_with_logits
    objectness = tf.reduce_sum(entropy(labels=answers[..., None], logits=candidates.objectness))
    num_classes = candidates.classes.shape[-1]
    class_ids = tf.gather(targets.class_ids, place, batch_dims=1)
    wanted = tf.one_hot(class_ids, num_classes) * assigned.iou[..., None]
    classes = tf.reduce_sum(entropy(labels=wanted, logits=candidates.classes) * answers[..., None])

    num_matches = tf.reduce_sum(answers) if num_matches is None else num_matches
    images = tf.cast(tf.shape(answers)[0], tf.float32)
    divisor = REFERENCE_BATCH * tf.where(num_matches > 0, num_matches, images)
    return {
        "box": box / divisor,
        "objectness": loss.objectness * objectness / divisor,
        "class": loss.classification * classes / divisor,
    }


def count_matches(targets, image_size, layout, *, loss, predictions):
    """Counts the cells that answer for a box in a batch, float32 scalar.

    Args:
        targets, predictions, layout, loss: as in `detection_loss`.
        image_size: not used; the predictions say which cells there are.
    """
    candidates = join_levels(predictions, layout)
    assigned = assign_boxes(targets, candidates, decoded_boxes(candidates), loss=loss)
    return tf.reduce_sum(tf.cast(assigned.box >= 0, tf.float32))


def place_bytes(layout, num_classes, image_size):
    """Returns the bytes that a place for one box of one image of (height, width) px takes in a step."""
    return PLACE_BYTES * sum((image_size[0] // stride) * (image_size[1] // stride) for stride in layout.strides)


def _raw_boxes(boxes_cxcywh, candidates):
    """Returns what a cell must predict to answer with a box: float32 [B, D, 4], as in Candidates."""
    centre = boxes_cxcywh[..., :2] / candidates.strides - candidates.cells
    return tf.concat([centre, tf.math.log(boxes_cxcywh[..., 2:] / candidates.strides + 1e-8)], -1)
