"""AP and AR against pycocotools, and the cases where evaluators go wrong."""

import dataclasses
import json

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from yolo_tf.evaluation.coco import COCO_NAMES, coco_evaluator, coco_numbers
from yolo_tf.structures import DetectionDataset, ImageDetections, ImageRecord


def make_record(boxes, class_ids, is_crowd=None, *, height=300, width=500):
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    return ImageRecord(
        image_id="image",
        path="",
        height=height,
        width=width,
        boxes=boxes,
        class_ids=np.array(class_ids, np.int32),
        is_crowd=np.zeros(len(boxes), bool) if is_crowd is None else np.array(is_crowd, bool),
    )


def make_dataset(*records, class_names=("cat", "dog", "owl")):
    return DetectionDataset(class_names=class_names, records=records)


def found(boxes, scores, class_ids):
    return ImageDetections(
        boxes=np.array(boxes, np.float32).reshape(-1, 4),
        scores=np.array(scores, np.float32),
        class_ids=np.array(class_ids, np.int32),
    )


NOTHING = found([], [], [])


def random_boxes(rng, count, *, height, width):
    size = np.exp(rng.uniform(np.log(6), np.log(0.8 * min(height, width)), (count, 2)))
    low = rng.uniform(0, 1, (count, 2)) * (np.array([width, height]) - size)
    return np.concatenate([low, low + size], axis=1).astype(np.float32)


def imitate_detector(rng, record, num_classes, *, num_false=6):
    """Detections as a middling detector gives them: shifted, some missing, some doubled, some of a wrong class."""
    source = np.repeat(np.arange(len(record.boxes)), rng.integers(0, 3, len(record.boxes)))
    boxes, class_ids = record.boxes[source], record.class_ids[source].copy()
    size = np.tile(boxes[:, 2:] - boxes[:, :2], 2)
    boxes = boxes + size * rng.normal(0, 0.05, boxes.shape)
    wrong = rng.random(len(class_ids)) < 0.1
    class_ids[wrong] = rng.integers(0, num_classes, wrong.sum())
    false = random_boxes(rng, num_false, height=record.height, width=record.width)
    boxes = np.concatenate([boxes, false])
    class_ids = np.concatenate([class_ids, rng.integers(0, num_classes, num_false)])
    scores = np.where(np.arange(len(boxes)) < len(source), rng.beta(4, 2, len(boxes)), rng.beta(2, 4, len(boxes)))
    scores = np.round(scores, 2)  # makes ties
    order = np.argsort(-scores, kind="stable")
    return found(boxes[order], scores[order], class_ids[order])


def random_split(seed, *, num_images=25, num_classes=5, crowd_share=0.1):
    rng = np.random.default_rng(seed)
    records, detections = [], []
    for _ in range(num_images):
        height, width = (int(side) for side in rng.integers(120, 480, 2))
        count = int(rng.integers(0, 9))
        boxes = random_boxes(rng, count, height=height, width=width)
        class_ids = rng.integers(0, num_classes, count)
        is_crowd = rng.random(count) < crowd_share
        records.append(make_record(boxes, class_ids, is_crowd, height=height, width=width))
        detections.append(imitate_detector(rng, records[-1], num_classes))
    names = tuple(f"class{index}" for index in range(num_classes))
    return make_dataset(*records, class_names=names), detections


