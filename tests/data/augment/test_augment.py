import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from yolo_tf.config.reader import read_config
from yolo_tf.data.augment import augment_batch, draw_parameters

COLOURS = np.array([(250, 20, 20), (20, 250, 20), (20, 20, 250), (250, 250, 20)], np.float32)  # as painted by conftest
BACKGROUND = 10.0
NOTHING = read_config(None, ["augment.level=none"]).augment
IMAGE_SIZE = (96, 160)


def parameters_for(seed, batch_size=4, **changes):
    augment = dataclasses.replace(NOTHING, **changes)
    return draw_parameters(batch_size, tf.constant([seed, 1], tf.int64), image_size=IMAGE_SIZE, augment=augment)


def painted_extent(image, colour):
    """Returns (x1, y1, x2, y2) around the pixels that show over half of `colour`, and their number."""
    direction = colour - BACKGROUND
    share = (image - BACKGROUND) @ direction / (direction @ direction)
    off_line = np.abs(image - BACKGROUND - share[..., None] * direction).max(axis=-1)
    rows, columns = np.nonzero((share > 0.5) & (off_line < 5))
    if not len(rows):
        return None, 0
    return np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]), len(rows)


def test_nothing_is_the_letterboxed_image_bit_for_bit(painted_batch):
    images, sizes, boxes, class_ids = painted_batch
    augmented, targets = augment_batch(*painted_batch, parameters_for(3), max_boxes=5)
    for place, (height, width) in enumerate(sizes):
        top, left = (96 - height) // 2, (160 - width) // 2
        expected = np.full((96, 160, 3), 114, np.float32)
        expected[top : top + height, left : left + width] = images[place, :height, :width]
        np.testing.assert_array_equal(augmented[place], expected)
        np.testing.assert_array_equal(targets.boxes[place, 0], boxes[place, 0] + [left, top, left, top])
    np.testing.assert_array_equal(targets.class_ids, np.c_[class_ids[:, :1], np.full((4, 4), -1)])
    np.testing.assert_array_equal(targets.boxes[:, 1:], 0)
    assert augmented.dtype == targets.boxes.dtype == tf.float32 and targets.class_ids.dtype == tf.int32


OPERATIONS = {
    "rotation": dict(degrees=40.0),
    "shear": dict(shear=20.0),
    "zoom": dict(scale=0.5),
    "translation": dict(translate=0.3),
    "perspective": dict(perspective=0.001),
    "left_right": dict(fliplr=1.0),
    "upside_down": dict(flipud=1.0),
    "mosaic": dict(mosaic=1.0),
    "all": dict(degrees=20.0, shear=10.0, scale=0.4, translate=0.1, perspective=0.001, fliplr=0.5, flipud=0.5, mosaic=0.7),
}


@pytest.mark.parametrize("changes", OPERATIONS.values(), ids=OPERATIONS.keys())
def test_the_box_still_frames_the_painted_rectangle(painted_batch, changes):
    _, _, boxes, _ = painted_batch
    framed = 0
    for seed in range(6):
        parameters = parameters_for(seed, **changes)
        images, targets = augment_batch(*painted_batch, parameters, max_boxes=9)
        for row in range(4):
            zoom = float(parameters.zoom[row])
            pairs = zip(targets.class_ids[row].numpy(), targets.boxes[row].numpy(), strict=True)
            kept = {class_id: box for class_id, box in pairs if class_id >= 0}
            for class_id, colour in enumerate(COLOURS):
                extent, visible = painted_extent(images[row].numpy(), colour)
                x1, y1, x2, y2 = boxes[class_id, 0]
                if class_id not in kept:
                    assert visible <= 0.1 * (x2 - x1) * (y2 - y1) * zoom**2 + 2 * 60, "a visible object has no box"
                    continue
                box = kept[class_id]
                np.testing.assert_array_less(box[:2] - 1, extent[:2])
                np.testing.assert_array_less(extent[2:], box[2:] + 1)
                inside = np.all(box[:2] > 0) and box[2] < 160 and box[3] < 96
                if inside:  # a turned rectangle that leaves the image has its clipped, not its tightest, box
                    np.testing.assert_allclose(box, extent, atol=1)
                    framed += 1
    assert framed >= 10


