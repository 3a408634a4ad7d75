"""One image, and the many: what was found in each equals what is found in it alone, whatever is wrong with some."""

import dataclasses
from pathlib import Path

import detector_files
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from yolo_tf.config import DetectConfig
from yolo_tf.errors import InputError
from yolo_tf.files import read_spec
from yolo_tf.inference.best_score import best_score
from yolo_tf.inference.detector import Detector, open_detector
from yolo_tf.inference.prediction import ImageResult, PredictOptions, predict_image, predict_images, predict_to_files
from yolo_tf.pictures.generated_images import generated_images

DETECT = DetectConfig(score_threshold=0.3, iou_threshold=0.5, max_detections=40)
GREY = np.full([100, 200, 3], 90, np.uint8)


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    """11 images of many shapes; number 4 does not decode, number 9 is missing."""
    folder = tmp_path_factory.mktemp("images")
    for index, image in enumerate(generated_images((96, 160), count=11, seed=3)):
        Image.fromarray(image[: 96 - 5 * index, 7 * index :]).save(folder / f"{index:02d}.png")
    (folder / "04.png").write_bytes((folder / "04.png").read_bytes()[:300])
    found = sorted(folder.iterdir())
    found[9].unlink()
    return found


def everything(detector, paths, *, start=0, **options):
    options = PredictOptions(detect=DETECT, **options)
    return [result for batch in predict_images(detector, paths, options, start=start) for result in batch]


def test_boxes_come_back_in_pixels_of_the_file(tmp_path):
    """200 x 100 (w x h) in 160 x 96: scale 0.8, 160 x 80, offset (0, 8). Box (16, 16, 48, 80) -> (20, 10, 60, 90)."""
    Image.fromarray(GREY).save(tmp_path / "1.png")
    boxes = tf.constant([[[16.0, 16, 48, 80], [-50, -50, 500, 500], [0, 0, 9, 9]]])
    scores = tf.constant([[[0, 0, 0.75], [0.5, 0, 0], [0.1, 0.1, 0.1]]])

    def candidates(images):
        assert images.shape == (1, 96, 160, 3) and images.dtype == np.uint8
        np.testing.assert_array_equal(np.unique(images[0, :8]), [114])
        np.testing.assert_array_equal(np.unique(images[0, 8:88]), [90])
        return boxes, scores

    detector = Detector(path=Path("x"), kind="keras", spec=read_spec(detector_files.keras_file()), candidates=candidates)
    found = predict_image(detector, tmp_path / "1.png")
    np.testing.assert_allclose(found.detections.boxes, [[20, 10, 60, 90], [0, 0, 200, 100]], rtol=1e-6)
    np.testing.assert_allclose(found.detections.scores, [0.75, 0.5])
    np.testing.assert_array_equal(found.detections.class_ids, [2, 0])
    np.testing.assert_array_equal(found.stored, GREY)
    assert found.milliseconds > 0 and found.size_hw == (100, 200) and found.path == tmp_path / "1.png"


@pytest.mark.parametrize("ahead", [0, 2])
def test_a_detector_may_want_its_images_in_the_corner(tmp_path, ahead):
    """200 x 100 (w x h) in 160 x 96: scale 0.8, 160 x 80 at the top."""
    Image.fromarray(GREY).save(tmp_path / "1.png")

    def candidates(images):
        np.testing.assert_array_equal(np.unique(images[0, :80]), [90])
        np.testing.assert_array_equal(np.unique(images[0, 80:]), [114])
        return tf.constant([[[16.0, 8, 48, 72]]]), tf.constant([[[0, 0, 0.75]]])

    spec = dataclasses.replace(read_spec(detector_files.keras_file()), letterbox="corner")
    detector = Detector(path=Path("x"), kind="keras", spec=spec, candidates=candidates)
    [found] = everything(detector, [tmp_path / "1.png"], ahead=ahead)
    np.testing.assert_allclose(found.detections.boxes, [[20, 10, 60, 90]], rtol=1e-6)
    assert best_score(detector, [tmp_path / "1.png"], PredictOptions()).score == 0.75


