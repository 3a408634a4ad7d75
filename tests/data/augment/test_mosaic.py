import numpy as np
import tensorflow as tf

from yolo_tf.data.augment.mosaic import place_boxes, place_tiles

IMAGE_SIZE = (96, 160)
SIZES_HW = tf.constant([(96, 120), (80, 160), (96, 160), (96, 70)])
MEMBERS = tf.constant([[0, 1, 2, 3], [1, 3, 0, 2]])
TILES = place_tiles(SIZES_HW, MEMBERS, tf.constant([True, False]), tf.constant([[100.0, 60.0], [90.0, 70.0]]), IMAGE_SIZE)


def test_mosaic_tiles_touch_the_centre():
    # top left ends at (100, 60): 120 x 96 -> (-20, -36); top right 160 x 80 starts at x = 100, ends at y = 60
    np.testing.assert_array_equal(TILES.origin[0], [(-20, -36), (100, -20), (-60, 60), (100, 60)])
    np.testing.assert_array_equal(TILES.size_wh[0], [(120, 96), (160, 80), (160, 96), (70, 96)])
    np.testing.assert_array_equal(TILES.split[0], (100, 60))
    np.testing.assert_array_equal(TILES.canvas_wh[0], (320, 192))
    assert np.all(TILES.used[0])


def test_without_mosaic_the_first_image_lies_in_its_letterbox():
    np.testing.assert_array_equal(TILES.origin[1, 0], (0, 8))  # 160 x 80 in 160 x 96
    np.testing.assert_array_equal(TILES.canvas_wh[1], (160, 96))
    np.testing.assert_array_equal(TILES.split[1], (160, 96))  # every pixel is left of it and above
    np.testing.assert_array_equal(TILES.used[1], [True, False, False, False])


def test_boxes_move_with_their_tiles_and_are_clipped_to_the_canvas():
    boxes = tf.constant([[[30.0, 20, 80, 60]], [[50, 10, 120, 50]], [[60, 40, 110, 90]], [[10, 30, 50, 85]]])
    placed, class_ids = place_boxes(boxes, tf.constant([[5], [6], [7], [8]]), TILES)
    np.testing.assert_array_equal(
        placed[0],
        [(10, 0, 60, 24), (150, 0, 220, 30), (0, 100, 50, 150), (110, 90, 150, 145)],  # the first two lose their tops
    )
    np.testing.assert_array_equal(class_ids, [[5, 6, 7, 8], [6, -1, -1, -1]])
    np.testing.assert_array_equal(placed[1, 0], (50, 18, 120, 58))
