import numpy as np
import pytest
import tensorflow as tf

from yolo_tf.heads.anchor.anchors import COCO_ANCHORS, anchor_set
from yolo_tf.heads.anchor.decode import decode_predictions

# L=2, A=2, C=3; a 16 x 24 px input: 2 x 3 cells of stride 8, 1 x 2 of stride 16 (rounded up: decode does not care).
ANCHORS = anchor_set((8, 16), [[(10, 13), (16, 30)], [(30, 61), (62, 45)]])


def random_predictions(rng, batch=4):
    shapes = [(batch, 2, 3, 2, 8), (batch, 1, 2, 2, 8)]
    return [tf.constant(rng.normal(0, 2, shape), tf.float32) for shape in shapes]


def decode_by_loop(predictions, anchors):
    """The formula, one number at a time."""
    boxes, scores = [], []
    for raw, stride, sizes in zip(predictions, anchors.strides, anchors.sizes, strict=True):
        sigmoid = 1 / (1 + np.exp(-np.asarray(raw, np.float64)))
        batch, rows, columns, per_cell, _ = sigmoid.shape
        for row in range(rows):
            for column in range(columns):
                for a in range(per_cell):
                    t = sigmoid[:, row, column, a]
                    x = (2 * t[:, 0] - 0.5 + column) * stride
                    y = (2 * t[:, 1] - 0.5 + row) * stride
                    w = (2 * t[:, 2]) ** 2 * sizes[a, 0]
                    h = (2 * t[:, 3]) ** 2 * sizes[a, 1]
                    boxes.append(np.stack([x - w / 2, y - h / 2, x + w / 2, y + h / 2], -1))
                    scores.append(t[:, 4:5] * t[:, 5:])
    return np.stack(boxes, 1), np.stack(scores, 1)


def test_worked_numbers():
    """sigmoid(0) = 1/2: centre in the middle of the cell, size of the anchor; sigmoid(log 3) = 3/4."""
    raw = np.zeros((1, 2, 3, 2, 8), np.float32)
    raw[0, 1, 2, 0] = [np.log(3), -np.log(3), np.log(3), -np.log(3), np.log(3), -np.log(3), 0, np.log(3)]
    boxes, scores = decode_predictions([tf.constant(raw), tf.zeros([1, 1, 2, 2, 8])], ANCHORS)
    assert boxes.shape == (1, 2 * 3 * 2 + 1 * 2 * 2, 4) and scores.shape == (1, 16, 3)
    np.testing.assert_allclose(boxes[0, 0], [4 - 5, 4 - 6.5, 4 + 5, 4 + 6.5], rtol=1e-6)  # cell (0, 0), anchor 0
    np.testing.assert_allclose(boxes[0, 1], [4 - 8, 4 - 15, 4 + 8, 4 + 15], rtol=1e-6)  # anchor 1
    np.testing.assert_allclose(boxes[0, 2], [12 - 5, 4 - 6.5, 12 + 5, 4 + 6.5], rtol=1e-6)  # next column
    np.testing.assert_allclose(boxes[0, 6], [4 - 5, 12 - 6.5, 4 + 5, 12 + 6.5], rtol=1e-6)  # next row
    # row 1, column 2: x = (1.5 - .5 + 2) 8 = 24, y = (.5 - .5 + 1) 8 = 8, w = 1.5^2 10 = 22.5, h = .5^2 13 = 3.25
    np.testing.assert_allclose(boxes[0, 10], [24 - 11.25, 8 - 1.625, 24 + 11.25, 8 + 1.625], rtol=1e-6)
    np.testing.assert_allclose(scores[0, 10], [3 / 4 * 1 / 4, 3 / 4 * 1 / 2, 3 / 4 * 3 / 4], rtol=1e-6)
    np.testing.assert_allclose(boxes[0, 12], [8 - 15, 8 - 30.5, 8 + 15, 8 + 30.5], rtol=1e-6)  # level 1 comes next
    np.testing.assert_allclose(scores[0, 0], [0.25] * 3, rtol=1e-6)


def test_equals_the_formula_in_a_loop(rng):
    predictions = random_predictions(rng)
    boxes, scores = decode_predictions(predictions, ANCHORS)
    expected_boxes, expected_scores = decode_by_loop(predictions, ANCHORS)
    np.testing.assert_allclose(boxes, expected_boxes, atol=1e-4)
    np.testing.assert_allclose(scores, expected_scores, atol=1e-6)


def test_function_and_xla_equal_eager(rng):
    predictions = random_predictions(rng)
    eager = decode_predictions(predictions, ANCHORS)
    dynamic = tf.function(
        lambda *levels: decode_predictions(levels, ANCHORS),
        input_signature=[tf.TensorSpec([None, None, None, 2, 8])] * 2,
    )
    compiled = tf.function(lambda *levels: decode_predictions(levels, ANCHORS), jit_compile=True)
    for traced in (dynamic, compiled):
        for result, expected in zip(traced(*predictions), eager, strict=True):
            np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-5)
    concrete = dynamic.get_concrete_function()
    assert concrete.output_shapes == (tf.TensorShape([None, None, 4]), tf.TensorShape([None, None, 3]))


def test_an_empty_batch_stays_empty(rng):
    boxes, scores = decode_predictions(random_predictions(rng, batch=0), ANCHORS)
    assert boxes.shape == (0, 16, 4) and scores.shape == (0, 16, 3)


@pytest.mark.parametrize("dtype", [tf.float16, tf.bfloat16])
def test_half_logits_are_decoded_in_float32(rng, dtype):
    predictions = [tf.cast(level, dtype) for level in random_predictions(rng)]
    boxes, scores = decode_predictions(predictions, ANCHORS)
    expected_boxes, expected_scores = decode_predictions([tf.cast(level, tf.float32) for level in predictions], ANCHORS)
    assert boxes.dtype == scores.dtype == tf.float32
    np.testing.assert_array_equal(boxes, expected_boxes)
    np.testing.assert_array_equal(scores, expected_scores)


def test_wrong_number_of_levels_is_refused(rng):
    with pytest.raises(ValueError):
        decode_predictions(random_predictions(rng)[:1], ANCHORS)


def test_equals_the_recorded_reference(shared_dir):
    golden = np.load(shared_dir / "golden" / "forward.npz")
    predictions = [tf.constant(golden[f"raw_p{level}"].transpose(0, 2, 3, 1, 4)) for level in (3, 4, 5)]
    boxes, scores = decode_predictions(predictions, COCO_ANCHORS)
    rows = []  # the recording is anchor-major within a level
    start = 0
    for grid in (80, 40, 20):
        level = golden["decoded"][start : start + 3 * grid * grid]
        rows.append(level.reshape(3, grid, grid, 85).transpose(1, 2, 0, 3).reshape(-1, 85))
        start += 3 * grid * grid
    expected = np.concatenate(rows)
    centre, size = expected[:, :2], expected[:, 2:4]
    np.testing.assert_allclose(boxes[0], np.concatenate([centre - size / 2, centre + size / 2], 1), atol=1e-2)
    np.testing.assert_allclose(scores[0], expected[:, 4:5] * expected[:, 5:], atol=2e-5)


@pytest.fixture
def rng():
    return np.random.default_rng(7)
