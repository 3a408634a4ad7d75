"""A detector that knows the answer, through letterbox, suppression and back to original pixels."""

import dataclasses
import math
import time
import types

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from yolo_tf.errors import InputError
from yolo_tf.evaluation.evaluate import evaluate, evaluate_shared, format_table, measure
from yolo_tf.structures import DetectionDataset, ImageDetections, ImageRecord
from yolo_tf.system.atomic import write_json

IMAGE_SIZE = (96, 160)
NAMES = ("cat", "dog", "owl")
SIZES = ((60, 200), (300, 120), (97, 61), (48, 80), (333, 500))  # (height, width): wide, tall, odd, enlarged, shrunk


@pytest.fixture
def dataset(tmp_path):
    """Five images of five shapes; the fourth has no boxes."""
    rng, records = np.random.default_rng(0), []
    for index, (height, width) in enumerate(SIZES):
        path = tmp_path / f"{index}.png"
        Image.fromarray(rng.integers(0, 256, (height, width, 3), np.uint8)).save(path)
        fractions = np.array([[0.1, 0.2, 0.4, 0.5], [0.5, 0.1, 0.95, 0.9], [0.0, 0.6, 0.3, 1.0]])[: 0 if index == 3 else 3]
        records.append(
            ImageRecord(
                image_id=str(index),
                path=str(path),
                height=height,
                width=width,
                boxes=(fractions * [width, height, width, height]).astype(np.float32),
                class_ids=np.array([0, 1, 0])[: len(fractions)].astype(np.int32),
                is_crowd=np.zeros(len(fractions), bool),
            )
        )
    return DetectionDataset(class_names=NAMES, records=tuple(records))


def to_input(boxes, height, width):
    """The letterbox by hand: scaled to fit, centred, the free pixel on the right and below."""
    scale = min(IMAGE_SIZE[0] / height, IMAGE_SIZE[1] / width)
    offset_x = (IMAGE_SIZE[1] - math.ceil(width * scale - 1e-9)) // 2
    offset_y = (IMAGE_SIZE[0] - math.ceil(height * scale - 1e-9)) // 2
    return boxes * scale + [offset_x, offset_y, offset_x, offset_y]


def perfect_candidates(dataset, *, score=0.9, first_call_seconds=0.0):
    """Candidates that are the boxes of the next records, of which it is told nothing but how many images come."""
    records = iter(dataset.records)
    calls = []

    def candidates(images):
        assert images.shape[1:] == (*IMAGE_SIZE, 3)
        if not calls:
            time.sleep(first_call_seconds)
        calls.append(len(images))
        boxes = np.zeros((len(images), 7, 4), np.float32)
        scores = np.zeros((len(images), 7, len(dataset.class_names)), np.float32)
        for row, record in zip(range(len(images)), records):
            count = len(record.boxes)
            boxes[row, :count] = to_input(record.boxes, record.height, record.width)
            scores[row, np.arange(count), record.class_ids] = score
        return boxes, scores

    return candidates


