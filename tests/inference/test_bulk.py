"""The detections of many images equal those of each, whatever is wrong with some and wherever a run begins."""

from pathlib import Path

import detector_files
import numpy as np
import pytest
from PIL import Image

from yolo_tf.config import DetectConfig
from yolo_tf.errors import InputError
from yolo_tf.inference.bulk import BulkOptions, predict_many, result_to_json
from yolo_tf.inference.detector import open_detector
from yolo_tf.inference.frames.files import InputImage, read_ahead
from yolo_tf.inference.prediction import predict_image, prediction_to_json
from yolo_tf.pictures.generated_images import generated_images
from yolo_tf.terminal.progress import progress_bar

DETECT = DetectConfig(score_threshold=0.3, iou_threshold=0.5, max_detections=40)


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


def everything(detector, paths, *, size, start=0, **options):
    options = BulkOptions(**options)
    batches = predict_many(detector, paths, start=start, image_size=size, detect=DETECT, options=options)
    return [result for batch in batches for result in batch]


@pytest.mark.parametrize(
    "model",
    [
        detector_files.keras_file,
        detector_files.tflite_file,
        pytest.param(detector_files.saved_model, marks=pytest.mark.slow),
        pytest.param(detector_files.onnx_file, marks=pytest.mark.slow),
    ],
)
def test_every_kind_of_file_finds_what_it_finds_in_one_image(model, paths):
    detector = open_detector(model())
    results = everything(detector, paths, size=(96, 160), batch_size=3)
    assert [result.path for result in results] == paths
    num_found = 0
    for index, result in enumerate(results):
        if index in (4, 9):
            assert result.boxes is None
            continue
        expected = predict_image(detector, result.path, image_size=(96, 160), detect=DETECT)
        assert result.size_hw == expected.image.shape[:2] and result.error is None
        np.testing.assert_array_equal(result.class_ids, expected.class_ids)
        np.testing.assert_allclose(result.boxes, expected.boxes, atol=1e-3)  # a batch sums in another order
        np.testing.assert_allclose(result.scores, expected.scores, atol=1e-5)
        row, twin = result_to_json(result, detector.spec.class_names), prediction_to_json(expected, detector.spec.class_names)
        assert row.keys() == twin.keys() and row["path"] == twin["path"]
        num_found += len(result.scores)
    assert num_found > 20
    assert result_to_json(results[9], ()) == {"path": str(paths[9]), "error": str(results[9].error)}
    assert "04.png: the image does not decode" in str(results[4].error)
    assert "09.png: no such image file" in str(results[9].error)


@pytest.mark.parametrize("start", [1, 4, 6, 11])
def test_a_late_start_gives_the_same_to_the_last_digit(start, paths):
    detector = open_detector(detector_files.keras_file())
    whole = everything(detector, paths, size=(96, 160), batch_size=3)[start:]
    late = everything(detector, paths, size=(96, 160), batch_size=3, start=start)
    assert len(late) == 11 - start
    for one, other in zip(whole, late, strict=True):
        assert one.path == other.path and str(one.error) == str(other.error)
        np.testing.assert_array_equal(one.boxes, other.boxes)
        np.testing.assert_array_equal(one.scores, other.scores)


def test_rect_gives_each_image_its_own_input(paths):
    detector = open_detector(detector_files.keras_file())
    for result in everything(detector, paths[:4], size=(160, 160), batch_size=1, rect=True):
        expected = predict_image(detector, result.path, image_size=(160, 160), detect=DETECT, rect=True)
        assert len(result.scores) and result.size_hw == expected.image.shape[:2]
        np.testing.assert_allclose(result.boxes, expected.boxes, atol=1e-3)


def test_a_bad_image_stops_the_run_where_it_is_to(paths):
    detector = open_detector(detector_files.keras_file())
    found = []
    with pytest.raises(InputError, match="04.png: the image does not decode"):
        options = BulkOptions(batch_size=3, stop_on_bad_image=True)
        for batch in predict_many(detector, paths, image_size=(96, 160), detect=DETECT, options=options):
            found += [result.path for result in batch]
    assert found == paths[:4]


def test_bad_images_only():
    detector = open_detector(detector_files.keras_file())
    results = everything(detector, [Path("no1.jpg"), Path("no2.jpg"), Path("no3.jpg")], size=(96, 160), batch_size=2)
    assert [str(result.error).split(":")[0] for result in results] == ["no1.jpg", "no2.jpg", "no3.jpg"]
    assert everything(detector, [], size=(96, 160)) == []


def test_reading_keeps_the_order_and_a_passing_fault_costs_nothing(paths, monkeypatch):
    from yolo_tf.inference.frames import files as images

    many = [paths[number % 3] for number in range(200)] + [paths[9]] * 2
    monkeypatch.setattr(images, "read_image", lambda path: np.full([96, 160, 3], 7, np.uint8))
    found = list(read_ahead(many, image_size=(96, 160), rect=False, ahead=4))
    assert len(found) == 202 and all(isinstance(image, InputImage) for image in found)
    heights = [int(image.letterbox.original_size[0]) for image in found]
    assert heights == [96 - 5 * (number % 3) for number in range(200)] + [96, 96]
    assert (found[-1].pixels == 7).all() and found[0].pixels.dtype == np.uint8


@pytest.mark.parametrize(
    "options, message",
    [
        (dict(batch_size=0), "--batch: got 0. Expected a whole number above 0. Change it"),
        (dict(part_images=-1), "--part-images: got -1"),
        (dict(rect=True, batch_size=4), "--rect: the images of a batch of 4 would have several sizes. Expected --batch 1"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(InputError, match=message):
        BulkOptions(**options)


def test_the_progress_line(capsys, monkeypatch):
    from yolo_tf.terminal import progress

    now = iter([10.0, 10.2, 12.0, 14.0])
    monkeypatch.setattr(progress.time, "perf_counter", lambda: next(now))
    show = progress_bar(100)
    for done in (50, 60, 70, 100):
        show(done)
    first, third, last = capsys.readouterr().out.strip("\r\n").split("\r")  # the second comes too early to be shown
    assert first.strip() == f"[{'=' * 15}{' ' * 15}] 50/100 images"
    assert third.strip() == f"[{'=' * 21}{' ' * 9}] 70/100 images, 10.0 images/s, 3 s left"
    assert last.strip() == f"[{'=' * 30}] 100/100 images, 12.5 images/s, 0 s left"
