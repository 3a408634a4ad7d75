"""The loss: worked numbers, empty images, extreme values, half precision, XLA, the plain last epochs."""

import math

import numpy as np
import pytest
import tensorflow as tf

from yolo_tf.config import DecoupledLossConfig
from yolo_tf.heads.decoupled.layout import cell_grid
from yolo_tf.heads.decoupled.loss import REFERENCE_BATCH, count_matches, detection_loss
from yolo_tf.structures import Targets

GRID, GRIDS, CLASSES = cell_grid((8, 16, 32)), [(12, 20), (6, 10), (3, 5)], 6
CELLS = 12 * 20 + 6 * 10 + 3 * 5
TARGETS = Targets(  # B = 2, M = 4
    tf.constant([[[8.0, 9, 40, 33], [90, 20, 130, 70], [60, 70, 78, 90], [0] * 4], [[30.0, 40, 71, 66], *[[0] * 4] * 3]]),
    tf.constant([[2, 0, 5, -1], [1, -1, -1, -1]]),
)


def draw(seed=0, spread=1.0, dtype=tf.float32):
    rng = np.random.default_rng(seed)
    return [tf.constant(rng.normal(0, spread, (2, *grid, n)), dtype) for n in (4, 1, CLASSES) for grid in GRIDS]


def loss_of(targets, predictions, **options):
    return detection_loss(targets, predictions, GRID, loss=DecoupledLossConfig(), **options)


def test_one_box_in_numbers():
    """Zeros everywhere predict a box of one cell from the corner of each cell, objectness and classes of 1/2.

    The box is the prediction of cell (2, 1) of stride 16 moved by 4 px to the right and down: centre (36, 20), side 16. That
    cell overlaps it most, by 12 x 12 px, and its centre (40, 24) lies inside.
    """
    targets = Targets(tf.constant([[[28.0, 12.0, 44.0, 28.0]]] * 2, tf.float32), tf.constant([[3], [-1]]))
    predictions = [tf.zeros_like(raw) for raw in draw()]
    parts = loss_of(targets, predictions)
    answers = float(count_matches(targets, None, GRID, loss=DecoupledLossConfig(), predictions=predictions))
    assert answers == 1
    overlap = 12 * 12 / (2 * 256 - 144)
    np.testing.assert_allclose(parts["box"] * REFERENCE_BATCH, 5 * (1 - overlap**2), rtol=1e-5)
    np.testing.assert_allclose(parts["objectness"] * REFERENCE_BATCH, 2 * CELLS * math.log(2), rtol=1e-5)
    np.testing.assert_allclose(parts["class"] * REFERENCE_BATCH, CLASSES * math.log(2), rtol=1e-5)
    plain = loss_of(targets, predictions, plain=True)
    apart = 0.25 + 0.25  # the raw box is 0, 0 where the target is a quarter of a cell further; the sides are right
    np.testing.assert_allclose((plain["box"] - parts["box"]) * REFERENCE_BATCH, apart, rtol=1e-4)
    assert plain["objectness"] == parts["objectness"] and plain["class"] == parts["class"]


def test_the_class_target_is_the_overlap():
    """The class logit of the answering cell that is best for the box above is the one whose sigmoid is the overlap."""
    targets = Targets(tf.constant([[[28.0, 12.0, 44.0, 28.0]]], tf.float32), tf.constant([[0]]))
    overlap = 12 * 12 / (2 * 256 - 144)
    losses = []
    for shift in (-0.3, 0.0, 0.3):
        predictions = [tf.zeros_like(raw[:1]) for raw in draw()[:6]]
        predictions += [tf.fill([1, *grid, 1], math.log(overlap / (1 - overlap)) + shift) for grid in GRIDS]
        losses.append(float(loss_of(targets, predictions)["class"]))
    assert losses[1] < losses[0] and losses[1] < losses[2]


