import json

import detector_files
import numpy as np
import pytest
from PIL import Image

from yolo_tf.cli import main


@pytest.fixture
def photos(tmp_path):
    """Two images in a directory, and one of the same stem elsewhere."""
    (tmp_path / "photos").mkdir()
    for index, name in enumerate(("photos/1.png", "photos/2.png", "1.png")):
        Image.fromarray(detector_files.images()[index][: 90 - 10 * index]).save(tmp_path / name)
    return tmp_path


def predict(photos, *words):
    return main(["predict", *(str(word) for word in words), "--out", str(photos / "out")])


@pytest.mark.parametrize("model", [detector_files.keras_file, detector_files.saved_model, detector_files.tflite_file])
def test_pictures_json_and_txt(model, photos, capsys):
    words = ["--save-json", "--save-txt", "--score-threshold", 0.3, "--max-detections", 7, "--json", photos / "result.json"]
    assert predict(photos, model(), photos / "photos", photos / "1.png", *words) == 0
    written = sorted(str(path.relative_to(photos / "out")) for path in (photos / "out").rglob("*") if path.is_file())
    labels = ["labels/1-2.txt", "labels/1.txt", "labels/2.txt"]
    assert written == ["1-2.jpg", "1.jpg", "2.jpg", "detections.json", *labels]

    found = json.loads((photos / "out" / "detections.json").read_text())
    assert found["class_names"] == ["car", "bus", "tram"] and len(found["images"]) == 3
    for row, label, height in zip(found["images"], ("1", "2", "1-2"), (90, 80, 70), strict=True):
        assert (row["height"], row["width"]) == (height, 160)
        scores = [detection["score"] for detection in row["detections"]]
        assert 0 < len(scores) <= 7 and scores == sorted(scores, reverse=True) and scores[-1] > 0.3
        boxes = np.array([detection["box"] for detection in row["detections"]])
        assert (boxes >= 0).all() and (boxes <= [160, height, 160, height]).all()
        assert len((photos / "out" / "labels" / f"{label}.txt").read_text().splitlines()) == len(scores)
        with Image.open(photos / "out" / f"{label}.jpg") as picture:
            assert picture.size == (160, height)
    result = json.loads((photos / "result.json").read_text())
    assert result["images"] == found["images"] and result["num_images"] == 3 and result["median_milliseconds"] > 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4 and lines[0].startswith(f"{photos / 'photos' / '1.png'}: ") and "ms" in lines[0]
    assert lines[3].startswith(f"3 images, {result['num_detections']} detections, ")


def test_all_kinds_of_file_find_the_same(photos):
    def found(model):
        assert predict(photos, model, photos / "1.png", "--save-json") == 0
        return json.loads((photos / "out" / "detections.json").read_text())["images"][0]["detections"]

    expected = found(detector_files.keras_file())
    for model in (detector_files.saved_model(), detector_files.tflite_file()):
        other = found(model)
        assert [row["class_id"] for row in other] == [row["class_id"] for row in expected]
        for row, twin in zip(other, expected, strict=True):
            np.testing.assert_allclose(row["box"], twin["box"], atol=1e-2)


def test_a_corrupt_image_is_named_and_the_others_are_written(photos, capsys):
    content = (photos / "1.png").read_bytes()
    (photos / "photos" / "0.png").write_bytes(content[:200])
    assert predict(photos, detector_files.keras_file(), photos / "photos") == 2
    error = capsys.readouterr().err.splitlines()
    assert len(error) == 1 and "photos/0.png: the image does not decode" in error[0]
    assert sorted(path.name for path in (photos / "out").iterdir()) == ["1.jpg", "2.jpg"]
    (photos / "photos" / "3.png").write_bytes(b"")
    assert predict(photos, detector_files.keras_file(), photos / "photos") == 2
    error = capsys.readouterr().err.splitlines()
    assert len(error) == 1 and "0.png, " in error[0] and "3.png: 2 of 4 images do not decode" in error[0]


def test_nothing_but_a_corrupt_image(photos, capsys):
    (photos / "1.png").write_bytes(b"no image")
    assert predict(photos, detector_files.keras_file(), photos / "1.png", "--save-json") == 2
    assert "1.png: the image does not decode" in capsys.readouterr().err


def test_sources_are_never_overwritten(photos, capsys):
    Image.fromarray(detector_files.images()[0]).save(photos / "a.jpg")
    before = (photos / "a.jpg").read_bytes()
    assert main(["predict", str(detector_files.keras_file()), str(photos / "a.jpg"), "--out", str(photos)]) == 2
    assert "a.jpg: would be written over its source. Expected another directory. Change --out." in capsys.readouterr().err
    assert (photos / "a.jpg").read_bytes() == before


@pytest.mark.parametrize(
    "words, message",
    [
        (["--score-threshold", "3"], "score_threshold: expected 0..1, got 3.0"),
        (["--image-size", "100"], "100 is no positive multiple of 32"),
        (["none.jpg"], "none.jpg: stands for no image"),
    ],
)
def test_bad_arguments(words, message, photos, capsys):
    assert predict(photos, detector_files.keras_file(), photos / "1.png", *words) == 2
    error = capsys.readouterr().err.splitlines()
    assert len(error) == 1 and message in error[0]
    assert not (photos / "out").exists()