def test_a_rectangle_has_the_scale_of_the_whole_input_and_less_grey(tmp_path):
    """200 x 100 (w x h) in 160 x 160: scale 0.8, 160 x 80 in 160 x 96, offset (0, 8) instead of (0, 40)."""
    Image.fromarray(GREY).save(tmp_path / "1.png")
    offsets = {(160, 160): 40, (96, 160): 8}

    def candidates(images):
        y = offsets[tuple(images.shape[1:3])]
        np.testing.assert_array_equal(np.unique(images[0, y : y + 80]), [90])
        np.testing.assert_array_equal(np.unique(tf.concat([images[0, :y], images[0, y + 80 :]], 0)), [114])
        return tf.constant([[[16.0, 8 + y, 48, 72 + y]]]), tf.constant([[[0, 0, 0.75]]])

    detector = Detector(path=Path("x"), kind="keras", spec=read_spec(detector_files.keras_file()), candidates=candidates)
    for rect in (False, True):
        found = predict_image(detector, tmp_path / "1.png", image_size=(160, 160), rect=rect)
        np.testing.assert_allclose(found.detections.boxes, [[20, 10, 60, 90]], rtol=1e-6)
        offsets.pop((96, 160) if rect else (160, 160))
    assert not offsets, "each size was seen"


@pytest.mark.parametrize(
    "model",
    [
        detector_files.keras_file,
        detector_files.tflite_file,
        pytest.param(detector_files.saved_model, marks=pytest.mark.long),
        pytest.param(detector_files.onnx_file, marks=pytest.mark.long),
    ],
)
def test_every_kind_of_file_finds_what_it_finds_in_one_image(model, paths):
    detector = open_detector(model())
    results = everything(detector, paths, batch_size=3)
    assert [result.path for result in results] == paths
    num_found = 0
    for index, result in enumerate(results):
        if index in (4, 9):
            assert result.detections is None
            continue
        expected = predict_image(detector, result.path, detect=DETECT)
        assert result.size_hw == expected.stored.shape[:2] and result.error is None
        np.testing.assert_array_equal(result.detections.class_ids, expected.detections.class_ids)
        np.testing.assert_allclose(result.detections.boxes, expected.detections.boxes, atol=1e-3)  # a batch sums in another order
        np.testing.assert_allclose(result.detections.scores, expected.detections.scores, atol=1e-5)
        row, twin = result.to_json(detector.spec.class_names), expected.to_json(detector.spec.class_names)
        assert row.keys() == twin.keys() and row["path"] == twin["path"]
        num_found += len(result.detections)
    assert num_found > 20
    assert results[9].to_json(()) == {"path": str(paths[9]), "error": str(results[9].error)}
    assert "04.png: the image does not decode" in str(results[4].error)
    assert "09.png: no such image file" in str(results[9].error)


@pytest.mark.slow
@pytest.mark.parametrize("start", [1, 4, 6, 11])
def test_a_late_start_gives_the_same_to_the_last_digit(start, paths):
    detector = open_detector(detector_files.keras_file())
    whole = everything(detector, paths, batch_size=3)[start:]
    late = everything(detector, paths, batch_size=3, start=start)
    assert len(late) == 11 - start
    for one, other in zip(whole, late, strict=True):
        assert one.path == other.path and str(one.error) == str(other.error)
        if one.error:
            continue
        np.testing.assert_array_equal(one.detections.boxes, other.detections.boxes)
        np.testing.assert_array_equal(one.detections.scores, other.detections.scores)


def test_rect_gives_each_image_its_own_input(paths):
    detector = open_detector(detector_files.keras_file())
    for result in everything(detector, paths[:4], image_size=(160, 160), batch_size=1, rect=True):
        expected = predict_image(detector, result.path, image_size=(160, 160), detect=DETECT, rect=True)
        assert len(result.detections) and result.size_hw == expected.stored.shape[:2]
        np.testing.assert_allclose(result.detections.boxes, expected.detections.boxes, atol=1e-3)


def test_a_bad_image_stops_the_run_where_it_is_to(paths):
    detector = open_detector(detector_files.keras_file())
    found = []
    with pytest.raises(InputError, match="04.png: the image does not decode"):
        options = PredictOptions(detect=DETECT, batch_size=3, stop_on_bad_image=True)
        for batch in predict_images(detector, paths, options):
            found += [result.path for result in batch]
    assert found == paths[:4]


