import json
import zipfile

import detector_files
import numpy as np
import pytest
from PIL import Image

from yolo_tf import export
from yolo_tf.cli import main
from yolo_tf.config import DetectConfig
from yolo_tf.errors import InputError
from yolo_tf.export.parity import ParityError
from yolo_tf.files import read_spec
from yolo_tf.inference.detector import open_detector
from yolo_tf.inference.suppression import suppress


@pytest.fixture
def photos(tmp_path):
    """20 images of one data set, all in val, with one box each."""
    (tmp_path / "images").mkdir()
    (tmp_path / "labels").mkdir()
    for index in range(20):
        (tmp_path / "labels" / f"{index:02}.txt").write_text(f"{index % 3} 0.5 0.5 0.4 0.3\n")
        Image.fromarray(detector_files.images()[index % 3][: 60 + index]).save(tmp_path / "images" / f"{index:02}.png")
    (tmp_path / "data.yaml").write_text("train: images\nval: images\nnames: [car, bus, tram]\n")
    return tmp_path


def run(*words):
    return main(["export", *(str(word) for word in words)])


@pytest.mark.long
def test_saved_model_with_thresholds_on_given_images(photos, capsys):
    out = photos / "exports" / "tiny"
    words = ["--format", "saved_model", "--out", out, "--json", photos / "r.json", "--images", photos / "images" / "0[0-4].png"]
    assert run(detector_files.keras_file(), "detect.score_threshold=0.4", *words, "detect.max_detections=9") == 0
    result = json.loads((photos / "r.json").read_text())
    assert result["num_images"] == 5 and result["num_detections"] > 5 and result["compared_on"] == "given images"
    assert result["path"] == str(out) and result["format"] == "saved_model" and result["bytes"] > 50_000
    served = open_detector(out).serve(detector_files.images())
    assert served.boxes.shape == (3, 9, 4) and (served.scores.numpy()[served.class_ids.numpy() >= 0] > 0.4).all()
    assert f"{out}: " in capsys.readouterr().out


@pytest.mark.slow
def test_tflite_on_a_data_set(photos, capsys):
    out = photos / "tiny.tflite"
    words = ["--format", "tflite", "--out", out, "--image-size", 64, "--data", photos / "data.yaml", "--json", photos / "r.json"]
    assert run(detector_files.keras_file(), *words, "--max-ap-drop", 0.01) == 0
    accuracy = json.loads((photos / "r.json").read_text())["accuracy"]
    assert accuracy["file"] == pytest.approx(accuracy["network"]) and accuracy["network"]["AP50"] >= accuracy["network"]["AP"]
    assert read_spec(out).image_size == (64, 64)
    printed = capsys.readouterr().out
    # every second of the 20
    assert f"on 10 val images of {photos / 'data.yaml'}:" in printed and "  1000 candidates and " in printed


@pytest.mark.slow
def test_int8_with_calibration_images(photos, capsys):
    out = photos / "tiny.tflite"
    words = ["--format", "tflite", "--precision", "int8", "--io", "uint8", "--calibration", "elsewhere.yaml", "--seed", 3]
    words += ["--calibration-split", "val", "--calibration-images", 18, "--per-layer", photos / "layers.csv", "--out", out]
    (photos / "elsewhere.yaml").write_text("path: nowhere\ntrain: images\nval: images\nnames: [car, bus, tram]\n")
    words[words.index("elsewhere.yaml")] = photos / "elsewhere.yaml"
    assert run(detector_files.keras_file(), *words, "--calibration-path", photos, "--image-size", 64) == 0
    assert "on 16 calibration images:" in capsys.readouterr().out
    with zipfile.ZipFile(out) as archive:
        assert json.loads(archive.read("tflite.json"))["calibration"] == "18 val images of elsewhere.yaml, seed 3"
    assert (photos / "layers.csv").read_text().startswith("layer,operation,scale,rms_error,")
    assert main(["evaluate", str(out), "--data", str(photos / "data.yaml")]) == 0
    assert "20 images, 20 boxes" in capsys.readouterr().out


def test_calibration_asks_for_no_labels(photos, capsys, monkeypatch):
    """And holds one image at a time as large as it is: each is read where it is letterboxed."""
    from yolo_tf.data import images
    from yolo_tf.export import tflite

    for path in (photos / "labels").iterdir():
        path.unlink()
    (photos / "data.yaml").write_text("train: images\nval: images\n")
    seen, reads, read_record_image = [], [], images.read_record_image

    def read(record):
        reads.append(record.image_id)
        return read_record_image(record)

    def convert(converter, quantization, tolerance):
        seen.append(quantization.calibration)
        raise InputError("enough seen")

    monkeypatch.setattr(images, "read_record_image", read)
    monkeypatch.setattr(tflite, "convert_int8", convert)
    words = ["--format", "tflite", "--precision", "int8", "--calibration", photos / "data.yaml", "--image-size", 64]
    assert run(detector_files.keras_file(), *words, "--calibration-images", 18, "--out", photos / "x.tflite") == 2
    assert "enough seen" in capsys.readouterr().err
    assert seen[0].shape == (18, 64, 64, 3) and seen[0].dtype.name == "uint8" and len(reads) == len(set(reads)) == 18