def by_pycocotools(dataset, detections):
    """The same numbers by pycocotools, through a dictionary of its own, in which nothing is numbered from 1; and its arrays."""
    truth, results = COCO(), []
    truth.dataset = {
        "images": [{"id": 100 + i, "height": r.height, "width": r.width} for i, r in enumerate(dataset.records)],
        "categories": [{"id": 10 + i, "name": name} for i, name in enumerate(dataset.class_names)],
        "annotations": [],
    }
    for image, (record, one) in enumerate(zip(dataset.records, detections, strict=True)):
        for box, class_id, crowd in zip(record.boxes, record.class_ids, record.is_crowd, strict=True):
            x1, y1, x2, y2 = map(float, box)
            truth.dataset["annotations"].append(
                {
                    "id": len(truth.dataset["annotations"]) + 1,
                    "image_id": 100 + image,
                    "category_id": 10 + int(class_id),
                    "bbox": [x1, y1, x2 - x1, y2 - y1],
                    "area": (x2 - x1) * (y2 - y1),
                    "iscrowd": int(crowd),
                }
            )
        for box, score, class_id in zip(one.boxes, one.scores, one.class_ids, strict=True):
            x1, y1, x2, y2 = map(float, box)
            results.append(
                {
                    "image_id": 100 + image,
                    "category_id": 10 + int(class_id),
                    "score": float(score),
                    "bbox": [x1, y1, x2 - x1, y2 - y1],
                }
            )
    truth.createIndex()
    if results:
        answer = truth.loadRes(results)
    else:
        answer = COCO()
        answer.dataset = truth.dataset | {"annotations": []}
        answer.createIndex()
    evaluator = COCOeval(truth, answer, "bbox")
    evaluator.evaluate()
    evaluator.accumulate()
    evaluator.summarize()
    precision = evaluator.eval["precision"][:, :, :, 0, 2]
    per_class = {
        name: {"AP": precision[:, :, index].mean(), "AP50": precision[0, :, index].mean()}
        for index, name in enumerate(dataset.class_names)
    }
    return dict(zip(COCO_NAMES, evaluator.stats)) | {"per_class": per_class}, evaluator.eval


def assert_equals_reference(dataset, detections):
    numbers, (expected, arrays) = coco_numbers(dataset, detections), by_pycocotools(dataset, detections)
    evaluator = coco_evaluator(dataset, detections)
    evaluator.accumulate()
    for name in ("precision", "recall", "scores"):  # [10, 101, C, 4, 3] and [10, C, 4, 3]
        np.testing.assert_array_equal(evaluator.eval[name], arrays[name], err_msg=name)
    pairs = [(name, numbers[name], expected[name]) for name in COCO_NAMES]
    for name in dataset.class_names:
        for key in ("AP", "AP50"):
            pairs.append((f"{name} {key}", numbers["per_class"][name][key], expected["per_class"][name][key]))
    for name, value, reference in pairs:
        if reference == -1:
            assert value is None, name
        else:
            assert value == pytest.approx(reference, abs=1e-6), name
    json.dumps(numbers, allow_nan=False)
    return numbers


def on_a_grid(boxes, *, step=16):
    return np.round(boxes / step) * np.float32(step)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_equals_pycocotools_on_random_splits(seed):
    numbers = assert_equals_reference(*random_split(seed))
    assert 0.1 < numbers["AP"] < numbers["AP50"] < 0.9


@pytest.mark.parametrize("seed", [3, 4])
def test_equals_pycocotools_where_everything_ties(seed):
    """Boxes on a grid and scores of one digit: equal IoUs, equal scores, boxes without an area, sides of exactly 32 and 96 px."""
    dataset, detections = random_split(seed, crowd_share=0.3)
    records = [dataclasses.replace(record, boxes=on_a_grid(record.boxes)) for record in dataset.records]
    detections = [
        dataclasses.replace(one, boxes=on_a_grid(one.boxes), scores=np.round(one.scores, 1).astype(np.float32))
        for one in detections
    ]
    sizes = np.concatenate([record.boxes[:, 2:] - record.boxes[:, :2] for record in records])
    assert (sizes == 32).any() and (sizes == 96).any() and (sizes == 0).any()
    assert_equals_reference(dataclasses.replace(dataset, records=tuple(records)), detections)


def test_boxes_at_the_border_of_two_sizes_are_of_both():
    # COCO takes both ends into a range: 32 x 32 px is small and medium, 96 x 96 px medium and large.
    boxes = [[0, 0, 32, 32], [100, 0, 196, 96], [200, 100, 231, 131], [300, 100, 397, 197]]
    record = make_record(boxes, [0, 0, 0, 0])
    numbers = assert_equals_reference(make_dataset(record), [found(boxes[:2], [0.9, 0.8], [0, 0])])
    assert [numbers[name] for name in ("ARs", "ARm", "ARl")] == [0.5, 1.0, 0.5]


