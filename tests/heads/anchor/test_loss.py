"""The loss: worked numbers, empty batches, half precision, XLA, gradients."""

import dataclasses
import math

import numpy as np
import pytest
import tensorflow as tf

from yolo_tf.config import LossConfig
from yolo_tf.heads.anchor.anchors import anchor_set
from yolo_tf.heads.anchor.loss import cross_entropy, detection_loss
from yolo_tf.structures import Targets
from yolo_tf.structures.boxes import complete_iou, generalized_iou

GRIDS = [(12, 20), (6, 10), (3, 5)]
COUNTS = [9, 0, 5, 2]


def draw_predictions(num_classes=6, dtype=tf.float32, seed=0):
    rng = np.random.default_rng(seed)
    return [tf.constant(rng.normal(size=(4, *grid, 2, 5 + num_classes)), dtype) for grid in GRIDS]


def perfect_predictions(targets, anchors, num_classes):
    """Logits that decode to the target at every cell that answers for exactly one box."""
    from yolo_tf.heads.anchor.matching import match_level

    predictions = []
    for level, grid in enumerate(GRIDS):
        raw = np.full((4, grid[0] * grid[1] * 2, 5 + num_classes), -12.0)
        match = match_level(targets, anchors.sizes[level], stride=anchors.strides[level], grid_size=grid, ratio_limit=4.0)
        for image, answer in zip(*np.nonzero(match.mask.numpy()), strict=True):
            x, y, width, height = match.boxes_grid.numpy()[image, answer]
            of_anchor = np.sqrt([width, height] / match.anchors_grid.numpy()[0, answer]) / 2
            share = np.array([(x + 0.5) / 2, (y + 0.5) / 2, *of_anchor])
            cell = match.cell.numpy()[image, answer]
            raw[image, cell, :4] = np.log(share / (1 - share))
            raw[image, cell, 4] = 12.0
            raw[image, cell, 5:] = -12.0
            raw[image, cell, 5 + match.class_ids.numpy()[image, answer]] = 12.0
        predictions.append(tf.constant(raw.reshape(4, *grid, 2, 5 + num_classes), tf.float32))
    return predictions


def test_zero_logits_without_boxes_cost_log_two_times_the_gains(tiny_anchors):
    targets = Targets(tf.zeros([4, 9, 4]), tf.fill([4, 9], -1))
    parts = detection_loss(targets, [tf.zeros([4, *grid, 2, 11]) for grid in GRIDS], tiny_anchors, loss=LossConfig())
    assert float(parts["box"]) == 0 and float(parts["class"]) == 0
    # Every cell costs -log(0.5); balance 4 + 1 + 0.4; image 96 x 160 of the 640 x 640 the gain is for.
    expected = math.log(2) * 5.4 * (96 * 160) / 640**2
    np.testing.assert_allclose(parts["objectness"], expected, rtol=1e-5)


@pytest.mark.parametrize(("rule", "winners"), [("best", {(2, 5): 0, (2, 6): 1}), ("last", {(2, 5): 1, (2, 6): 0})])
def test_where_boxes_share_an_anchor_one_of_them_sets_the_objectness(rule, winners):
    """The boxes of test_target_matching: cells (2, 5) and (2, 6) answer for both. Zero logits predict the middle of
    the cell, so each box fits its own cell better; the neighbour is written last."""
    targets = Targets(tf.constant([[[41, 17, 51, 27], [45, 13, 55, 23]]], tf.float32), tf.constant([[3, 1]]))
    anchors = anchor_set((8,), [[(10, 10)]])
    loss = LossConfig(shared_anchor=rule, level_balance=(1.0,))
    logits = tf.broadcast_to(tf.one_hot(4, 9) * 2.0, [1, 12, 20, 1, 9])  # 2 for the objectness; the target counts
    centres = [(5.75, 2.75), (6.25, 2.25)]
    answers = {(2, 5): winners[2, 5], (2, 6): winners[2, 6], (3, 5): 0, (1, 6): 1}
    total = 0.0
    for (row, column), box in answers.items():
        x, y = centres[box]
        predicted, true = [column + 0.5, row + 0.5, 1.25, 1.25], [x, y, 1.25, 1.25]
        total += float(complete_iou(tf.constant([predicted]), tf.constant([true]))[0])
    # Cross entropy at logit 2 is log(1 + e^2) - 2 * target.
    expected = (240 * math.log(1 + math.exp(2)) - 2 * total) / 240 * 3 * (96 * 160) / 640**2
    np.testing.assert_allclose(detection_loss(targets, [logits], anchors, loss=loss)["objectness"], expected, rtol=1e-5)


