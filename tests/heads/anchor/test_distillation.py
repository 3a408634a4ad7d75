"""The distillation loss: worked numbers, its minimum, what background counts, shares of a batch."""

import math

import numpy as np
import pytest
import tensorflow as tf

from yolo_tf.config import LossConfig
from yolo_tf.heads.anchor.distillation import count_objects, distillation_loss
from yolo_tf.heads.coins import divergence

GRIDS = [(12, 20), (6, 10), (3, 5)]


def draw(seed, num_classes=6, batch=4, dtype=tf.float32):
    rng = np.random.default_rng(seed)
    return [tf.constant(rng.normal(0, 2, (batch, *grid, 2, 5 + num_classes)), dtype) for grid in GRIDS]


def test_divergence_by_hand():
    assert float(divergence(0.0, 2.0)) == pytest.approx(0.4337808, rel=1e-5)  # the docstring's example
    logits = tf.constant([-90.0, -3.0, 0.0, 3.0, 90.0])
    np.testing.assert_allclose(divergence(logits, logits), 0, atol=1e-6)
    assert np.isfinite(divergence(logits, logits[::-1])).all() and (divergence(logits, logits[::-1]).numpy() >= 0).all()


def test_one_cell_by_hand(tiny_anchors):
    """One image of 32 x 32 px, so 16, 4 and 1 cells of 2 anchors; all differences are in one cell of the middle level."""
    shapes = [(1, 32 // stride, 32 // stride, 2, 11) for stride in tiny_anchors.strides]
    theirs, ours = ([np.zeros(shape, np.float32) for shape in shapes] for _ in range(2))
    ours[1][0, 1, 0, 1] = 2.0  # 4 of the box, objectness, 6 classes; each diverges by d = 0.43378 from 0
    d, objects = 0.4337808, 0.5 * 8  # the teacher's objectness is 0.5 in 8 cells
    loss = LossConfig(box=0.3, objectness=0.7, classification=0.9, level_balance=(4.0, 3.0, 0.4))
    expected = 0.3 * 4 * d * 0.5 / objects
    expected += 0.7 * 3.0 * (32 * 32 / 640**2) * d / 8
    expected += 0.9 * (6 / 80) * d * 0.5 / objects
    found = distillation_loss([tf.constant(raw) for raw in theirs], [tf.constant(raw) for raw in ours], tiny_anchors, loss=loss)
    assert float(found) == pytest.approx(expected, rel=1e-5)


def test_a_teacher_is_its_own_best_student(tiny_anchors):
    theirs = draw(0)
    ours = [tf.Variable(raw) for raw in theirs]
    with tf.GradientTape() as tape:
        loss = distillation_loss(theirs, ours, tiny_anchors, loss=LossConfig())
    assert abs(float(loss)) < 1e-6
    for gradient in tape.gradient(loss, ours):
        np.testing.assert_allclose(gradient, 0, atol=1e-7)
    for seed in (1, 2):
        assert float(distillation_loss(theirs, draw(seed), tiny_anchors, loss=LossConfig())) > 0.01


def test_every_logit_is_drawn_towards_the_teacher_and_the_teacher_towards_nothing(tiny_anchors):
    theirs, ours = ([tf.Variable(raw) for raw in draw(seed)] for seed in (0, 1))
    with tf.GradientTape() as tape:
        loss = distillation_loss(theirs, ours, tiny_anchors, loss=LossConfig())
    gradients = tape.gradient(loss, [*ours, *theirs])
    for gradient, own, teacher in zip(gradients[:3], ours, theirs, strict=True):
        np.testing.assert_array_equal(np.sign(gradient), np.sign(own.numpy() - teacher.numpy()))
    assert gradients[3:] == [None] * 3


def test_boxes_and_classes_of_the_background_hardly_count(tiny_anchors):
    """The same mistake costs as much as the teacher is sure that there is an object: sigmoid(3) against sigmoid(-6)."""
    theirs = [np.zeros((4, *grid, 2, 11), np.float32) for grid in GRIDS]
    for raw in theirs:
        raw[..., 4] = -6.0
    theirs[0][0, 2, 3, 1, 4] = 3.0
    cost = []
    for cell in ((0, 2, 3, 1), (0, 7, 3, 1)):
        ours = [raw.copy() for raw in theirs]
        ours[0][cell] += np.where(np.arange(11) == 4, 0, 1.5)  # all but the objectness
        cost.append(float(distillation_loss(theirs, ours, tiny_anchors, loss=LossConfig())))
    sigmoid = [1 / (1 + math.exp(-logit)) for logit in (3, -6)]
    assert cost[0] / cost[1] == pytest.approx(sigmoid[0] / sigmoid[1], rel=1e-3)


def test_a_teacher_that_sees_nothing_gives_no_large_weights(tiny_anchors):
    """All objectness at -20: divided by its sum of 1e-6, differences of the background would count in full."""
    theirs = [tf.concat([raw[..., :4], tf.fill([*raw.shape[:4], 1], -20.0), raw[..., 5:]], -1) for raw in draw(0)]
    ours = [tf.concat([raw[..., :4], their[..., 4:5], raw[..., 5:]], -1) for raw, their in zip(draw(1), theirs, strict=True)]
    assert float(distillation_loss(theirs, ours, tiny_anchors, loss=LossConfig())) < 1e-5


def test_the_class_of_a_single_class_does_not_count(tiny_anchors):
    theirs = draw(0, num_classes=1)
    ours = [tf.concat([raw[..., :5], raw[..., 5:] + 3], -1) for raw in theirs]
    assert abs(float(distillation_loss(theirs, ours, tiny_anchors, loss=LossConfig()))) < 1e-6


def test_the_mean_of_two_shares_is_the_loss_of_the_batch(tiny_anchors):
    theirs, ours = draw(0), draw(1)
    theirs = [tf.concat([raw[:2], raw[2:] - 4], 0) for raw in theirs]  # the second half has far fewer objects
    whole = float(distillation_loss(theirs, ours, tiny_anchors, loss=LossConfig()))
    halves = [([raw[rows] for raw in theirs], [raw[rows] for raw in ours]) for rows in (slice(0, 2), slice(2, 4))]
    counts = [count_objects(teacher) for teacher, _ in halves]
    assert counts[0].shape == (3,) and float(tf.reduce_sum(counts[0])) > 3 * float(tf.reduce_sum(counts[1]))
    mean = (counts[0] + counts[1]) / 2
    shares = [float(distillation_loss(*half, tiny_anchors, loss=LossConfig(), num_objects=mean)) for half in halves]
    assert sum(shares) / 2 == pytest.approx(whole, rel=1e-5)
    own = [float(distillation_loss(*half, tiny_anchors, loss=LossConfig())) for half in halves]
    assert sum(own) / 2 != pytest.approx(whole, rel=1e-3)


def test_half_precision_logits_cost_about_the_same_in_float32(tiny_anchors):
    whole = distillation_loss(draw(0), draw(1), tiny_anchors, loss=LossConfig())
    half = distillation_loss(draw(0, dtype=tf.bfloat16), draw(1, dtype=tf.bfloat16), tiny_anchors, loss=LossConfig())
    assert half.dtype == tf.float32
    np.testing.assert_allclose(half, whole, rtol=0.02)