def test_a_box_found_twice_is_right_once():
    box = [10, 20, 60, 50]
    numbers = assert_equals_reference(
        make_dataset(make_record([box, [100, 20, 160, 50]], [0, 0])), [found([box] * 3, [0.9, 0.9, 0.8], [0] * 3)]
    )
    assert numbers["AP"] == pytest.approx(51 / 101) and numbers["AR100"] == 0.5


def test_the_evaluator_matches_at_one_iou_and_all_detections_where_asked():
    # 120 detections on the left, then one at IoU 0.6 of the box: the 121st, which COCO's 100 leave out.
    dataset = make_dataset(make_record([], []), make_record([[200, 0, 300, 100]], [2]))
    late = found([[i, 0, 20 + i, 20] for i in range(120)] + [[200, 0, 300, 60]], np.linspace(0.9, 0.1, 121), [2] * 121)
    evaluator = coco_evaluator(dataset, [NOTHING, late], iou_threshold=0.55)
    status = evaluator.image_diagnostics(iou_thr=0.55)["dt_status"]
    assert len(status) == 121 and [number for number, kind in status.items() if kind == "tp"] == [121]
    evaluator = coco_evaluator(dataset, [NOTHING, late], iou_threshold=0.65)
    assert "tp" not in evaluator.image_diagnostics(iou_thr=0.65)["dt_status"].values()


def test_equals_pycocotools_on_real_boxes(shared_dir):
    from PIL import Image

    root, rng = shared_dir / "data" / "coco128", np.random.default_rng(0)
    records = []
    for path in sorted((root / "images" / "train2017").glob("*.jpg")):
        with Image.open(path) as image:
            width, height = image.size
        label = root / "labels" / "train2017" / f"{path.stem}.txt"
        lines = label.read_text().splitlines() if label.exists() else []
        rows = np.array([line.split() for line in lines], np.float64).reshape(-1, 5)
        centre, size = rows[:, 1:3] * (width, height), rows[:, 3:] * (width, height)
        boxes = np.concatenate([centre - size / 2, centre + size / 2], axis=1)
        records.append(make_record(boxes, rows[:, 0], height=height, width=width))
    dataset = make_dataset(*records, class_names=tuple(f"class{index}" for index in range(80)))
    assert dataset.num_boxes > 900
    assert_equals_reference(dataset, [imitate_detector(rng, record, 80) for record in records])


def test_perfect_detections_of_class_0_alone_give_1():
    boxes = [[10, 20, 60, 50], [100, 40, 300, 240], [5, 5, 15, 25]]
    dataset = make_dataset(make_record(boxes, [0, 0, 0]))
    numbers = assert_equals_reference(dataset, [found(boxes, [0.9, 0.8, 0.7], [0, 0, 0])])
    assert [numbers[name] for name in ("AP", "AP50", "APs", "APm", "APl")] == pytest.approx([1.0] * 5)
    assert numbers["AR1"] == pytest.approx(1 / 3)
    assert numbers["AR100"] == 1.0


def test_an_image_without_detections_counts_as_missed():
    # One of two boxes found, at full precision: 51 of the 101 recall levels (0 .. 0.50).
    dataset = make_dataset(make_record([[10, 20, 60, 50]], [1]), make_record([[30, 20, 90, 80]], [1]))
    numbers = assert_equals_reference(dataset, [found([[10, 20, 60, 50]], [0.9], [1]), NOTHING])
    assert numbers["AP"] == pytest.approx(51 / 101)
    assert numbers["AR100"] == 0.5


def test_a_detection_in_an_image_without_boxes_counts_as_wrong():
    # The wrong one has the higher score, so precision is 1/2 at every recall.
    dataset = make_dataset(make_record([], []), make_record([[30, 20, 90, 80]], [2]))
    detections = [found([[10, 20, 60, 50]], [0.9], [2]), found([[30, 20, 90, 80]], [0.8], [2])]
    assert assert_equals_reference(dataset, detections)["AP"] == pytest.approx(0.5)


