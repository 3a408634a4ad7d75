"""What a network loses by answering otherwise than its teacher."""

import tensorflow as tf

from yolo_tf.heads.anchor.loss import part_gains
from yolo_tf.heads.coins import divergence

BOX = slice(0, 4)
OBJECTNESS = 4
CLASSES = slice(5, None)


def distillation_loss(teacher, predictions, anchors, *, loss, num_objects=None):
    """Computes how far a network is from its teacher, on every cell; what the teacher holds for background counts little.

    Every logit stands for a probability or, of a box, for a share of its range, so each is held against the
    teacher's by the divergence of two coins (see `divergence`). Objectness counts in every cell, box and classes by the
    teacher's objectness there. The parts have the gains of `detection_loss` and are means of the same kind: objectness
    over the cells of a level, box and class over the objects of a level, which are the sum of the teacher's objectness,
    at least 1.

    Args:
        teacher: L tensors [B, Y, X, A, 5 + C], logits of any float type; they get no gradient.
        predictions: the same of the network that learns.
        anchors: AnchorSet with L levels.
        loss: LossConfig, for its gains.
        num_objects: float32 [L], what sums over objects are divided by; None = `count_objects` of this batch. With the
            mean over replicas, the mean of their losses is the loss of their joined batch.

    Returns:
        float32 scalar, 0 or more; 0, with gradient 0, exactly where all logits are the teacher's (for one class, but
        for its class logit, which nothing trains).

    Source: Mehta and Ozturk, Object detection at 200 Frames Per Second, arXiv:1805.06361, section 3.2; there with squared
    errors.
    """
    gains = part_gains(predictions, anchors, loss=loss)
    teacher = [tf.stop_gradient(tf.cast(raw, tf.float32)) for raw in teacher]
    num_objects = count_objects(teacher) if num_objects is None else num_objects
    total = 0.0
    for level, (theirs, ours) in enumerate(zip(teacher, predictions, strict=True)):
        ours = tf.cast(ours, tf.float32)
        apart = divergence(theirs, ours)
        weight = tf.sigmoid(theirs[..., OBJECTNESS]) / tf.maximum(num_objects[level], 1.0)
        total += gains["objectness"] * loss.level_balance[level] * tf.reduce_mean(apart[..., OBJECTNESS])
        total += gains["box"] * tf.reduce_sum(weight * tf.reduce_sum(apart[..., BOX], -1))
        if ours.shape[-1] > 6:  # the class loss of one class is 0
            total += gains["class"] * tf.reduce_sum(weight * tf.reduce_mean(apart[..., CLASSES], -1))
    return total


def count_objects(teacher):
    """Sums up the objectness of a teacher's answers on every level: how many objects it sees, weak ones in part.

    `teacher` are L tensors [B, Y, X, A, 5 + C], logits of any float type; returned is float32 [L].
    """
    return tf.stack([tf.reduce_sum(tf.sigmoid(tf.cast(raw[..., OBJECTNESS], tf.float32))) for raw in teacher])