@pytest.mark.parametrize(
    ("name", "targets"),
    [
        ("random", TARGETS),
        ("no boxes", Targets(tf.zeros([2, 4, 4]), tf.fill([2, 4], -1))),
        ("padding of odd numbers", Targets(tf.fill([2, 4, 4], -1e9), tf.fill([2, 4], -1))),
        ("huge", Targets(tf.constant([[[-1e6, -1e6, 1e6, 1e6]] * 4] * 2), tf.zeros([2, 4], tf.int32))),
        (
            "no size",
            Targets(
                tf.constant([[[50.0, 40.0, 50.0, 40.0], [0.0] * 4, [160.0, 96.0, 160.0, 96.0], [36.0, 36.0, 36.0, 90.0]]] * 2),
                tf.zeros([2, 4], tf.int32),
            ),
        ),
        ("outside", Targets(tf.constant([[[500.0, 400.0, 520.0, 440.0]] * 4] * 2), tf.zeros([2, 4], tf.int32))),
    ],
)
@pytest.mark.parametrize("spread", [0.0, 1.0, 6e4])
def test_loss_and_gradients_are_finite_everywhere(name, targets, spread):
    for dtype in (tf.float32, tf.float16):
        predictions = draw(spread=1.0, dtype=tf.float32)
        predictions = [tf.cast(tf.clip_by_value(raw * spread, -65000, 65000), dtype) for raw in predictions]
        with tf.GradientTape() as tape:
            tape.watch(predictions)
            parts = loss_of(targets, predictions, plain=True)
            total = tf.add_n(list(parts.values()))
        assert all(np.isfinite(part) and part >= 0 for part in parts.values()), parts
        for gradient in tape.gradient(total, predictions):
            assert gradient is not None and np.isfinite(gradient).all()


def test_a_gradient_of_a_box_that_does_not_touch_is_zero_and_not_nan():
    targets = Targets(tf.constant([[[64.0, 32.0, 64.5, 32.5]]] * 2), tf.constant([[0], [0]]))
    predictions = draw()
    predictions[:3] = [raw * 0 - 20 for raw in predictions[:3]]  # far away, and of nearly no size
    with tf.GradientTape() as tape:
        tape.watch(predictions)
        parts = loss_of(targets, predictions)
    np.testing.assert_allclose(parts["box"] * REFERENCE_BATCH, 5.0, rtol=1e-6)
    assert all((np.asarray(gradient) == 0).all() for gradient in tape.gradient(parts["box"], predictions[:3]))


@pytest.mark.parametrize("plain", [False, True])
def test_xla_gives_the_same_loss_and_gradients(plain):
    def step(targets, predictions):
        with tf.GradientTape() as tape:
            tape.watch(predictions)
            parts = loss_of(targets, predictions, plain=plain)
            total = tf.add_n(list(parts.values()))
        return parts, tape.gradient(total, predictions)

    eager, compiled = (function(TARGETS, draw()) for function in (step, tf.function(step, jit_compile=True)))
    for one, other in zip(tf.nest.flatten(eager), tf.nest.flatten(compiled), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)


def test_padding_changes_nothing():
    more = Targets(
        tf.pad(TARGETS.boxes, [[0, 0], [0, 9], [0, 0]]), tf.pad(TARGETS.class_ids, [[0, 0], [0, 9]], constant_values=-1)
    )
    for name, part in loss_of(TARGETS, draw()).items():
        assert float(loss_of(more, draw())[name]) == pytest.approx(float(part), rel=1e-6), name


def test_images_take_the_place_of_answers_where_there_are_none():
    """So two replicas without a box have, in the mean, the loss of one with both images."""
    nothing = Targets(tf.zeros([2, 4, 4]), tf.fill([2, 4], -1))
    whole = loss_of(nothing, draw())
    shares = [
        loss_of(Targets(*(tensor[rows] for tensor in nothing)), [raw[rows] for raw in draw()], num_matches=tf.constant(0.0))
        for rows in (slice(0, 1), slice(1, 2))
    ]
    assert whole["box"] == 0 and whole["class"] == 0
    assert float(shares[0]["objectness"] + shares[1]["objectness"]) / 2 == pytest.approx(float(whole["objectness"]), rel=1e-6)


def test_half_precision_logits_cost_about_the_same_in_float32():
    whole, half = loss_of(TARGETS, draw()), loss_of(TARGETS, [tf.cast(raw, tf.float16) for raw in draw()])
    for name, part in half.items():
        assert part.dtype == tf.float32
        np.testing.assert_allclose(part, whole[name], rtol=0.01)


def test_gains_are_factors():
    whole = loss_of(TARGETS, draw(), plain=True)
    gains = DecoupledLossConfig(box=10.0, l1=2.0, objectness=3.0, classification=0.5)
    scaled = detection_loss(TARGETS, draw(), GRID, loss=gains, plain=True)
    for name, factor in (("box", 2), ("objectness", 3), ("class", 0.5)):
        assert float(scaled[name]) == pytest.approx(factor * float(whole[name]), rel=1e-5)