def test_a_crowd_box_forgives_detections_and_need_not_be_found():
    crowd, single = [100, 100, 300, 280], [10, 20, 60, 50]
    dataset = make_dataset(make_record([crowd, single], [0, 0], [True, False]))
    inside = [[110 + 40 * i, 120, 140 + 40 * i, 180] for i in range(4)]
    detections = [found([*inside, single], [0.9, 0.9, 0.9, 0.9, 0.5], [0] * 5)]
    assert assert_equals_reference(dataset, detections)["AP"] == pytest.approx(1.0)
    assert assert_equals_reference(dataset, [NOTHING])["AP"] == 0.0


def test_ties_equal_pycocotools():
    box, near, far = [10, 20, 60, 50], [12, 20, 62, 50], [200, 100, 260, 150]
    dataset = make_dataset(make_record([box, box], [0, 0]), make_record([far, box], [0, 1]))
    detections = [
        found([near, far, box, box], [0.5] * 4, [0] * 4),
        found([near, far, box, near], [0.5] * 4, [0, 0, 1, 1]),
    ]
    assert_equals_reference(dataset, detections)


def test_only_the_best_100_detections_of_an_image_count():
    # 120 false ones come before the right one.
    box = [10, 20, 60, 50]
    dataset = make_dataset(make_record([box], [0]))
    false = [[100 + i, 100, 140 + i, 140] for i in range(120)]
    late = [found([*false, box], np.linspace(0.9, 0.1, 121), [0] * 121)]
    assert assert_equals_reference(dataset, late)["AP"] == 0.0
    early = [found([*false[:99], box], np.linspace(0.9, 0.1, 100), [0] * 100)]
    assert assert_equals_reference(dataset, early)["AP"] == pytest.approx(0.01)


def test_no_detections_at_all_give_0():
    dataset = make_dataset(make_record([[10, 20, 60, 50]], [0]), make_record([[30, 20, 130, 120]], [2]))
    numbers = assert_equals_reference(dataset, [NOTHING, NOTHING])
    assert numbers["AP"] == numbers["AP50"] == numbers["APm"] == numbers["AR100"] == 0.0
    assert numbers["APs"] is None and numbers["APl"] == 0.0  # no small box, one large one (100 x 100 px)
    assert numbers["per_class"]["cat"] == {"AP": 0.0, "AP50": 0.0}


@pytest.mark.parametrize("detection", [NOTHING, found([[10, 20, 60, 50]], [0.9], [1])], ids=["nothing", "something"])
@pytest.mark.parametrize(
    "record", [make_record([], []), make_record([[5, 5, 99, 99]], [1], [True])], ids=["no boxes", "a crowd alone"]
)
def test_a_split_without_boxes_to_find_has_no_numbers(record, detection):
    numbers = assert_equals_reference(make_dataset(record), [detection])
    assert [numbers[name] for name in COCO_NAMES] == [None] * 12
    assert numbers["per_class"]["dog"] == {"AP": None, "AP50": None}


def test_a_split_without_images_has_no_numbers():
    assert [coco_numbers(make_dataset(), [])[name] for name in COCO_NAMES] == [None] * 12


def test_a_class_without_boxes_is_none_and_left_out_of_the_mean():
    box = [10, 20, 60, 50]
    numbers = assert_equals_reference(make_dataset(make_record([box], [1])), [found([box, box], [0.9, 0.8], [1, 2])])
    assert numbers["AP"] == pytest.approx(1.0)
    assert numbers["per_class"] == {
        "cat": {"AP": None, "AP50": None},
        "dog": {"AP": pytest.approx(1.0), "AP50": pytest.approx(1.0)},
        "owl": {"AP": None, "AP50": None},
    }


def test_prints_nothing(capfd):
    dataset, detections = random_split(3, num_images=4)
    coco_numbers(dataset, detections)
    coco_evaluator(dataset, detections, iou_threshold=0.45).image_diagnostics(iou_thr=0.45)
    captured = capfd.readouterr()
    assert captured.out == captured.err == ""


def test_one_entry_per_record_is_required():
    with pytest.raises(ValueError, match="zip"):
        coco_numbers(make_dataset(make_record([], [])), [NOTHING, found([[1, 2, 9, 9]], [0.5], [0])])
