import json

import detector_files
import numpy as np
import pytest
from PIL import Image

from yolo_tf.cli import main
from yolo_tf.config import DetectConfig
from yolo_tf.inference.detector import open_detector
from yolo_tf.inference.prediction import predict_image


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
        in_it = (boxes[:, :2] < boxes[:, 2:]).all(-1)
        assert len((photos / "out" / "labels" / f"{label}.txt").read_text().splitlines()) == in_it.sum()
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
    assert (
        "a.jpg: would be written over an image, its labels or a file beside them. Expected another directory. Change --out."
        in capsys.readouterr().err
    )
    assert (photos / "a.jpg").read_bytes() == before


@pytest.mark.parametrize(
    "words, message",
    [
        (["--score-threshold", "3"], "--score-threshold: expected 0..1, got 3.0"),
        (["--image-size", "100"], "100 is no positive multiple of 32"),
        (["none.jpg"], "none.jpg: stands for no image"),
        (["--classes", "bus", "cra"], "--classes: there is no class 'cra'. Did you mean 'car'? Expected numbers 0..2"),
        (["--classes", "3"], "--classes: there is no class '3'. Expected numbers 0..2 or names of: car, bus, tram. Correct"),
    ],
)
def test_bad_arguments(words, message, photos, capsys):
    assert predict(photos, detector_files.keras_file(), photos / "1.png", *words) == 2
    error = capsys.readouterr().err.splitlines()
    assert len(error) == 1 and message in error[0]
    assert not (photos / "out").exists()


def detections_of(photos, *words):
    """Returns the detections of 1.png (70 x 160 px, h x w) as JSON rows."""
    assert predict(photos, detector_files.keras_file(), photos / "1.png", "--save-json", *words) == 0
    return json.loads((photos / "out" / "detections.json").read_text())["images"][0]["detections"]


@pytest.mark.parametrize("words", [("tram", "0"), ("0,tram",), ("2", "car,0")])
def test_only_the_named_classes_are_kept(words, photos):
    everything = detections_of(photos, "--max-detections", 1000)
    kept = detections_of(photos, "--max-detections", 1000, "--classes", *words)
    expected = [row for row in everything if row["class_name"] != "bus"]
    assert sorted(kept, key=str) == sorted(expected, key=str)  # equal scores may come in another order
    assert 0 < len(kept) < len(everything)


def test_class_agnostic_reaches_suppression(photos):
    detector = open_detector(detector_files.keras_file())
    counts = []
    for words, class_agnostic in (((), False), (("--class-agnostic",), True)):
        detect = DetectConfig(max_detections=1000, class_agnostic=class_agnostic)
        expected = predict_image(detector, photos / "1.png", detect=detect)
        found = detections_of(photos, "--max-detections", 1000, *words)
        np.testing.assert_allclose([row["score"] for row in found], expected.detections.scores, atol=1e-6)
        counts.append(len(found))
    assert 0 < counts[1] < counts[0]


@pytest.mark.parametrize(
    "words, sizes",
    [
        ((), [(96, 160)]),
        (("--rect", "--image-size", "320"), [(160, 320)]),  # scale 2: 140 x 320
        (("--augment",), [(96, 160), (96, 160), (96, 128)]),  # 79.7 x 132.8 and 64.3 x 107.2, up to strides of 32
        (("--augment", "--rect", "--image-size", "320"), [(160, 320), (160, 288), (128, 224)]),
    ],
)
@pytest.mark.parametrize("model", [detector_files.keras_file, detector_files.saved_model])
def test_flags_change_what_the_network_sees(model, words, sizes, photos, monkeypatch):
    from yolo_tf.inference import detector as runtime

    opened, seen = runtime.open_detector, []

    def spy(path):
        detector = opened(path)

        def candidates(images):
            seen.append(tuple(images.shape[1:3]))
            return detector.candidates(images)

        return runtime.dataclasses.replace(detector, candidates=candidates)

    monkeypatch.setattr(runtime, "open_detector", spy)
    assert predict(photos, model(), photos / "1.png", *words) == 0
    assert seen[-len(sizes) :] == sizes and len(seen) == 2 * len(sizes)  # once on nothing, to warm up


@pytest.mark.parametrize("option", ["--rect", "--augment"])
def test_a_file_of_one_size_takes_no_other(option, photos, capsys):
    assert predict(photos, detector_files.tflite_file(), photos / "1.png", option) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert f"{option}: {detector_files.tflite_file()} takes images of 96 x 160 px (height x width) only. Expected" in error
    assert not (photos / "out").exists()


def thresholds_file(photos, **classes):
    path = photos / "thresholds.json"
    path.write_text(json.dumps({"kind": "yolo_tf thresholds", "classes": classes}))
    return path


def test_each_class_has_the_threshold_of_the_file(photos):
    """By name: the order of the file is another one than that of the detector."""
    everything = detections_of(photos, "--max-detections", 1000, "--score-threshold", 0.3)
    least = dict(tram=0.3, car=1.0, bus=0.5)
    kept = detections_of(photos, "--max-detections", 1000, "--thresholds", thresholds_file(photos, **least))
    expected = [row for row in everything if row["score"] > least[row["class_name"]]]
    assert sorted(kept, key=str) == sorted(expected, key=str)
    assert 0 < len(kept) < len(everything)


@pytest.mark.parametrize(
    "classes, words, message",
    [
        (dict(car=0.5, bus=0.5), (), "thresholds.json: lacks ['tram']. Expected a threshold for each of the 3 classes"),
        (dict(car=0.5, bus=0.5, tram=0.5), ("--score-threshold", 0.3), "--thresholds: --score-threshold is given as well."),
    ],
)
def test_thresholds_that_do_not_fit_are_one_line(classes, words, message, photos, capsys):
    words = ("--thresholds", thresholds_file(photos, **classes), *words)
    assert predict(photos, detector_files.keras_file(), photos / "1.png", *words) == 2
    captured = capsys.readouterr()
    assert message in captured.err.splitlines()[-1] and captured.out == "" and not (photos / "out").exists()


def test_nothing_above_the_thresholds_names_their_file(photos, capsys):
    path = thresholds_file(photos, car=1.0, bus=1.0, tram=1.0)
    assert predict(photos, detector_files.keras_file(), photos / "1.png", "--thresholds", path) == 0
    assert f"nothing reaches the thresholds of {path}: the best score" in capsys.readouterr().out