def test_bad_images_only():
    detector = open_detector(detector_files.keras_file())
    results = everything(detector, [Path("no1.jpg"), Path("no2.jpg"), Path("no3.jpg")], batch_size=2)
    assert [str(result.error).split(":")[0] for result in results] == ["no1.jpg", "no2.jpg", "no3.jpg"]
    assert everything(detector, []) == []


def test_plain_values_of_a_result():
    result = ImageResult(path=Path("street/1.png"), error=InputError("street/1.png: broken"))
    assert result.to_json(()) == {"path": "street/1.png", "error": "street/1.png: broken"}


@pytest.mark.slow
def test_the_totals_and_what_a_watcher_sees(paths, tmp_path):
    detector = open_detector(detector_files.keras_file())
    seen = []
    options = PredictOptions(detect=DETECT, batch_size=4, outputs=("jsonl", "txt"))
    totals = predict_to_files(detector, paths, tmp_path, options, watch=lambda done, results: seen.append((done, len(results))))
    assert seen == [(4, 4), (8, 4), (11, 3)]
    assert (totals.num_images_before, totals.num_images, totals.num_bad_images) == (0, 11, 2)
    assert totals.num_detections == sum(len(path.read_text().splitlines()) for path in tmp_path.glob("labels/*.txt")) > 20
    assert totals.images_per_second > 0 and totals.median_milliseconds > 0
    again = PredictOptions(detect=DETECT, batch_size=4, outputs=("jsonl", "txt"), resume=True)
    totals = predict_to_files(detector, paths, tmp_path, again, watch=lambda done, results: seen.append(done))
    assert (totals.num_images_before, totals.num_images, totals.median_milliseconds) == (11, 0, None) and len(seen) == 3


@pytest.mark.parametrize(
    "options, message",
    [
        (dict(batch_size=0), "batch_size: got 0. Expected a whole number above 0. Change it"),
        (dict(part_images=-1), "part_images: got -1"),
        (dict(rect=True, batch_size=4), "rect: the images of a batch of 4 would have several sizes. Expected batches of 1"),
        (dict(outputs=("json", "parquet")), r"outputs: one that holds all images in memory \(json, coco\) does not go with"),
        (dict(outputs=("jsnl",)), "outputs: unknown output 'jsnl'. Did you mean 'jsonl'?"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(InputError, match=message):
        PredictOptions(**options)


def test_more_objects_than_candidates_that_enter(tmp_path):
    """36 x 36 objects of 3 candidates each: every one is found where 5000 may be, and what a lower limit leaves out is told."""
    Image.fromarray(np.zeros([160, 160, 3], np.uint8)).save(tmp_path / "1.png")
    corners = np.stack(np.meshgrid(np.arange(36), np.arange(36)), -1).reshape(-1, 2) * 4.0
    boxes = np.tile(np.concatenate([corners, corners + 3.5], 1), [3, 1]).astype(np.float32)
    scores = np.float32(np.concatenate([np.full(1296, 0.9), np.full(1296, 0.8), np.full(1296, 0.7)]))

    def find(**options):
        detector = Detector(
            path=Path("x"),
            kind="keras",
            spec=read_spec(detector_files.keras_file()),
            candidates=lambda images: (tf.constant(boxes[None]), tf.constant(scores[None, :, None] * np.float32([[0, 1, 0]]))),
        )
        return predict_image(detector, tmp_path / "1.png", image_size=(160, 160), detect=DetectConfig(**options))

    assert DetectConfig().candidate_limit == 1000 and DetectConfig(max_detections=40).candidate_limit == 1000
    assert DetectConfig(max_detections=5000).candidate_limit == 16667
    found = find(max_detections=5000)
    assert len(found.detections) == 1296 and found.num_cut == 0
    found = find(max_detections=5000, max_candidates=1000)
    assert len(found.detections) == 1000 and found.num_cut == 3 * 1296 - 1000
    assert find(max_detections=5000, max_candidates=1000, score_threshold=0.95).num_cut == 0
    assert find(max_detections=5000, max_candidates=1000, class_ids=(0, 2)).num_cut == 0
    limited = find(max_detections=1000)  # 3334 candidates: the strongest of all objects among them
    assert len(limited.detections) == 1000 and limited.num_cut == 3888 - 3334
