"""Decoding: worked numbers, order of the candidates, open sizes, half precision, TFLite's arithmetic."""

import numpy as np
import pytest
import tensorflow as tf

from yolo_tf.heads.decoupled.decode import decode_predictions
from yolo_tf.heads.decoupled.layout import cell_grid

GRID, GRIDS, CLASSES = cell_grid((8, 16)), [(3, 5), (2, 4)], 6


def draw(dtype=tf.float32, batch=2):
    rng = np.random.default_rng(0)
    return [tf.constant(rng.normal(size=(batch, *grid, n)), dtype) for n in (4, 1, CLASSES) for grid in GRIDS]


def test_zeros_are_boxes_of_one_cell_around_the_corner_of_theirs():
    boxes, scores = decode_predictions([tf.zeros_like(raw) for raw in draw()], GRID)
    assert boxes.shape == (2, 15 + 8, 4)
    np.testing.assert_allclose(boxes[0, 7], [12, 4, 20, 12])  # cell (2, 1) of stride 8
    np.testing.assert_allclose(boxes[1, 15 + 6], [24, 8, 40, 24])  # cell (2, 1) of stride 16
    np.testing.assert_allclose(scores, np.full((2, 23, CLASSES), 0.25))


def test_every_number_is_where_it_belongs():
    raw = [tensor.numpy() for tensor in draw()]
    boxes, scores = decode_predictions(draw(), GRID)
    for level, (stride, first) in enumerate(zip((8, 16), (0, 15), strict=True)):
        rows, columns = GRIDS[level]
        for row in range(rows):
            for column in range(columns):
                place = first + row * columns + column
                x, y, w, h = raw[level][1, row, column]
                centre, size = np.array([x + column, y + row]) * stride, np.exp([w, h]) * stride
                np.testing.assert_allclose(boxes[1, place], [*(centre - size / 2), *(centre + size / 2)], rtol=1e-4, atol=1e-4)
                sure = 1 / (1 + np.exp(-raw[2 + level][1, row, column, 0]))
                expected = sure / (1 + np.exp(-raw[4 + level][1, row, column]))
                np.testing.assert_allclose(scores[1, place], expected, rtol=1e-5)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_a_graph_with_open_sizes_decodes_the_same(jit_compile):
    shapes = [tf.TensorSpec([None] * 3 + [raw.shape[-1]], tf.float32) for raw in draw()]
    traced = tf.function(lambda *raw: decode_predictions(raw, GRID), input_signature=shapes, jit_compile=jit_compile)
    for one, other in zip(traced(*draw()), decode_predictions(draw(), GRID), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


def test_half_precision_is_decoded_in_float32_and_a_huge_side_stays_finite():
    boxes, scores = decode_predictions(draw(tf.float16), GRID)
    assert boxes.dtype == scores.dtype == tf.float32
    expected, _ = decode_predictions([tf.cast(raw, tf.float32) for raw in draw(tf.float16)], GRID)
    np.testing.assert_array_equal(boxes, expected)
    boxes, _ = decode_predictions([tf.fill(raw.shape, 6e4) for raw in draw()], GRID)
    assert np.isfinite(boxes).all()


def test_every_tensor_has_three_axes_at_most_behind_the_raw_predictions():
    """As each TFLite delegate takes them."""
    shapes = [tf.TensorSpec(raw.shape, tf.float32) for raw in draw()]
    graph = tf.function(lambda *raw: decode_predictions(raw, GRID), input_signature=shapes).get_concrete_function().graph
    ranks = [output.shape.rank for node in graph.get_operations() if node.type != "Placeholder" for output in node.outputs]
    assert max(ranks) == 3


def test_a_wrong_number_of_levels_is_refused():
    with pytest.raises(ValueError):
        decode_predictions(draw()[:1], GRID)
