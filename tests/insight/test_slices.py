"""AP of slices, on boxes planted into known ones."""

import numpy as np
import pytest
from planted import dataset, found, record

from yolo_tf.evaluation.coco import coco_evaluator, coco_numbers
from yolo_tf.insight.slices import PROPERTIES, partition_boxes, partition_images


def rows(partition):
    """Returns {slice: (boxes, images, AP)} of the slices that have boxes."""
    return {one.name: (one.boxes, one.images, one.AP and round(one.AP, 3)) for one in partition.slices if one.boxes}


def test_sizes():
    """10 px is found, 20 px is not, and of two of 100 px one; a wrong detection of 10 px counts there alone."""
    ten, twenty = [5, 5, 15, 15], [50, 50, 70, 70]
    first, second = [100, 100, 200, 200], [210, 100, 310, 200]
    split = dataset(record([ten, twenty, first]), record([second]))
    detections = [found((first, 0.9, 0), (ten, 0.5, 0)), found(([300, 10, 310, 20], 0.7, 0))]
    found_slices = rows(partition_boxes(split, detections, PROPERTIES["size"]))
    assert found_slices == {
        "below 16": (1, 1, 0.5),
        "16 to 32": (1, 1, 0.0),
        "96 to 288": (2, 2, pytest.approx(51 / 101, abs=1e-3)),
    }


def test_aspects():
    tall, square, wide = [10, 10, 30, 110], [50, 50, 90, 90], [150, 50, 350, 90]
    split = dataset(record([tall, square, wide]))
    found_slices = rows(partition_boxes(split, [found((tall, 0.9, 0), (wide, 0.8, 0))], PROPERTIES["aspect"]))
    assert found_slices == {"below 1:3": (1, 1, 1.0), "2:3 to 3:2": (1, 1, 0.0), "from 3:1": (1, 1, 1.0)}


def test_crowding_counts_neighbours_of_any_class():
    """Two boxes of IoU 1/3, one of them found; a third alone, found; a crowd is no neighbour to find."""
    left, right, alone = [10, 10, 50, 50], [30, 10, 70, 50], [200, 200, 240, 240]
    split = dataset(record([left, right, alone], [0, 1, 0]))
    found_slices = rows(partition_boxes(split, [found((left, 0.9, 0), (alone, 0.8, 0))], PROPERTIES["crowding"]))
    assert found_slices == {"0": (1, 1, 1.0), "0.3 to 0.5": (2, 1, 0.5)}


def test_a_wrong_detection_among_the_crowded_costs_them_alone():
    """Left is found twice, and of IoU 0.6 with right: up to there the second one counts for right, above it is wrong."""
    left, right, alone = [10, 10, 50, 50], [20, 10, 60, 50], [200, 200, 240, 240]
    split = dataset(record([left, right, alone]))
    detections = [found((left, 0.95, 0), (left, 0.9, 0), (right, 0.85, 0), (alone, 0.8, 0))]
    by_name = {one.name: one.AP for one in partition_boxes(split, detections, PROPERTIES["crowding"]).slices}
    assert by_name["0"] == pytest.approx(1.0)
    assert by_name["from 0.5"] == pytest.approx((3 * 1 + 7 * (51 + 50 * 2 / 3) / 101) / 10)


def test_the_border():
    """One px from the edge touches it, two do not."""
    inside, left, bottom = [2, 50, 40, 90], [1, 100, 40, 140], [100, 200, 140, 299.5]
    split = dataset(record([inside, left, bottom]))
    found_slices = rows(partition_boxes(split, [found((left, 0.9, 0))], PROPERTIES["border"]))
    assert found_slices == {"inside": (1, 1, 0.0), "touches it": (2, 1, pytest.approx(51 / 101, abs=1e-3))}


def test_boxes_per_image():
    """One box found; three of which none is found; crowds do not count; an image without boxes is a slice without AP."""
    box = [10, 10, 50, 50]
    three = [[100, 100, 150, 150], [200, 100, 250, 150], [300, 100, 350, 150]]
    split = dataset(record([box, [5, 5, 300, 200]], crowds=[1]), record(three), record([]))
    detections = [found((box, 0.9, 0)), found(), found((box, 0.8, 0))]
    partition = partition_images(split, coco_evaluator(split, detections))
    by_name = {one.name: (one.boxes, one.images, one.AP) for one in partition.slices}
    assert by_name["0"] == (0, 1, None) and by_name["from 51"] == (0, 0, None)
    assert by_name["1"] == (1, 1, pytest.approx(1.0)) and by_name["2 to 5"] == (3, 1, 0.0)


def random_split(seed):
    rng = np.random.default_rng(seed)
    records, detections = [], []
    for _ in range(12):
        low = rng.uniform(0, 200, (7, 2))
        boxes = np.concatenate([low, low + np.exp(rng.uniform(2, 5, (7, 2)))], 1).clip(0, (400, 300) * 2)
        records.append(record(boxes, rng.integers(0, 2, 7), crowds=[6]))
        near, scores = boxes + rng.normal(0, 2, boxes.shape), np.sort(rng.random(7).round(2))[::-1]
        detections.append(found(*zip(near, scores, rng.integers(0, 2, 7), strict=True)))
    return dataset(*records), detections


def test_slices_cut_as_coco_cuts_sizes_give_cocos_numbers():
    """The sizes from 32 px on, and COCO's own numbers of boxes, which divide there too."""
    from yolo_tf.insight import slices

    def area(boxes, records):
        boxes = np.concatenate(boxes)
        return np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)

    split, detections = random_split(3)
    coco_sizes = slices.Property("", (32**2, 96**2), ("s", "m", "l"), area)
    numbers = coco_numbers(split, detections)
    found_slices = partition_boxes(split, detections, coco_sizes).slices
    assert [one.AP for one in found_slices] == [numbers[name] for name in ("APs", "APm", "APl")]
    assert sum(one.boxes for one in found_slices) == split.num_truths


@pytest.mark.parametrize("name", PROPERTIES)
def test_nothing_to_find_or_nothing_found(name):
    box = [10, 10, 50, 50]
    for split, detections in [
        (dataset(record([])), [found((box, 0.9, 0))]),
        (dataset(record([box]), record([])), [found(), found()]),
        (dataset(), []),
    ]:
        partition = partition_boxes(split, detections, PROPERTIES[name])
        assert all(one.AP == (0.0 if one.boxes else None) for one in partition.slices)
        images = partition_images(split, coco_evaluator(split, detections))
        assert sum(one.images for one in images.slices) == len(split.records)
