"""Which anchors answer for which boxes: by hand, and against a slow loop over boxes."""

import numpy as np
import tensorflow as tf

from yolo_tf.heads.anchor.matching import match_level
from yolo_tf.structures import Targets


def answers(match, columns, num_anchors):
    """The set of (image, row, column, anchor, class) that count."""
    image, answer = np.nonzero(match.mask.numpy())
    cell = match.cell.numpy()[image, answer]
    place = zip(image, cell // num_anchors // columns, cell // num_anchors % columns, cell % num_anchors, strict=True)
    return sorted((*map(int, key), int(c)) for key, c in zip(place, match.class_ids.numpy()[image, answer], strict=True))


def slow_answers(boxes, class_ids, sizes, *, stride, grid_size, ratio_limit):
    """The documented rule, one box and one anchor at a time."""
    rows, columns = grid_size
    found = []
    for image in range(len(boxes)):
        for box, class_id in zip(boxes[image], class_ids[image], strict=True):
            if class_id < 0:
                continue
            x, y = (box[0] + box[2]) / 2 / stride, (box[1] + box[3]) / 2 / stride
            width, height = box[2] - box[0], box[3] - box[1]
            for anchor, (anchor_width, anchor_height) in enumerate(sizes):
                ratios = [width / anchor_width, anchor_width / width, height / anchor_height, anchor_height / height]
                if max(ratios) >= ratio_limit:
                    continue
                cells = [(int(x), int(y))]
                if x % 1 < 0.5 and x > 1:
                    cells.append((int(x) - 1, int(y)))
                if y % 1 < 0.5 and y > 1:
                    cells.append((int(x), int(y) - 1))
                if (columns - x) % 1 < 0.5 and columns - x > 1:
                    cells.append((int(x) + 1, int(y)))
                if (rows - y) % 1 < 0.5 and rows - y > 1:
                    cells.append((int(x), int(y) + 1))
                for column, row in cells:
                    place = (min(max(row, 0), rows - 1), min(max(column, 0), columns - 1))
                    found.append((image, *place, anchor, int(class_id)))
    return sorted(found)


def match_one(box, sizes, **options):
    targets = Targets(tf.constant([[box]], tf.float32), tf.constant([[4]]))
    return match_level(targets, np.array(sizes, np.float32), **options)


def test_a_box_goes_to_its_cell_and_the_two_nearer_neighbours():
    # Centre (42, 20) px = (5.25, 2.5) cells of 8 px: own cell (2, 5), left neighbour (.25 < .5); .5 is not below .5,
    # and from the far side (12 - 2.5) % 1 = .5 is not either: no vertical neighbour.
    match = match_one((37, 10, 47, 30), [(10, 20), (50, 50)], stride=8, grid_size=(12, 20), ratio_limit=4.0)
    assert answers(match, 20, 2) == [(0, 2, 4, 0, 4), (0, 2, 5, 0, 4)]  # 50 / 10 > 4: anchor 1 does not answer
    boxes = match.boxes_grid.numpy()[match.mask.numpy()]
    np.testing.assert_allclose(boxes, [[0.25, 0.5, 1.25, 2.5], [1.25, 0.5, 1.25, 2.5]])


def test_the_order_is_that_in_which_the_reference_writes():
    """Box 0: centre (5.75, 2.75) cells, so right and lower neighbour; box 1: (6.25, 2.25), left and upper."""
    targets = Targets(tf.constant([[[41, 17, 51, 27], [45, 13, 55, 23]]], tf.float32), tf.constant([[3, 1]]))
    match = match_level(targets, np.array([(10, 10)], np.float32), stride=8, grid_size=(12, 20), ratio_limit=4.0)
    order = {}
    for cell, box, turn in zip(match.cell.numpy()[0], match.class_ids.numpy()[0], match.order.numpy()[0], strict=True):
        order[int(cell) // 20, int(cell) % 20, int(box)] = int(turn)
    # Of each kind of neighbour (own, left, upper, right, lower) first box 0, then box 1: kind * 2 + box.
    assert order == {(2, 5, 3): 0, (2, 6, 3): 6, (3, 5, 3): 8, (2, 6, 1): 1, (2, 5, 1): 3, (1, 6, 1): 5}


def test_no_neighbour_outside_the_grid():
    match = match_one((0, 0, 6, 6), [(6, 6)], stride=8, grid_size=(3, 5), ratio_limit=4.0)
    assert answers(match, 5, 1) == [(0, 0, 0, 0, 4)]  # centre (.375, .375): left and up would leave the grid
    match = match_one((34, 18, 40, 24), [(6, 6)], stride=8, grid_size=(3, 5), ratio_limit=4.0)
    assert answers(match, 5, 1) == [(0, 2, 4, 0, 4)]


def test_the_ratio_limit_is_exclusive():
    sizes = [(10, 10)]
    assert not match_one((0, 0, 40, 10), sizes, stride=8, grid_size=(12, 20), ratio_limit=4.0).mask.numpy().any()
    assert match_one((0, 0, 39, 10), sizes, stride=8, grid_size=(12, 20), ratio_limit=4.0).mask.numpy().any()


def test_equals_a_slow_loop_over_boxes(random_targets, tiny_anchors):
    targets = random_targets([9, 0, 5, 2], image_size=(96, 160), num_classes=6)
    for level, (stride, grid_size) in enumerate(zip((8, 16, 32), [(12, 20), (6, 10), (3, 5)], strict=True)):
        options = dict(stride=stride, grid_size=grid_size, ratio_limit=4.0)
        match = match_level(targets, tiny_anchors.sizes[level], **options)
        expected = slow_answers(targets.boxes.numpy(), targets.class_ids.numpy(), tiny_anchors.sizes[level], **options)
        assert answers(match, grid_size[1], 2) == expected
        assert expected, "a level without matches tests nothing"


def test_padding_never_matches_and_its_fields_stay_inside_the_grid():
    targets = Targets(tf.zeros([2, 3, 4]), tf.fill([2, 3], -1))
    match = match_level(targets, np.array([(8, 8)], np.float32), stride=8, grid_size=(3, 5), ratio_limit=4.0)
    assert not match.mask.numpy().any()
    assert match.cell.numpy().min() >= 0 and match.cell.numpy().max() < 15
