"""SimOTA against a slow reference, and what it does where costs are equal."""

import numpy as np
import plain_simota
import pytest
import tensorflow as tf

from yolo_tf.config import DecoupledLossConfig
from yolo_tf.heads.decoupled.assignment import NEVER, OUTSIDE, assign_boxes, cheapest_cells, class_costs
from yolo_tf.heads.decoupled.decode import decoded_boxes, join_levels
from yolo_tf.heads.decoupled.layout import cell_grid
from yolo_tf.structures import Targets
from yolo_tf.structures.boxes import cxcywh_to_xyxy

SIZE, STRIDES, CLASSES = (96, 160), (8, 16, 32), 5  # D = 240 + 60 + 15 cells


def draw(rng, *, batch=2, spread=1.0):
    shapes = [(batch, SIZE[0] // stride, SIZE[1] // stride) for stride in STRIDES]
    return [
        tf.constant(rng.normal(0, spread, (*shape, channels)), tf.float32) for channels in (4, 1, CLASSES) for shape in shapes
    ]


def draw_targets(rng, *, batch=2, places=7):
    low = rng.uniform(-5, 130, (batch, places, 2)) * [1, 0.6]
    boxes = np.concatenate([low, low + rng.uniform(3, 80, low.shape)], -1)
    class_ids = rng.integers(0, CLASSES, (batch, places))
    class_ids[rng.random((batch, places)) < 0.3] = -1
    return Targets(tf.constant(boxes, tf.float32), tf.constant(class_ids, tf.int32))


def assigned(targets, predictions, **options):
    candidates = join_levels(predictions, cell_grid(STRIDES))
    return assign_boxes(targets, candidates, decoded_boxes(candidates), loss=DecoupledLossConfig(**options))


def plainly(targets, predictions, **options):
    candidates = join_levels(predictions, cell_grid(STRIDES))
    boxes = cxcywh_to_xyxy(decoded_boxes(candidates)).numpy().astype(np.float64)
    found = [
        plain_simota.assign_plainly(
            targets.boxes.numpy()[image].astype(np.float64),
            targets.class_ids.numpy()[image],
            candidates.cells.numpy(),
            candidates.strides.numpy()[:, 0],
            boxes[image],
            candidates.objectness.numpy()[image, :, 0].astype(np.float64),
            candidates.classes.numpy()[image].astype(np.float64),
            **options,
        )
        for image in range(len(boxes))
    ]
    return [np.stack(arrays) for arrays in zip(*found, strict=True)]


@pytest.mark.parametrize("seed", range(4))
def test_equals_the_slow_reference_on_random_batches(seed):
    rng = np.random.default_rng(seed)
    targets, predictions = draw_targets(rng), draw(rng)
    box, overlap = plainly(targets, predictions)
    ours = assigned(targets, predictions)
    np.testing.assert_array_equal(ours.box, box)
    np.testing.assert_allclose(ours.iou, overlap, atol=1e-5)
    assert (box >= 0).sum() >= 8 and len(np.unique(box)) > 4
    np.testing.assert_array_equal(tf.function(assigned, jit_compile=True)(targets, predictions).box, box)


def test_good_predictions_get_many_cells():
    """Every cell predicts the one box nearly: its overlaps sum to more than 9, so nine cells at least answer."""
    target = np.array([40.0, 24.0, 104.0, 72.0])
    targets = Targets(tf.constant([[target]], tf.float32), tf.constant([[3]]))
    rng, predictions = np.random.default_rng(0), []
    for stride in STRIDES:
        rows, columns = SIZE[0] // stride, SIZE[1] // stride
        x, y = np.meshgrid(np.arange(columns), np.arange(rows))
        raw = np.stack(
            [72 / stride - x, 48 / stride - y, *np.log([np.full(x.shape, 64 / stride), np.full(x.shape, 48 / stride)])], -1
        )
        predictions.append(tf.constant(raw[None] + rng.normal(0, 1e-3, raw.shape), tf.float32))
    predictions += draw(rng, batch=1)[3:]
    ours, (box, _) = assigned(targets, predictions), plainly(targets, predictions)
    np.testing.assert_array_equal(ours.box, box)
    assert (ours.box.numpy() >= 0).sum() in (9, 10)
    few = assigned(targets, predictions, top_overlaps=4)
    np.testing.assert_array_equal(few.box, plainly(targets, predictions, top=4)[0])
    assert (few.box.numpy() >= 0).sum() in (3, 4)
    near = assigned(targets, predictions, centre_radius=1.5, overlap_cost=0.5)
    np.testing.assert_array_equal(near.box, plainly(targets, predictions, radius=1.5, overlap_cost=0.5)[0])


def test_of_equal_costs_the_first_cell_and_the_first_box_win():
    cost = tf.constant([[[3.0, 1.0, 1.0, 1.0], [3.0, 1.0, 5.0, 1.0], [2.0, 2.0, 2.0, NEVER]]])  # B = 1, M = 3, D = 4
    iou = tf.constant([[[0.5, 0.6, 0.6, 0.6], [0.0, 0.4, 0.0, 0.1], [0.4, 0.3, 0.2, 0.0]]])  # 2, 1 and 1 cells
    found = cheapest_cells(cost, iou, top_overlaps=4)
    # Box 0 takes cells 1 and 2, box 1 wants cell 1 at the same cost, box 2 the first of its three.
    assert found.box.numpy().tolist() == [[2, 0, 0, -1]]
    np.testing.assert_allclose(found.iou, [[0.4, 0.6, 0.6, 0.0]])


def test_a_cell_that_two_boxes_want_goes_to_the_one_that_it_costs_less():
    cost = tf.constant([[[2.0, 4.0, 6.0], [1.5, 3.0, 6.0]]])
    found = cheapest_cells(cost, tf.zeros([1, 2, 3]), top_overlaps=2)
    assert found.box.numpy().tolist() == [[1, -1, -1]], "box 0 gets none: it does not take its second choice"


def test_cells_that_are_no_candidates_are_never_taken():
    cost = tf.constant([[[NEVER, OUTSIDE, NEVER], [NEVER] * 3]])
    found = cheapest_cells(cost, tf.constant([[[0.9, 0.9, 0.9], [0.9] * 3]]), top_overlaps=3)
    assert found.box.numpy().tolist() == [[-1, 0, -1]]


def test_images_without_boxes_have_no_answers():
    rng = np.random.default_rng(0)
    found = assigned(Targets(tf.fill([2, 7, 4], 50.0), tf.fill([2, 7], -1)), draw(rng))
    assert (found.box.numpy() == -1).all() and (found.iou.numpy() == 0).all()


def test_the_class_cost_is_finite_where_the_network_is_sure_of_the_wrong_thing():
    """It is what binary cross entropy says where that is finite; a sure mistake costs 100 at most, as in the original."""
    rng = np.random.default_rng(1)
    candidates = join_levels(draw(rng), cell_grid(STRIDES))
    ids = tf.constant([[4, 0, -1], [2, 2, 1]])
    probability = np.sqrt(tf.sigmoid(candidates.classes) * tf.sigmoid(candidates.objectness)).astype(np.float64)
    expected = [
        [-np.log(np.where(np.arange(CLASSES) == max(index, 0), p, 1 - p)).sum(-1) for index in row]
        for p, row in zip(probability, ids.numpy(), strict=True)
    ]
    np.testing.assert_allclose(class_costs(ids, candidates), expected, rtol=1e-4)
    sure = candidates._replace(classes=candidates.classes * 0 + 1e4, objectness=candidates.objectness * 0 + 1e4)
    np.testing.assert_allclose(class_costs(ids, sure)[0, 0], 100.0 * (CLASSES - 1), rtol=1e-6)
    np.testing.assert_allclose(class_costs(ids, sure._replace(classes=sure.classes * -1))[0, 0], 100.0, rtol=1e-6)
