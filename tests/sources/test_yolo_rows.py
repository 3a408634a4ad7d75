"""Rows of a label file: what the number of columns says, and what it does not."""

import pytest

from yolo_tf.sources.yolo_rows import parse_row

BOX = "0 0.5 0.5 0.4 0.2"
POINTS = "0.45 0.45 0.55 0.45 0.5 0.58"  # three, in the box
SEEN = "0.45 0.45 2 0.55 0.45 1 0.5 0.58 2 0 0 0"  # three with their visibility, and one that is not labelled


def box_of(row, kpt_shape=None):
    class_id, box, could_be_pose = parse_row(row.split(), kpt_shape)
    return class_id, tuple(round(side, 9) for side in box), could_be_pose


def test_with_keypoints_the_box_is_the_first_four_numbers():
    box = (0, (0.3, 0.4, 0.7, 0.6), None)
    assert box_of(f"{BOX} {POINTS}", (3, 2)) == box_of(f"{BOX} {SEEN}", (4, 3)) == box_of(BOX, (4, 3)) == box
    assert box_of(f"{BOX} 400 300 1", (1, 3)) == box  # no part of the box, whatever it is
    with pytest.raises(ValueError, match=r"11 columns\. Expected 5 .*, or 17 as kpt_shape in the data set YAML says"):
        box_of(f"{BOX} {POINTS}", (4, 3))


def test_a_polygon_says_whether_it_could_be_a_pose():
    assert box_of(f"{BOX} {POINTS}") == (0, (0.4, 0.2, 0.55, 0.58), True)
    assert box_of(f"{BOX} {POINTS}", ()) == (0, (0.4, 0.2, 0.55, 0.58), False)
    assert box_of("0 0.3 0.3 0.7 0.3 0.7 0.7 0.3 0.7") == (0, (0.3, 0.3, 0.7, 0.7), False)


@pytest.mark.parametrize("row", [f"{BOX} {SEEN}", f"{BOX} 0.5 0.5 1", f"{BOX}" + " 0.5 0.5 2" * 17])
def test_visibilities_give_keypoints_away(row):
    count = (len(row.split()) - 5) // 3
    with pytest.raises(ValueError, match=rf"look like a box with {count} keypoints of x, y and visibility\. .*\[{count}, 3\]"):
        box_of(row)
    if len(row.split()) % 2 == 0:
        with pytest.raises(ValueError, match=r"columns\. Expected 5"):
            box_of(row, ())


def test_a_sixth_column_is_a_score():
    with pytest.raises(ValueError, match=r"6 columns, of which the last, 0\.91, looks like the score of a prediction"):
        box_of(f"{BOX} 0.91")
    for last in ("7", "x"):
        with pytest.raises(ValueError, match=r"6 columns\. Expected 5"):
            box_of(f"{BOX} {last}")