def test_mosaic_shows_each_image_in_four_places():
    for batch_size in (4, 5, 16):
        for seed in range(10):
            parameters = parameters_for(seed, batch_size, mosaic=1.0)
            members = parameters.members.numpy()
            np.testing.assert_array_equal(members[:, 0], np.arange(batch_size))
            np.testing.assert_array_equal(np.bincount(members.ravel()), 4)
            assert all(len(set(row)) == 4 for row in members.tolist())
            assert np.all(parameters.is_mosaic)


@pytest.mark.parametrize("batch_size", [1, 2, 3])
def test_small_batches_still_make_mosaics(batch_size):
    members = parameters_for(0, batch_size, mosaic=1.0, mixup=1.0).members.numpy()
    assert members.shape == (batch_size, 4) and members.min() >= 0 and members.max() == batch_size - 1


def test_mosaic_centre_is_uniform_in_the_middle_half_of_the_canvas():
    centre = np.concatenate([parameters_for(seed, 64, mosaic=1.0).centre for seed in range(10)])
    np.testing.assert_array_equal(centre, np.floor(centre))
    assert np.all((centre >= (80, 48)) & (centre <= (240, 144)))  # 0.5 .. 1.5 times (160, 96)
    np.testing.assert_allclose(centre.mean(axis=0), (160, 96), rtol=0.03)
    np.testing.assert_allclose(centre.std(axis=0), np.array([160, 96]) / np.sqrt(12), rtol=0.06)


def test_probabilities_and_ranges():
    drawn = parameters_for(5, 4000, mosaic=0.3, scale=0.5, hsv_h=0.015, hsv_s=0.7, hsv_v=0.4, mixup=0.5)
    assert np.mean(drawn.is_mosaic) == pytest.approx(0.3, abs=0.03)
    assert np.min(drawn.zoom) == pytest.approx(0.5, abs=0.01) and np.max(drawn.zoom) == pytest.approx(1.5, abs=0.01)
    np.testing.assert_allclose(np.min(drawn.hsv_gains, axis=0), (0.985, 0.3, 0.6), atol=0.01)
    np.testing.assert_allclose(np.max(drawn.hsv_gains, axis=0), (1.015, 1.7, 1.4), atol=0.01)
    blended = drawn.mixup_weight.numpy() < 1
    assert blended.mean() == pytest.approx(0.15, abs=0.03)  # of the mosaics only
    assert not np.any(blended & ~drawn.is_mosaic.numpy())
    # Beta(32, 32): mean 1/2, variance 1 / (4 * 65)
    weights = drawn.mixup_weight.numpy()[blended]
    assert weights.mean() == pytest.approx(0.5, abs=0.01) and weights.std() == pytest.approx(0.062, abs=0.005)


def test_closed_means_neither_mosaic_nor_mixup():
    augment = dataclasses.replace(NOTHING, mosaic=1.0, mixup=1.0, degrees=10.0)
    seed = tf.constant([0, 1], tf.int64)
    opened, closed = (draw_parameters(4, seed, image_size=IMAGE_SIZE, augment=augment, closed=value) for value in (False, True))
    assert np.all(opened.is_mosaic) and not np.any(closed.is_mosaic)
    assert np.all(opened.mixup_weight < 1) and np.all(closed.mixup_weight == 1)
    np.testing.assert_array_equal(opened.zoom, closed.zoom)


def test_closed_geometry_leaves_flips_and_colours_alone():
    swings = dict(degrees=10.0, shear=2.0, scale=0.9, translate=0.1, perspective=0.0005)
    augment = dataclasses.replace(NOTHING, **swings, mosaic=1.0, fliplr=0.5, hsv_s=0.7, close_geometry=True)
    drawn = dict(seed=tf.constant([0, 1], tf.int64), image_size=IMAGE_SIZE)
    opened, closed = (draw_parameters(16, **drawn, augment=augment, closed=tf.constant(value)) for value in (False, True))
    still = draw_parameters(16, **drawn, augment=dataclasses.replace(NOTHING, fliplr=0.5, hsv_s=0.7))
    np.testing.assert_allclose(closed.transform, still.transform, atol=1e-6)
    assert len(np.unique(np.asarray(closed.transform), axis=0)) == 2, "as it is, or flipped"
    assert np.ptp(opened.zoom) > 1 and np.all(closed.zoom == 1)
    np.testing.assert_array_equal(opened.hsv_gains, closed.hsv_gains)


