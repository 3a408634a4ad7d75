"""`yolo-tf benchmark` and `yolo-tf compare`: what is printed and written is what was measured."""

import json

import detector_files
import pytest
from PIL import Image

from yolo_tf.cli import main
from yolo_tf.inference import benchmark as measuring


@pytest.fixture
def measured(monkeypatch):
    """Replaces the measurement by figures that tell its rows apart; returns the options that it was called with."""
    given = []

    def fake(paths, **options):
        given.append(options)
        return [
            measuring.Measurement(
                path=str(path),
                kind=path.suffix.removeprefix(".") or "saved_model",
                device="CPU",
                image_size=[96, 160],
                bytes=10**6 * number,
                memory_bytes=None if number == 2 else 34_000_000,
                load_seconds=0.25 * number,
                first_call_seconds=1.5 * number,
                median_ms=8.0 * number,
                p95_ms=9.0 * number,
                ratio=1.0 * number,
                cpu_ms=7.0 * number,
                cores=0.9 * number,
            )
            for number, path in enumerate(paths, 1)
        ]

    monkeypatch.setattr(measuring, "benchmark", fake)
    return given


@pytest.fixture
def data_yaml(tmp_path):
    """Three images with one box each, of which one has a class that is not there."""
    for folder in ("images", "labels"):
        (tmp_path / folder / "test").mkdir(parents=True)
    for index in range(3):
        Image.fromarray(detector_files.images()[index]).save(tmp_path / "images" / "test" / f"{index}.png")
        (tmp_path / "labels" / "test" / f"{index}.txt").write_text(f"{index + 1} 0.5 0.5 0.4 0.6\n")
    path = tmp_path / "data.yaml"
    path.write_text("path: nowhere\ntest: images/test\nnames: [car, bus, tram]\n")
    return path


def run(*words):
    return main([str(word) for word in words])


def test_benchmark(measured, tmp_path, capsys):
    models = [detector_files.keras_file(), detector_files.tflite_file()]
    words = ["--batch", 3, "--threads", 2, "--repeats", 40, "--image-size", 96, "--json", tmp_path / "r.json"]
    assert run("benchmark", *models, *words) == 0
    assert measured == [{"image_size": 96, "batch": 3, "threads": 2, "repeats": 40}]
    header, machine, columns, first, second, *_ = capsys.readouterr().out.splitlines()
    assert header.startswith("batch 3, 2 of ") and header.endswith("40 calls in turns of 10 after 5 to warm up")
    assert "tensorflow 2" in machine and columns.split()[:3] == ["model", "kind", "input"]
    assert first.split()[1:] == ["keras", "96", "x", "160", "1.00", "8.00", "9.00", "1.00", "7.00", "0.90", "34", "0.25", "1.50"]
    numbers = ["2.00", "16.00", "18.00", "2.00", "14.00", "1.80", "-", "0.50", "3.00"]
    assert second.split()[1:] == ["tflite", "96", "x", "160", *numbers]
    result = json.loads((tmp_path / "r.json").read_text())
    assert result["conditions"]["threads"] == 2 and [row["median_ms"] for row in result["models"]] == [8, 16]


@pytest.mark.slow
def test_compare(measured, data_yaml, capsys):
    """The accuracy is that of `evaluate`, whatever the format."""
    models, out = [detector_files.keras_file(), detector_files.tflite_file()], data_yaml.parent / "out"
    data = ["--data", data_yaml, "--path", data_yaml.parent, "--split", "test", "--lenient"]
    assert run("evaluate", models[0], *data, "--json", data_yaml.parent / "e.json") == 0
    expected = json.loads((data_yaml.parent / "e.json").read_text())
    capsys.readouterr()
    assert run("compare", *models, *data, "--out", out) == 0
    printed = capsys.readouterr().out
    assert "\ntest: 1 bad labels left out" in printed and (out / "comparison.txt").read_text() in printed
    result = json.loads((out / "comparison.json").read_text())
    for row in result["models"]:
        assert row["AP"] == pytest.approx(expected["AP"], abs=1e-3) and row["AP50"] == pytest.approx(expected["AP50"], abs=1e-3)
    assert result["conditions"]["images"] == 3 and result["conditions"]["split"] == "test"
    assert (out / "comparison.txt").read_text().startswith(f"3 images of {data_yaml}, test; batch 1, ")
    markdown = (out / "comparison.md").read_text()
    assert f"| {models[1]} | tflite | 96 x 160 | {expected['AP']:.3f} | {expected['AP50']:.3f} | 2.00 | 16.00 |" in markdown
    assert (
        "too few images (3), or no box to find, to say which difference is real" in printed and "too few images (3)" in markdown
    )
    with Image.open(out / "comparison.png") as picture:
        assert picture.format == "PNG"


