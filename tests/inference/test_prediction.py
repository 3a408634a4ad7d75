from pathlib import Path

import detector_files
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from yolo_tf.config import DetectConfig
from yolo_tf.errors import InputError
from yolo_tf.files import read_spec
from yolo_tf.inference.detector import Detector
from yolo_tf.inference.prediction import (
    Prediction,
    draw_prediction,
    list_images,
    output_names,
    predict_image,
    prediction_to_json,
    prediction_to_yolo_txt,
)
from yolo_tf.pictures.drawing import write_picture
from yolo_tf.sources import image_files
from yolo_tf.system.image_formats import IMAGE_SUFFIXES

PREDICTION = Prediction(
    path=Path("street/1.png"),
    image=np.full([100, 200, 3], 90, np.uint8),
    boxes=np.array([[20, 10, 60, 90], [0, 0, 200, 100]], np.float32),
    scores=np.array([0.75, 0.5], np.float32),
    class_ids=np.array([2, 0], np.int32),
    milliseconds=3.0,
)


def read_picture(path):
    with Image.open(path) as picture:
        return np.array(picture)


@pytest.fixture
def folder(tmp_path):
    for name in ("b.jpg", "a.PNG", "notes.md", "deep/c.jpeg", "[x]/d.bmp"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"")
    return tmp_path


def test_files_directories_and_globs(folder):
    def names(*sources):
        return [str(path.relative_to(folder)) for path in list_images([f"{folder}/{source}" for source in sources])]

    assert names("") == ["a.PNG", "b.jpg"]
    assert names("deep", "b.jpg", "") == ["deep/c.jpeg", "b.jpg", "a.PNG"]  # each once
    assert names("**") == ["[x]/d.bmp", "a.PNG", "b.jpg", "deep/c.jpeg"]
    assert names("*.jpg", "notes.md") == ["b.jpg", "notes.md"]  # what is named is tried
    assert names("[x]", "[x]/d.bmp") == ["[x]/d.bmp"]  # no pattern where such a path exists


@pytest.mark.parametrize("suffix", IMAGE_SUFFIXES)
def test_a_directory_gives_every_format_that_readers_take(suffix, tmp_path):
    path = tmp_path / f"a{suffix}"
    Image.fromarray(np.full([32, 48, 3], 90, np.uint8)).save(path)
    assert list_images([tmp_path]) == image_files.list_images(tmp_path) == [path]
    assert image_files.read_image_size(path) == (32, 48)

    def candidates(images):
        assert abs(float(images[0, 16, 16, 0]) - 90) <= 2  # grey all over, but for what a lossy format makes of it
        return tf.constant([[[0.0, 0, 16, 8]]]), tf.constant([[[0.5, 0, 0]]])

    detector = Detector(path=Path("x"), kind="keras", spec=read_spec(detector_files.keras_file()), candidates=candidates)
    found = predict_image(detector, path, image_size=(32, 64), detect=DetectConfig())
    assert found.image.shape == (32, 48, 3) and found.scores.tolist() == [0.5]