def test_too_few_calibration_images_are_one_line(photos, capsys):
    words = ["--format", "tflite", "--precision", "int8", "--calibration", photos / "data.yaml", "--calibration-images", 15]
    assert run(detector_files.keras_file(), *words, "--out", photos / "x.tflite") == 2
    assert "--calibration: got 15 images for --precision int8. Expected 16 at least" in capsys.readouterr().err


def test_overrides_may_follow_the_options(photos, capsys, monkeypatch):
    detector_files.replace_tflite_conversion(monkeypatch)
    words = ["--format", "tflite", "--out", photos / "tiny.tflite", "detect.score_threshold=0.9"]
    assert run(detector_files.keras_file(), *words) == 0
    assert "on 4 generated images (--images or --data compares on real ones):" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words, message",
    [
        (["train.epochs=3"], "'train.epochs=3': is no option of an export. Expected detect.key=value"),
        (["detect.score_treshold=3"], "config.detect: unknown key 'score_treshold'. Did you mean 'score_threshold'?"),
        (["--format", "coreml"], "--format: unknown export format 'coreml'"),
        (["--images", "none.jpg"], "none.jpg: stands for no image"),
        (["--images", "a.jpg", "--data", "b.yaml"], "--images and --data: both are given. Expected one of them"),
        (["--image-size", "100"], "100 is no positive multiple of 32"),
        (["--max-ap-drop", "0.1"], "--max-ap-drop: there is no data set. Expected one to measure the AP on. Add --data."),
        (["--precision", "int4"], "--precision: unknown precision 'int4'. Did you mean 'int8'?"),
        (["--io", "uint8"], "--io: does not fit --precision float32. Expected --precision int8"),
    ],
)
def test_bad_arguments(words, message, tmp_path, capsys):
    assert run(detector_files.keras_file(), "--format", "tflite", "--out", tmp_path / "x.tflite", *words) == 2
    error = capsys.readouterr().err.splitlines()
    assert len(error) == 1 and message in error[0]
    assert not any(tmp_path.iterdir())


def test_a_difference_is_one_line(tmp_path, capsys, monkeypatch):
    detector_files.replace_tflite_conversion(monkeypatch)

    def differ(*_):
        raise ParityError("image 1 of 4: too far.")

    monkeypatch.setattr(export, "check_parity", differ)
    assert run(detector_files.keras_file(), "--format", "tflite", "--out", tmp_path / "x.tflite") == 2
    error = capsys.readouterr().err.splitlines()
    assert "x.tflite: not written, for it differs from" in error[-1] and not any(tmp_path.iterdir())


def thresholds_of(folder):
    path = folder / "thresholds.json"
    path.write_text(json.dumps({"kind": "yolo_tf thresholds", "classes": {"tram": 0.45, "car": 0.6, "bus": 0.5}}))
    return path


def test_thresholds_of_each_class_stand_in_the_saved_model(tmp_path, capsys):
    """The detector's classes are car, bus, tram."""
    words = ["--format", "saved_model", "--out", tmp_path / "out", "--thresholds", thresholds_of(tmp_path)]
    assert main(list(map(str, ["export", detector_files.keras_file(), *words]))) == 0
    detector = open_detector(tmp_path / "out")
    images = np.stack([detector_files.images()[index] for index in range(2)]).astype(np.float32)
    found = detector.serve(images)
    expected = suppress(*detector.candidates(images), DetectConfig(class_thresholds=(0.6, 0.5, 0.45)))
    np.testing.assert_array_equal(found.class_ids, expected.class_ids)
    np.testing.assert_allclose(found.scores, expected.scores, atol=1e-6)
    ids, scores = found.class_ids.numpy().ravel(), found.scores.numpy().ravel()
    assert (ids >= 0).sum() > 3 and (scores[ids >= 0] > np.array([0.6, 0.5, 0.45])[ids[ids >= 0]]).all()


@pytest.mark.parametrize(
    "words, message",
    [
        (["--format", "onnx"], "--thresholds: a file of --format onnx holds none. Expected --format saved_model, or --nms"),
        (["--format", "tflite"], "--thresholds: a file of --format tflite holds none."),
        (["--format", "saved_model", "detect.score_threshold=0.5"], "--thresholds: detect.score_threshold is given as well."),
    ],
)
def test_thresholds_without_a_place_are_one_line(words, message, tmp_path, capsys):
    given = ["--thresholds", str(thresholds_of(tmp_path)), "--out", str(tmp_path / "out.tflite")]
    assert main(["export", str(detector_files.keras_file()), *words, *given]) == 2
    assert message in capsys.readouterr().err.splitlines()[-1] and not (tmp_path / "out.tflite").exists()