def test_compare_wants_the_classes_of_the_data_set(measured, data_yaml, capsys):
    data_yaml.write_text("path: .\ntest: images/test\nnames: [car, bus, tram, lorry]\n")
    assert run("compare", detector_files.keras_file(), "--data", data_yaml, "--split", "test") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "tiny.keras: finds 3 classes, ['car', 'bus', 'tram']; the data set has 4, " in line and not measured
    assert "only the data set has ['lorry']" in line


def test_a_missing_model_is_told_before_anything_is_measured(measured, data_yaml, capsys):
    words = ["--data", data_yaml, "--path", data_yaml.parent, "--split", "test", "--lenient"]
    assert run("compare", detector_files.keras_file(), "none.onnx", *words) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("yolo-tf compare: none.onnx: no such file or directory. Expected") and not measured


def test_a_place_that_is_taken_is_told_before_anything_is_measured(measured, data_yaml, capsys):
    words = ["--data", data_yaml, "--path", data_yaml.parent, "--split", "test", "--lenient", "--out", data_yaml]
    assert run("compare", detector_files.keras_file(), *words) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"{data_yaml}: is a file. Expected a directory. Change --out" in line and not measured


def test_bad_numbers_are_one_line(capsys):
    assert run("benchmark", detector_files.keras_file(), "--threads", 0) == 2
    assert capsys.readouterr().err == "yolo-tf benchmark: --threads: got 0. Expected a whole number above 0.\n"


def test_compare_tells_whether_a_difference_is_real(measured, tmp_path, monkeypatch, capsys):
    """Twelve images, all boxes found by the second file and half of them by the first."""
    import numpy as np

    from yolo_tf.commands import compare
    from yolo_tf.sources import read_dataset, read_source
    from yolo_tf.structures import ImageDetections

    for folder in ("images/val", "labels/val"):
        (tmp_path / folder).mkdir(parents=True)
    for index in range(12):
        Image.fromarray(detector_files.images()[0]).save(tmp_path / "images" / "val" / f"{index:02}.png")
        (tmp_path / "labels" / "val" / f"{index:02}.txt").write_text("1 0.5 0.5 0.4 0.6\n")
    data = tmp_path / "data.yaml"
    data.write_text("path: .\nval: images/val\nnames: [car, bus, tram]\n")
    dataset, calls = read_dataset(read_source(data, path=""), "val"), []

    def found(path, matched, image_size):
        from yolo_tf.evaluation.evaluate import measure

        hit = [number % 2 == 0 or bool(calls) for number in range(12)]
        calls.append(path)
        scores = np.array([0.9], np.float32)
        boxes = [ImageDetections(boxes=one.boxes, scores=scores, class_ids=one.class_ids) for one in dataset.records]
        nothing = ImageDetections(boxes=boxes[0].boxes[:0], scores=scores[:0], class_ids=boxes[0].class_ids[:0])
        return measure(matched, [one if is_hit else nothing for one, is_hit in zip(boxes, hit, strict=True)], 1.0)

    monkeypatch.setattr(compare, "_evaluate", found)
    models = [detector_files.keras_file(), detector_files.tflite_file()]
    assert run("compare", *models, "--data", data, "--out", tmp_path / "out") == 0
    line = capsys.readouterr().out.splitlines()[-2]
    assert line.startswith(f"{models[1]} against {models[0]}: AP +0.495, 95 % interval +0.")
    assert line.endswith(" on 12 images: the difference is real")
    assert line in (tmp_path / "out" / "comparison.txt").read_text() and line in (tmp_path / "out" / "comparison.md").read_text()
    first, second = json.loads((tmp_path / "out" / "comparison.json").read_text())["models"]
    assert first["difference"] is None and second["difference"]["is_real"] is True
    assert second["difference"]["AP"] == pytest.approx(1 - 51 / 101) and second["difference"]["images"] == 12