def test_a_perfect_prediction_costs_almost_nothing(random_targets, tiny_anchors):
    targets = random_targets([1, 1, 1, 1], image_size=(96, 160), num_classes=6, seed=3)
    parts = detection_loss(targets, perfect_predictions(targets, tiny_anchors, 6), tiny_anchors, loss=LossConfig())
    wrong = detection_loss(targets, draw_predictions(), tiny_anchors, loss=LossConfig())
    assert max(float(value) for value in parts.values()) < 1e-4
    assert all(float(wrong[name]) > 100 * max(float(parts[name]), 1e-6) for name in parts)


def test_gains_are_rescaled_by_levels_classes_and_image(random_targets, tiny_anchors):
    targets = random_targets(COUNTS, image_size=(96, 160), num_classes=6)
    once = detection_loss(targets, draw_predictions(), tiny_anchors, loss=LossConfig())
    loss = LossConfig(box=0.1, objectness=0.5, classification=1.5)
    again = detection_loss(targets, draw_predictions(), tiny_anchors, loss=loss)
    ratios = [float(again[name] / once[name]) for name in ("box", "objectness", "class")]
    np.testing.assert_allclose(ratios, [2, 0.5, 3], rtol=1e-5)


def test_class_gain_may_stay_unscaled(random_targets, tiny_anchors):
    targets = random_targets(COUNTS, image_size=(96, 160), num_classes=6)
    scaled = detection_loss(targets, draw_predictions(), tiny_anchors, loss=LossConfig())
    unscaled = detection_loss(targets, draw_predictions(), tiny_anchors, loss=LossConfig(classification_per_class=False))
    ratios = [float(unscaled[name] / scaled[name]) for name in ("box", "objectness", "class")]
    np.testing.assert_allclose(ratios, [1, 1, 80 / 6], rtol=1e-5)


@pytest.mark.parametrize(("iou", "overlap"), [("ciou", complete_iou), ("giou", generalized_iou)])
def test_the_overlap_makes_box_loss_and_objectness_target(iou, overlap):
    targets = Targets(tf.constant([[[40, 16, 60, 26]]], tf.float32), tf.constant([[3]]))  # centre (6.25, 2.625) cells
    loss = LossConfig(iou=iou, level_balance=(1.0,))
    logits = tf.zeros([1, 12, 20, 1, 9])
    parts = detection_loss(targets, [logits], anchor_set((8,), [[(10, 10)]]), loss=loss)
    cells = [(2, 6), (2, 5), (3, 6)]  # its own, the left and the lower one; each predicts its middle and the anchor
    values = [
        float(overlap(tf.constant([[x + 0.5, y + 0.5, 1.25, 1.25]]), tf.constant([[6.25, 2.625, 2.5, 1.25]]))[0])
        for y, x in cells
    ]
    np.testing.assert_allclose(parts["box"], 0.05 * 3 * (1 - np.mean(values)), rtol=1e-5)
    # Cross entropy at logit 0 is log 2 whatever the target, so the targets show in the gradient alone.
    with tf.GradientTape() as tape:
        tape.watch(logits)
        objectness = detection_loss(targets, [logits], anchor_set((8,), [[(10, 10)]]), loss=loss)["objectness"]
    gradient = tape.gradient(objectness, logits).numpy()[0, :, :, 0, 4] * 240 / (3 * (96 * 160) / 640**2)
    expected = np.full((12, 20), 0.5)
    for (y, x), value in zip(cells, values, strict=True):
        expected[y, x] -= max(value, 0)
    np.testing.assert_allclose(gradient, expected, atol=1e-5)


def test_one_class_has_no_class_loss(random_targets, tiny_anchors):
    targets = random_targets(COUNTS, image_size=(96, 160), num_classes=1)
    parts = detection_loss(targets, draw_predictions(num_classes=1), tiny_anchors, loss=LossConfig())
    assert float(parts["class"]) == 0 and float(parts["box"]) > 0


