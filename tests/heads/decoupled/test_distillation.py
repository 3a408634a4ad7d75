"""Answering otherwise than a teacher: what it costs."""

import math

import numpy as np
import pytest
import tensorflow as tf

from yolo_tf.config import DecoupledLossConfig
from yolo_tf.heads.decoupled.distillation import count_objects, distillation_loss
from yolo_tf.heads.decoupled.layout import cell_grid
from yolo_tf.heads.decoupled.loss import REFERENCE_BATCH

GRID, GRIDS, CLASSES, LOSS = cell_grid((8, 16)), [(3, 5), (2, 4)], 6, DecoupledLossConfig()


def draw(seed, *, shift=0.0):
    rng = np.random.default_rng(seed)
    return [tf.constant(rng.normal(shift, 1, (2, *grid, n)), tf.float32) for n in (4, 1, CLASSES) for grid in GRIDS]


def test_the_teachers_own_answers_cost_nothing_and_pull_nowhere():
    ours = draw(0)
    with tf.GradientTape() as tape:
        tape.watch(ours)
        cost = distillation_loss(draw(0), ours, GRID, loss=LOSS)
    assert abs(float(cost)) < 1e-6
    assert all(np.abs(gradient).max() < 1e-6 for gradient in tape.gradient(cost, ours))


@pytest.mark.parametrize("part", range(3))
def test_one_cell_in_numbers(part):
    """Of the teacher's logits 0 but in the cell, where its objectness is 3, one number is changed by 2."""
    theirs = [np.zeros(raw.shape, np.float32) for raw in draw(0)]
    theirs[2][1, 2, 3] = 3.0
    ours = [raw.copy() for raw in theirs]
    ours[2 * part][1, 2, 3, 0] += 2.0
    sure = 1 / (1 + math.exp(-3))

    def coin(p, q):
        return p * math.log(p / q) + (1 - p) * math.log((1 - p) / (1 - q))

    expected = {
        0: 5 * sure * 2.0,  # half the square of 2
        1: coin(sure, 1 / (1 + math.exp(-5))),
        2: sure * coin(0.5, 1 / (1 + math.exp(-2))),
    }[part]
    objects = 2 * 23 * 0.5 - 0.5 + sure
    found = distillation_loss(*([tf.constant(raw) for raw in raws] for raws in (theirs, ours)), GRID, loss=LOSS)
    assert float(found) * REFERENCE_BATCH * objects == pytest.approx(expected, rel=1e-4)
    assert float(count_objects([tf.constant(raw) for raw in theirs])) == pytest.approx(objects, rel=1e-5)


def test_the_teacher_gets_no_gradient():
    theirs, ours = draw(0), draw(1)
    with tf.GradientTape() as tape:
        tape.watch([theirs, ours])
        cost = distillation_loss(theirs, ours, GRID, loss=LOSS)
    of_theirs, of_ours = tape.gradient(cost, [theirs, ours])
    assert all(gradient is None or not np.abs(gradient).any() for gradient in of_theirs)
    assert all(np.abs(gradient).max() > 0 for gradient in of_ours)


def test_a_teacher_that_sees_nothing_gives_no_large_weights():
    theirs, ours = draw(0), draw(1)
    theirs[2:4] = ours[2:4] = [tf.fill(raw.shape, -20.0) for raw in theirs[2:4]]
    assert float(distillation_loss(theirs, ours, GRID, loss=LOSS)) < 1e-5