def test_perfect_candidates_give_1_on_images_of_every_shape(dataset):
    result = evaluate(perfect_candidates(dataset), dataset, image_size=IMAGE_SIZE, batch_size=2)
    metrics = result.metrics
    assert [metrics[name] for name in ("AP", "AP50", "AR100")] == pytest.approx([1.0] * 3)
    assert metrics["precision"] == metrics["recall"] == metrics["f1"] == 1.0
    assert metrics["per_class"] == {
        "cat": {"AP": pytest.approx(1.0), "AP50": pytest.approx(1.0), "precision": 1.0, "recall": 1.0},
        "dog": {"AP": pytest.approx(1.0), "AP50": pytest.approx(1.0), "precision": 1.0, "recall": 1.0},
        "owl": {"AP": None, "AP50": None, "precision": None, "recall": None},
    }
    assert (metrics["images"], metrics["boxes"]) == (5, 12)
    assert result.confusion.tolist() == [[8, 0, 0, 0], [0, 4, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]
    for record, found in zip(dataset.records, result.detections, strict=True):
        order, expected = np.lexsort(found.boxes.T), np.lexsort(record.boxes.T)
        assert found.boxes[order] == pytest.approx(record.boxes[expected], abs=2e-3)  # original px
        assert found.class_ids[order].tolist() == record.class_ids[expected].tolist()
        assert found.scores == pytest.approx(np.full(len(record.boxes), 0.9))


def test_metrics_have_the_names_of_the_contract_and_are_json(dataset, tmp_path):
    result = evaluate(perfect_candidates(dataset), dataset, image_size=IMAGE_SIZE)
    assert list(result.metrics) == [
        "AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl", "per_class",
        "precision", "recall", "f1", "best_threshold", "images", "boxes", "images_per_second",
    ]  # fmt: skip
    write_json(tmp_path / "metrics.json", result.metrics)


def test_shifted_candidates_lose_ap_but_not_ap50(dataset):
    perfect = perfect_candidates(dataset)

    def shifted(images):
        boxes, scores = perfect(images)
        size = boxes[..., 2:] - boxes[..., :2]
        return boxes + 0.08 * np.concatenate([size, size], axis=-1), scores  # IoU 0.92^2 / (2 - 0.92^2) = 0.733

    metrics = evaluate(shifted, dataset, image_size=IMAGE_SIZE, batch_size=3).metrics
    assert metrics["AP50"] == pytest.approx(1.0)
    assert metrics["AP75"] < 0.5
    assert 0.5 <= metrics["AP"] < 0.8


class Workers:
    """What is asked of a strategy of `count` workers with two replicas each; `gather` answers once it has heard all."""

    def __init__(self, count):
        self.num_replicas_in_sync = 2 * count
        self.extended = types.SimpleNamespace(_num_workers=count)
        self.heard = []  # rows of each gathering

    def run(self, call):
        """Runs call(index) for every worker; twice, because the first answers are those of an unfinished round."""
        for _ in range(2):
            self.rounds, self.answers, self.heard = self.heard, [], [[], []]
            for index in range(self.num_replicas_in_sync // 2):
                self.index, self.turn = index, 0
                self.answers.append(call(index))
        return self.answers

    def experimental_distribute_values_from_function(self, function):
        contexts = [types.SimpleNamespace(replica_id_in_sync_group=2 * self.index + local) for local in (0, 1)]
        return [function(context) for context in contexts]

    def gather(self, values, axis):
        assert axis == 0
        self.heard[self.turn] += [value.numpy() for value in values]
        rows = self.rounds[self.turn] if self.rounds else self.heard[self.turn]
        self.turn += 1
        return tf.constant(np.concatenate(rows))


@pytest.mark.slow
@pytest.mark.parametrize("count", [2, 7])
def test_many_workers_together_measure_what_one_measures(dataset, count):
    """Seven workers for five images: two have nothing to do."""
    alone = evaluate(perfect_candidates(dataset), dataset, image_size=IMAGE_SIZE, batch_size=2)

    def call(index):
        share = dataclasses.replace(dataset, records=dataset.records[index::count])
        return evaluate_shared(
            perfect_candidates(share),
            dataset,
            image_size=IMAGE_SIZE,
            batch_size=2,
            worker=(index, count),
            strategy=workers,
        )

    workers = Workers(count)
    for result in workers.run(call):
        assert {**result.metrics, "images_per_second": 0} == {**alone.metrics, "images_per_second": 0}
        assert result.metrics["images_per_second"] > 0
        for ours, theirs in zip(result.detections, alone.detections, strict=True):
            for name in ("boxes", "scores", "class_ids"):
                one, other = getattr(ours, name), getattr(theirs, name)
                np.testing.assert_array_equal(one, other)
                assert one.dtype == other.dtype


def test_silent_candidates_give_0(dataset):
    metrics = evaluate(perfect_candidates(dataset, score=0.0), dataset, image_size=IMAGE_SIZE).metrics
    assert metrics["AP"] == metrics["precision"] == metrics["recall"] == metrics["f1"] == 0.0
    assert metrics["images_per_second"] > 0


def test_a_split_without_boxes_gives_none(dataset):
    background = dataclasses.replace(dataset, records=dataset.records[3:4])
    result = evaluate(perfect_candidates(background), background, image_size=IMAGE_SIZE)
    assert result.metrics["AP"] is result.metrics["f1"] is result.metrics["best_threshold"] is None
    assert "-" in format_table(result)


def test_rect_batches_find_the_same_in_smaller_inputs(dataset):
    """Ratios .3 2.5 1.59 .6 .67 in batches of 2: records 0 3, then 4 2, then 1; the longer side is always 160 px."""
    by_ratio = iter([dataset.records[index] for index in (0, 3, 4, 2, 1)])
    shapes = []

    def candidates(images):
        shapes.append(tuple(images.shape))
        boxes, scores = np.zeros((len(images), 7, 4), np.float32), np.zeros((len(images), 7, 3), np.float32)
        for row, record in zip(range(len(images)), by_ratio):
            scale = 160 / max(record.height, record.width)
            y = (images.shape[1] - round(record.height * scale)) // 2
            x = (images.shape[2] - round(record.width * scale)) // 2
            count = len(record.boxes)
            boxes[row, :count] = record.boxes * scale + [x, y, x, y]
            scores[row, np.arange(count), record.class_ids] = 0.9
        return boxes, scores

    result = evaluate(candidates, dataset, image_size=(160, 160), batch_size=2, rect=True)
    assert shapes == [(2, 128, 192, 3), (2, 192, 192, 3), (1, 192, 96, 3)]
    assert [result.metrics[name] for name in ("AP", "AR100", "f1")] == pytest.approx([1.0] * 3)
    for record, found in zip(dataset.records, result.detections, strict=True):
        order, expected = np.lexsort(found.boxes.T), np.lexsort(record.boxes.T)
        assert found.boxes[order] == pytest.approx(record.boxes[expected], abs=2e-3)  # original px, in record order
        assert found.class_ids[order].tolist() == record.class_ids[expected].tolist()


def test_rect_without_a_square_is_refused(dataset):
    with pytest.raises(InputError, match="96 x 160 px .* is no square"):
        evaluate(perfect_candidates(dataset), dataset, image_size=IMAGE_SIZE, rect=True)


def test_speed_leaves_out_the_first_batch_where_there_are_more(dataset):
    slow_start = perfect_candidates(dataset, first_call_seconds=0.5)
    assert evaluate(slow_start, dataset, image_size=IMAGE_SIZE, batch_size=2).metrics["images_per_second"] > 10
    slow_start = perfect_candidates(dataset, first_call_seconds=0.5)
    assert 0 < evaluate(slow_start, dataset, image_size=IMAGE_SIZE, batch_size=5).metrics["images_per_second"] < 10


def test_another_number_of_classes_is_refused(dataset):
    other = dataclasses.replace(dataset, class_names=(*NAMES, "emu"))
    with pytest.raises(InputError, match="detector has 4 classes, the data set 3.*'owl'.*same order.*trained on"):
        evaluate(perfect_candidates(other), dataset, image_size=IMAGE_SIZE)


def test_table_of_a_worked_example():
    record = ImageRecord(
        image_id="0",
        path="",
        height=100,
        width=200,
        boxes=np.array([[0, 0, 40, 40], [50, 0, 90, 40]], np.float32),
        class_ids=np.array([1, 1], np.int32),
        is_crowd=np.zeros(2, bool),
    )
    dataset = DetectionDataset(class_names=("cat", "blackbird"), records=(record,))
    found = ImageDetections(boxes=record.boxes[:1], scores=np.array([0.5], np.float32), class_ids=np.array([1], np.int32))
    assert format_table(measure(dataset, [found], images_per_second=12.34)).splitlines() == [
        "class        boxes         AP       AP50  precision     recall",
        "all              2      0.505      0.505      1.000      0.500",
        "cat              0          -          -          -          -",
        "blackbird        2      0.505      0.505      1.000      0.500",
        "",
        "   AP 0.505    AP50 0.505    AP75 0.505     APs     -     APm 0.505     APl     -",
        "  AR1 0.500    AR10 0.500   AR100 0.500     ARs     -     ARm 0.500     ARl     -",
        "",
        "precision and recall at score >= 0.000, where F1 is 0.667",
        "1 images, 2 boxes, 12.3 images per second",
    ]


def test_in_the_corner_boxes_come_back_by_their_scale_alone(dataset):
    def in_corner(records):
        records, calls = iter(records), perfect_candidates(dataset)

        def candidates(images):
            boxes, scores = calls(images)
            for row, record in zip(range(len(images)), records):
                scale = min(IMAGE_SIZE[0] / record.height, IMAGE_SIZE[1] / record.width)
                boxes[row, : len(record.boxes)] = record.boxes * scale
                np.testing.assert_array_equal(images[row, -1, -1], [114] * 3)
                assert np.std(images[row, :9, :9]) > 9
            return boxes, scores

        return candidates

    looks = {"image_size": IMAGE_SIZE, "batch_size": 2, "letterbox": "corner"}
    narrow = dataclasses.replace(dataset, records=dataset.records[:3])  # the others fill the input
    assert evaluate(in_corner(narrow.records), narrow, **looks).metrics["AP"] == pytest.approx(1.0)
    shared = evaluate_shared(in_corner(narrow.records), narrow, worker=(0, 1), strategy=None, **looks)
    assert shared.metrics["AP"] == pytest.approx(1.0)
    with pytest.raises(InputError, match="letterbox: got 'middle'"):
        evaluate(in_corner(narrow.records), narrow, **looks | {"letterbox": "middle"})