def test_two_boxes_in_one_slot_give_the_better_overlap():
    from yolo_tf.heads.anchor.anchors import anchor_set

    anchors = anchor_set((32,), [[(32, 32)]])
    both = Targets(tf.constant([[[32, 32, 64, 64], [40, 40, 56, 56]]], tf.float32), tf.constant([[0, 1]]))
    swapped = Targets(both.boxes[:, ::-1], both.class_ids[:, ::-1])
    raw = [tf.random.stateless_normal([1, 3, 5, 1, 7], (1, 2))]
    loss = LossConfig(level_balance=(1.0,))
    first, second = (detection_loss(targets, raw, anchors, loss=loss) for targets in (both, swapped))
    np.testing.assert_allclose(first["objectness"], second["objectness"], rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("counts", [COUNTS, [0, 0, 0, 0]])
@pytest.mark.parametrize("gamma", [0.0, 1.5])
def test_loss_and_gradients_are_finite(random_targets, tiny_anchors, dtype, counts, gamma):
    targets = random_targets(counts, image_size=(96, 160), num_classes=6)
    predictions = draw_predictions(dtype=dtype)
    with tf.GradientTape() as tape:
        tape.watch(predictions)
        parts = detection_loss(targets, predictions, tiny_anchors, loss=LossConfig(focal_gamma=gamma))
        total = tf.add_n(list(parts.values()))
    assert total.dtype == tf.float32 and np.isfinite(total)
    for gradient in tape.gradient(total, predictions):
        assert np.isfinite(tf.cast(gradient, tf.float32).numpy()).all()


def test_degenerate_and_border_boxes_give_finite_gradients(tiny_anchors):
    boxes = [[0, 0, 0, 0], [10, 10, 10, 30], [0, 0, 160, 96], [159.5, 95.5, 160, 96]]
    targets = Targets(tf.constant([boxes], tf.float32), tf.constant([[0, 1, 2, 3]]))
    predictions = [prediction[:1] for prediction in draw_predictions()]
    with tf.GradientTape() as tape:
        tape.watch(predictions)
        total = tf.add_n(list(detection_loss(targets, predictions, tiny_anchors, loss=LossConfig()).values()))
    assert all(np.isfinite(gradient.numpy()).all() for gradient in tape.gradient(total, predictions))


@pytest.mark.parametrize("jit_compile", [False, pytest.param(True, marks=pytest.mark.long)])
def test_eager_equals_compiled(random_targets, tiny_anchors, jit_compile):
    targets = random_targets(COUNTS, image_size=(96, 160), num_classes=6)
    loss = LossConfig(label_smoothing=0.1)
    compiled = tf.function(lambda t, p: detection_loss(t, p, tiny_anchors, loss=loss), jit_compile=jit_compile)
    eager, graph = detection_loss(targets, draw_predictions(), tiny_anchors, loss=loss), compiled(targets, draw_predictions())
    for name in eager:
        np.testing.assert_allclose(eager[name], graph[name], rtol=1e-5)


def test_cross_entropy_by_hand():
    targets, logits = tf.constant([1.0, 0.0]), tf.constant([math.log(3.0), math.log(3.0)])  # probability 0.75
    np.testing.assert_allclose(cross_entropy(targets, logits), [-math.log(0.75), -math.log(0.25)], rtol=1e-5)
    np.testing.assert_allclose(cross_entropy(targets, logits, 2.0), [-2 * math.log(0.75), -math.log(0.25)], rtol=1e-5)
    focal = [0.25 * 0.25**2 * -math.log(0.75), 0.75 * 0.75**2 * -math.log(0.25)]
    np.testing.assert_allclose(cross_entropy(targets, logits, 1.0, 2.0), focal, rtol=1e-5)


def test_label_smoothing_moves_the_best_class_probability(random_targets, tiny_anchors):
    targets = random_targets([1, 1, 1, 1], image_size=(96, 160), num_classes=6, seed=3)
    sure = perfect_predictions(targets, tiny_anchors, 6)
    smooth = dataclasses.replace(LossConfig(), label_smoothing=0.2)
    assert float(detection_loss(targets, sure, tiny_anchors, loss=smooth)["class"]) > 0.01
