"""The gallery: colours say what is right, wrong and missed."""

import numpy as np
import pytest
from PIL import Image
from planted import dataset, found, measured, record

from yolo_tf.insight.gallery import MISSED, RIGHT, WRONG, draw_faults, write_gallery
from yolo_tf.insight.measure import measure_insight

A, B, ELSEWHERE = [40, 40, 140, 140], [240, 40, 340, 140], [240, 180, 340, 280]


@pytest.fixture
def insight(tmp_path):
    """Three images: one right, one missed and one wrong in the first; all right in the second; nothing in the third."""
    for name in "abc":
        Image.new("RGB", (400, 300), (250, 250, 250)).save(tmp_path / f"{name}.png")
    rows = [[A, B], [A], []]
    split = dataset(*(record(boxes, path=str(tmp_path / f"{name}.png")) for name, boxes in zip("abc", rows, strict=True)))
    return measure_insight(split, measured(split, [found((A, 0.9, 0), (ELSEWHERE, 0.8, 1)), found((A, 0.7, 0)), found()]))


def at_edge(picture, box, color):
    """Whether the left edge of `box` in a picture of 480 px, 1.2 times the image, has this colour."""
    x, y = round(1.2 * box[0]) + 1, round(1.2 * (box[1] + box[3]) / 2)
    return np.abs(picture[y, x].astype(int) - color).max() < 20


def test_three_colours(insight):
    image, faults = np.full((300, 400, 3), 250, np.uint8), insight.images[0]
    picture = draw_faults(image, insight.dataset.records[0], insight.result.detections[0], faults, ("cat", "dog"))
    assert picture.shape == (360, 480, 3), "enlarged, so that letters are in proportion"
    assert at_edge(picture, A, RIGHT) and at_edge(picture, B, MISSED) and at_edge(picture, ELSEWHERE, WRONG)
    assert (picture[:45, 60:160] == 250).all(), "what is right has no label"


def test_only_images_with_faults_are_drawn_the_worst_first(insight, tmp_path):
    (tmp_path / "worst").mkdir()
    for name in ("02.jpg", "mine.jpg"):
        (tmp_path / "worst" / name).touch()
    [first] = write_gallery(insight, tmp_path / "worst")
    assert {path.name for path in (tmp_path / "worst").iterdir()} == {"01.jpg", "mine.jpg"}, "02 was of an evaluation before"
    assert (first.path.name, first.image, first.faults.num_faults) == ("01.jpg", str(tmp_path / "a.png"), 2)
    with Image.open(first.path) as picture:
        assert at_edge(np.array(picture), ELSEWHERE, WRONG)


def test_large_images_are_made_smaller():
    image = np.full((1500, 2000, 3), 250, np.uint8)
    split = dataset(record([[100, 100, 900, 900]], height=1500, width=2000))
    insight = measure_insight(split, measured(split, [found()]))
    picture = draw_faults(image, split.records[0], found(), insight.images[0], ("cat", "dog"))
    assert picture.shape == (675, 900, 3) and np.abs(picture[200, 46].astype(int) - MISSED).max() < 20
