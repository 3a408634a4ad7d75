"""What a data set can tell from chance."""

import numpy as np
import pytest
from planted import dataset, found, record

from yolo_tf.insight.resolution import Difference, measure_difference, measure_resolution

BOX = [10, 10, 60, 60]


def split_of(num_images):
    return dataset(*(record([BOX]) for _ in range(num_images)))


def detections(hits):
    """Finds the box of the images that are hit, and nothing else."""
    return [found((BOX, 0.9, 0)) if hit else found() for hit in hits]


def test_half_of_the_boxes_moves_as_a_coin_does():
    """AP is the share found, so its standard error is that of 100 tosses: 0.05. The library's own bootstrap gives 0.038."""
    hits = np.arange(100) % 2 == 0
    resolution = measure_resolution(split_of(100), detections(hits))
    assert resolution.AP == pytest.approx(0.5, abs=0.01) and resolution.plus_minus == pytest.approx(1.96 * 0.05, rel=0.15)
    assert resolution.describe().startswith("AP 0.5") and "another 100 images" in resolution.describe()


def test_what_is_always_found_does_not_move():
    assert measure_resolution(split_of(12), detections([True] * 12)).plus_minus == 0.0


def test_four_times_the_images_tell_half_the_difference():
    few, many = (measure_resolution(split_of(n), detections(np.arange(n) % 2 == 0)) for n in (50, 200))
    assert few.plus_minus / many.plus_minus == pytest.approx(2, rel=0.25)


def test_the_same_images_tell_more_than_two_sets_would():
    """The second detector finds what the first does and 10 of 100 more: each alone is ± .1, the difference real."""
    first, second = np.arange(100) < 50, np.arange(100) < 60
    difference = measure_difference((split_of(100), detections(first)), (split_of(100), detections(second)))
    assert difference.AP == pytest.approx(0.1, abs=0.01) and difference.is_real
    assert 0.02 < difference.low < 0.07 and 0.13 < difference.high < 0.18
    assert "the difference is real" in difference.describe()


def test_one_lucky_image_may_be_chance():
    """50 found by each, 49 of them the same."""
    first, second = np.arange(100) < 50, np.arange(100) < 50
    second[[0, 99]] = False, True
    difference = measure_difference((split_of(100), detections(first)), (split_of(100), detections(second)))
    assert difference.low < 0 < difference.high and not difference.is_real
    assert difference.describe().endswith("on 100 images: it may be chance")
    assert difference.to_json()["is_real"] is False


def test_a_detector_is_no_better_than_itself():
    hits = np.arange(20) % 3 == 0
    difference = measure_difference((split_of(20), detections(hits)), (split_of(20), detections(hits)))
    assert (difference.AP, difference.low, difference.high, difference.is_real) == (0.0, 0.0, 0.0, False)


def test_the_second_less_the_first():
    assert measure_difference(
        (split_of(11), detections([True] * 11)), (split_of(11), detections([False] * 11))
    ).AP == pytest.approx(-1.0)
    assert Difference(AP=-0.1, low=-0.2, high=-0.01, images=9).is_real


FEW = [(split_of(9), [True] * 9), (dataset(*[record([])] * 12), [False] * 12), (dataset(), [])]


@pytest.mark.parametrize("split, hits", FEW)
def test_few_images_or_no_box_tell_nothing(split, hits):
    assert measure_resolution(split, detections(hits)) is None
    assert measure_difference((split, detections(hits)), (split, detections(hits))) is None


def test_boxes_in_one_image_alone_tell_nothing():
    """One half never has any."""
    split = dataset(record([BOX]), *[record([])] * 11)
    assert measure_resolution(split, detections([True] + [False] * 11)) is None


def test_the_halves_are_the_same_every_time():
    hits = np.arange(30) % 4 == 0
    first, again = (measure_resolution(split_of(30), detections(hits)) for _ in range(2))
    assert first == again


def test_detectors_may_number_their_classes_in_their_own_ways():
    """The second finds the same boxes, its classes the other way round."""
    boxes, other = [BOX, [100, 10, 160, 60]], [1, 0]
    split, turned = (dataset(*(record(boxes, ids) for _ in range(12))) for ids in ([0, 1], other))
    hits, turned_hits = ([found((BOX, 0.9, class_id))] * 12 for class_id in (0, 1))
    assert measure_difference((split, hits), (turned, turned_hits)).AP == 0.0