def test_a_list_names_images_from_where_it_lies_or_from_here(folder, monkeypatch):
    monkeypatch.chdir(folder / "deep")
    named = ("b.jpg", "", " deep/c.jpeg ", "c.jpeg", f"{folder}/a.PNG", "none.jpg")
    (folder / "list.TXT").write_text("\n".join(named) + "\n")
    found = [str(path) for path in list_images([folder / "list.TXT", folder / "b.jpg"])]
    assert found == [f"{folder}/b.jpg", f"{folder}/deep/c.jpeg", "c.jpeg", f"{folder}/a.PNG", "none.jpg"]
    (folder / "list.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="list.txt: is no text in UTF-8 .* Expected one path per line. Convert it"):
        list_images([folder / "list.txt"])


@pytest.mark.parametrize("source", ["none.jpg", "*.gif", "empty", "empty.txt"])
def test_sources_without_images(source, folder):
    (folder / "empty").mkdir()
    (folder / "empty.txt").write_text("\n")
    with pytest.raises(InputError, match="stands for no image. Expected.* a glob of .bmp, .gif, .* or a .txt list of paths"):
        list_images([folder / "b.jpg", folder / source])


def test_names_of_outputs_are_unique():
    paths = [Path(path) for path in ("a/1.jpg", "b/1.png", "c.jpg", "1.bmp", "1-2.jpg", "c.png")]
    assert output_names(paths) == ["1", "1-2", "c", "1-3", "1-2-2", "c-2"]


def test_boxes_come_back_in_pixels_of_the_file(tmp_path):
    """200 x 100 (w x h) in 160 x 96: scale 0.8, 160 x 80, offset (0, 8). Box (16, 16, 48, 80) -> (20, 10, 60, 90)."""
    Image.fromarray(PREDICTION.image).save(tmp_path / "1.png")
    boxes = tf.constant([[[16.0, 16, 48, 80], [-50, -50, 500, 500], [0, 0, 9, 9]]])
    scores = tf.constant([[[0, 0, 0.75], [0.5, 0, 0], [0.1, 0.1, 0.1]]])

    def candidates(images):
        assert images.shape == (1, 96, 160, 3) and images.dtype == tf.float32
        np.testing.assert_array_equal(np.unique(images[0, :8]), [114])
        np.testing.assert_array_equal(np.unique(images[0, 8:88]), [90])
        return boxes, scores

    detector = Detector(path=Path("x"), kind="keras", spec=read_spec(detector_files.keras_file()), candidates=candidates)
    found = predict_image(detector, tmp_path / "1.png", image_size=(96, 160), detect=DetectConfig())
    np.testing.assert_allclose(found.boxes, PREDICTION.boxes, rtol=1e-6)
    np.testing.assert_allclose(found.scores, [0.75, 0.5])
    np.testing.assert_array_equal(found.class_ids, [2, 0])
    np.testing.assert_array_equal(found.image, PREDICTION.image)
    assert found.milliseconds > 0


def test_a_rectangle_has_the_scale_of_the_whole_input_and_less_grey(tmp_path):
    """200 x 100 (w x h) in 160 x 160: scale 0.8, 160 x 80 in 160 x 96, offset (0, 8) instead of (0, 40)."""
    Image.fromarray(PREDICTION.image).save(tmp_path / "1.png")
    offsets = {(160, 160): 40, (96, 160): 8}

    def candidates(images):
        y = offsets[tuple(images.shape[1:3])]
        np.testing.assert_array_equal(np.unique(images[0, y : y + 80]), [90])
        np.testing.assert_array_equal(np.unique(tf.concat([images[0, :y], images[0, y + 80 :]], 0)), [114])
        return tf.constant([[[16.0, 8 + y, 48, 72 + y]]]), tf.constant([[[0, 0, 0.75]]])

    detector = Detector(path=Path("x"), kind="keras", spec=read_spec(detector_files.keras_file()), candidates=candidates)
    for rect in (False, True):
        found = predict_image(detector, tmp_path / "1.png", image_size=(160, 160), detect=DetectConfig(), rect=rect)
        np.testing.assert_allclose(found.boxes, PREDICTION.boxes[:1], rtol=1e-6)
        offsets.pop((96, 160) if rect else (160, 160))
    assert not offsets, "each size was seen"


def test_json_and_txt():
    assert prediction_to_json(PREDICTION, detector_files.CLASS_NAMES) == {
        "path": "street/1.png",
        "height": 100,
        "width": 200,
        "detections": [
            {"class_id": 2, "class_name": "tram", "score": 0.75, "box": [20, 10, 60, 90]},
            {"class_id": 0, "class_name": "car", "score": 0.5, "box": [0, 0, 200, 100]},
        ],
    }
    assert prediction_to_yolo_txt(PREDICTION) == (
        "2 0.200000 0.500000 0.200000 0.800000 0.750000\n0 0.500000 0.500000 1.000000 1.000000 0.500000\n"
    )


def test_nothing_found_is_written_as_nothing(tmp_path):
    empty = Prediction(
        path=Path("x.jpg"),
        image=PREDICTION.image,
        boxes=np.zeros([0, 4], np.float32),
        scores=np.zeros([0], np.float32),
        class_ids=np.zeros([0], np.int32),
        milliseconds=1.0,
    )
    assert prediction_to_json(empty, detector_files.CLASS_NAMES)["detections"] == []
    assert prediction_to_yolo_txt(empty) == ""
    write_picture(draw_prediction(empty, detector_files.CLASS_NAMES), tmp_path / "x.png")
    np.testing.assert_array_equal(read_picture(tmp_path / "x.png"), PREDICTION.image)


def test_picture_has_the_size_of_the_image_and_boxes_on_it(tmp_path):
    write_picture(draw_prediction(PREDICTION, detector_files.CLASS_NAMES), tmp_path / "new" / "x.jpg")
    picture = read_picture(tmp_path / "new" / "x.jpg").astype(int)
    assert picture.shape == (100, 200, 3)
    assert np.abs(picture[50, 20] - 90).max() > 40  # left edge of the first box
    assert np.abs(picture[50, 100] - 90).max() < 10  # between the boxes
