"""Pixels of drawn pictures."""

import numpy as np
import pytest

from yolo_tf.pictures.drawing import draw_boxes, draw_grid, draw_labelled
from yolo_tf.pictures.palette import class_colors

NAMES = ("cat", "dog", "owl")
CAT, DOG, OWL = (tuple(color) for color in class_colors(3).tolist())


def changed(before, after):
    """bool [H, W]: which pixels differ."""
    return (before != after).any(-1)


def extent(mask):
    """(x1, y1, x2, y2) of the true pixels, xyxy."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return columns[0], rows[0], columns[-1] + 1, rows[-1] + 1


@pytest.fixture
def grey():
    return np.full((280, 420, 3), 90, np.uint8)  # lines are 2 px wide at this size


def test_edge_pixels_have_the_color_of_the_class(grey):
    picture = draw_boxes(grey, [[100, 60, 300, 220]], [1], NAMES)
    assert picture.dtype == np.uint8 and picture.shape == grey.shape
    for x, y in [(100, 140), (101, 140), (299, 140), (298, 140), (200, 219), (200, 218), (250, 60)]:
        assert tuple(picture[y, x]) == DOG, (x, y)
    for x, y in [(99, 140), (300, 140), (200, 220)]:
        assert tuple(picture[y, x]) == (90, 90, 90), (x, y)
    assert not changed(grey, picture)[62:218, 102:298].any()  # the inside


def test_the_given_image_is_not_changed(grey):
    before = grey.copy()
    draw_boxes(grey, [[100, 60, 300, 220]], [1], NAMES)
    assert (grey == before).all()


def test_label_stands_above_the_box_in_its_color(grey):
    picture = draw_boxes(grey, [[100, 60, 300, 220]], [2], NAMES, [0.87])
    label = changed(grey, picture)
    label[60:] = False
    x1, y1, x2, y2 = extent(label)
    assert (x1, y2) == (100, 60)
    assert 11 <= y2 - y1 <= 20 and 40 < x2 - x1 < 120
    assert label[y1:y2, x1:x2].all()
    assert tuple(picture[y1, x1]) == OWL
    assert (picture[y1:y2, x1:x2].sum(-1) < 100).any()  # black letters on green


@pytest.mark.parametrize(
    "box", [[0, 0, 60, 50], [370, 0, 420, 60], [0, 250, 30, 280], [400, 262, 420, 280], [380, 3, 500, 300], [-50, -50, 9, 9]]
)
def test_label_of_a_box_at_the_border_is_whole(grey, box):
    inner = draw_boxes(grey, [[100, 100, 200, 200]], [0], NAMES, [0.5])
    x1, y1, x2, y2 = extent(changed(grey, inner)[:100])
    label = inner[y1:y2, x1:x2]
    picture = draw_boxes(grey, [box], [0], NAMES, [0.5])
    windows = np.lib.stride_tricks.sliding_window_view(picture, label.shape)[:, :, 0]
    assert (windows == label).all((2, 3, 4)).any()  # the same label, somewhere in the image


def test_the_best_box_lies_on_top(grey):
    boxes = [[100, 60, 300, 220], [100, 60, 300, 220]]
    assert tuple(draw_boxes(grey, boxes, [0, 1], NAMES, [0.9, 0.4])[140, 100]) == CAT
    assert tuple(draw_boxes(grey, boxes, [0, 1], NAMES)[140, 100]) == DOG


def test_lines_and_letters_grow_with_the_image():
    heights = []
    for factor in (1, 4):
        image = np.full((280 * factor, 420 * factor, 3), 90, np.uint8)
        box = np.array([[100, 60, 300, 220]]) * factor
        mask = changed(image, draw_boxes(image, box, [0], NAMES))
        assert mask[140 * factor, : 200 * factor].sum() == 2 * factor
        heights.append(box[0, 1] - extent(mask)[1])
    assert heights[1] > 2 * heights[0]


def test_a_long_name_is_shortened_to_the_image():
    image = np.full((64, 96, 3), 90, np.uint8)
    name = "a very long class name that does not fit"
    picture = draw_boxes(image, [[30, 30, 60, 60]], [0], (name,), [0.5])
    x1, _, x2, _ = extent(changed(image, picture))
    assert 80 < x2 - x1 <= 96


def test_nothing_to_draw_and_padding_leave_the_image_alone(grey):
    assert (draw_boxes(grey, np.zeros((0, 4)), [], NAMES, []) == grey).all()
    assert (draw_boxes(grey, np.zeros((2, 4)), [-1, -1], NAMES) == grey).all()


def test_grid_places_pictures_row_by_row():
    pictures = [np.full((20, 30, 3), value, np.uint8) for value in (10, 20, 30)]
    grid = draw_grid(pictures, columns=2, gap=4)
    assert grid.shape == (2 * 24 + 4, 2 * 34 + 4, 3)
    assert (grid[4:24, 4:34] == 10).all() and (grid[4:24, 38:68] == 20).all() and (grid[28:48, 4:34] == 30).all()
    assert (grid[28:48, 38:68] == 255).all() and (grid[:4] == 255).all() and (grid[:, 34:38] == 255).all()


def test_grid_shrinks_to_the_cell_and_centres():
    wide, small = np.full((40, 80, 3), 10, np.uint8), np.full((10, 20, 3), 20, np.uint8)
    grid = draw_grid([wide, small], cell_size=(30, 40), gap=0)
    assert grid.shape == (30, 80, 3)
    assert extent((grid == 10).all(-1)) == (0, 5, 40, 25)
    assert extent((grid == 20).all(-1)) == (50, 10, 70, 20)


def test_grid_of_unequal_pictures_takes_the_largest_sides():
    grid = draw_grid([np.zeros((40, 10, 3), np.uint8), np.zeros((20, 50, 3), np.uint8)], gap=2)
    assert grid.shape == (44, 106, 3)


def test_labels_apart_leave_out_what_would_lie_on_a_later_one():
    """Two boxes with the same corner have one label, that of the later; one elsewhere keeps its own."""
    image = np.full((200, 300, 3), 255, np.uint8)
    boxes = [[20, 40, 90, 90], [20, 40, 80, 80], [180, 120, 280, 180]]
    colors = [(255, 0, 0), (0, 255, 0), (0, 0, 255)]
    together, apart = (draw_labelled(image, boxes, ["a long one", "cat", "dog"], colors, apart=flag) for flag in (False, True))
    above = (slice(20, 39), slice(20, 200))  # where the labels of the first two stand
    red = [(picture[above] == (255, 0, 0)).all(-1).sum() for picture in (together, apart)]
    assert red[0] > 0 and red[1] == 0
    assert (apart[above] == (0, 255, 0)).all(-1).any() and (apart[100:119] == (0, 0, 255)).all(-1).any()
    unlabelled = draw_labelled(image, boxes, ["", "", ""], colors)
    assert (unlabelled[above] == 255).all()
