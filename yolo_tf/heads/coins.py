"""How far one probability is from another: what every head's distillation is made of."""

import tensorflow as tf


def divergence(theirs, ours):
    """Returns the Kullback-Leibler divergence [...] of a coin of logit `ours` from one of logit `theirs`, 0 or more.

    Example: logits 0 and 2, so probabilities 0.5 and 0.881: 0.5 log(0.5 / 0.881) + 0.5 log(0.5 / 0.119) = 0.434.
    """
    target = tf.sigmoid(theirs)
    entropy = tf.nn.sigmoid_cross_entropy_with_logits
    return entropy(labels=target, logits=ours) - entropy(labels=target, logits=theirs)