def test_mixup_blends_two_mosaics_and_keeps_both_box_sets(painted_batch):
    mixed_by = parameters_for(7, mosaic=1.0, mixup=1.0)
    plain_by = mixed_by._replace(mixup_partner=None, mixup_weight=None)
    mixed, mixed_targets = augment_batch(*painted_batch, mixed_by, max_boxes=9)
    plain, plain_targets = augment_batch(*painted_batch, plain_by, max_boxes=9)
    for row in range(4):
        partner, weight = int(mixed_by.mixup_partner[row]), float(mixed_by.mixup_weight[row])
        assert partner != row and 0.2 < weight < 0.8
        np.testing.assert_allclose(mixed[row], plain[row] * weight + plain[partner] * (1 - weight), atol=1e-3)
        both = [*plain_targets.class_ids[row].numpy(), *plain_targets.class_ids[partner].numpy()]
        assert sorted(k for k in mixed_targets.class_ids[row].numpy() if k >= 0) == sorted(k for k in both if k >= 0)
        boxes = {tuple(box) for box in mixed_targets.boxes[row].numpy()}
        assert {tuple(box) for box in plain_targets.boxes[partner].numpy()} <= boxes | {(0, 0, 0, 0)}


def test_weight_one_and_gain_one_leave_images_alone(painted_batch):
    parameters = parameters_for(7, mosaic=1.0)
    plain, plain_targets = augment_batch(*painted_batch, parameters, max_boxes=9)
    neutral = parameters._replace(mixup_partner=tf.constant([1, 2, 3, 0]), mixup_weight=tf.ones([4]), hsv_gains=tf.ones([4, 3]))
    same, same_targets = augment_batch(*painted_batch, neutral, max_boxes=9)
    np.testing.assert_allclose(same, plain, atol=1e-3)
    np.testing.assert_array_equal(same_targets.boxes, plain_targets.boxes)
    np.testing.assert_array_equal(same_targets.class_ids, plain_targets.class_ids)


EVERYTHING = dict(
    degrees=15.0, shear=5.0, scale=0.5, translate=0.1, perspective=0.0005, fliplr=0.5, mosaic=0.8, mixup=0.5,
    hsv_h=0.015, hsv_s=0.7, hsv_v=0.4,
)  # fmt: skip


def assert_same_batch(first, second):
    difference = np.abs(first[0].numpy() - second[0].numpy())
    assert difference.mean() < 0.05  # a pixel on a tile's edge may fall to the other side
    assert np.mean(difference > 1) < 1e-3
    np.testing.assert_allclose(first[1].boxes, second[1].boxes, atol=1e-2)
    np.testing.assert_array_equal(first[1].class_ids, second[1].class_ids)


def test_compiled_equals_eager(painted_batch):
    parameters = parameters_for(2, **EVERYTHING)
    compiled = augment_batch(*painted_batch, parameters, max_boxes=9)
    tf.config.run_functions_eagerly(True)
    try:
        eager = augment_batch(*painted_batch, parameters, max_boxes=9)
    finally:
        tf.config.run_functions_eagerly(False)
    assert_same_batch(compiled, eager)


def test_compiles_as_one_function_with_static_shapes(painted_batch):
    parameters = parameters_for(2, **EVERYTHING)
    whole = tf.function(augment_batch, jit_compile=True, autograph=False)
    images, targets = whole(*(tf.constant(part) for part in painted_batch), parameters, max_boxes=9)
    assert images.shape == (4, 96, 160, 3) and targets.boxes.shape == (4, 9, 4) and targets.class_ids.shape == (4, 9)
    assert_same_batch((images, targets), augment_batch(*painted_batch, parameters, max_boxes=9))


def test_the_same_seed_gives_the_same_parameters_and_another_gives_others():
    first, again, other = (tf.nest.flatten(parameters_for(seed, **EVERYTHING)) for seed in (2, 2, 3))
    for one, two in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, two)
    assert sum(np.any(one.numpy() != two.numpy()) for one, two in zip(first, other, strict=True)) >= 6


def test_images_without_boxes_give_empty_targets(painted_batch):
    images, sizes, boxes, _ = painted_batch
    parameters = parameters_for(2, **EVERYTHING)
    _, targets = augment_batch(images, sizes, np.zeros_like(boxes), np.full((4, 2), -1, np.int32), parameters, max_boxes=3)
    np.testing.assert_array_equal(targets.class_ids, np.full((4, 3), -1))
    np.testing.assert_array_equal(targets.boxes, np.zeros((4, 3, 4)))
