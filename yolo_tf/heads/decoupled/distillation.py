"""What a network with the decoupled head loses by answering otherwise than its teacher."""

import tensorflow as tf

from yolo_tf.heads.coins import divergence
from yolo_tf.heads.decoupled.decode import join_levels
from yolo_tf.heads.decoupled.loss import REFERENCE_BATCH


def distillation_loss(teacher, predictions, layout, *, loss, num_objects=None):
    """Computes how far a network is from its teacher, on every cell; what the teacher holds for background counts little.

    Objectness and classes are held against the teacher's by the divergence of two coins, the raw boxes by half their squared
    distance. Objectness counts in every cell, box and classes by the teacher's objectness there. All are sums, weighted by the
    gains of `detection_loss` and divided by the objects, which are the sum of the teacher's objectness, at least 1.

    Args:
        teacher: 3 L tensors of any float type, as `decoupled_head` makes them; they get no gradient.
        predictions: the same of the network that learns.
        layout: CellGrid with L levels.
        loss: DecoupledLossConfig, for its gains.
        num_objects: float32 scalar; None = `count_objects` of this batch. With the mean over replicas, the mean of
            their losses is the loss of their joined batch.

    Returns:
        float32 scalar, 0 or more; 0, with gradient 0, exactly where all raw predictions are the teacher's.

    Source: Mehta and Ozturk, Object detection at 200 Frames Per Second, arXiv:1805.06361, section 3.2; there with squared
    errors throughout.
    """
    teacher = [tf.stop_gradient(raw) for raw in teacher]
    num_objects = count_objects(teacher) if num_objects is None else num_objects
    theirs, ours = join_levels(teacher, layout), join_levels(predictions, layout)
    weight = tf.sigmoid(theirs.objectness)  # [B, D, 1]
    box = tf.reduce_sum(weight * tf.square(theirs.box - ours.box)) / 2
    objectness = tf.reduce_sum(divergence(theirs.objectness, ours.objectness))
    classes = tf.reduce_sum(weight * divergence(theirs.classes, ours.classes))
    total = loss.box * box + loss.objectness * objectness + loss.classification * classes
    return total / (REFERENCE_BATCH * tf.maximum(num_objects, 1.0))


def count_objects(teacher):
    """Sums up the objectness of a teacher's answers, float32 scalar: how many cells see an object, weak ones in part.

    `teacher` are 3 L tensors of any float type, as `decoupled_head` makes them.
    """
    count = len(teacher) // 3
    return tf.add_n([tf.reduce_sum(tf.sigmoid(tf.cast(raw, tf.float32))) for raw in teacher[count : 2 * count]])
