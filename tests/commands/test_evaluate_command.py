"""`yolo-tf evaluate` on a small YOLO data set: every option reaches what it is about."""

import json
import re

import detector_files
import pytest
from PIL import Image

from yolo_tf.cli import main

SIZES = ((60, 200), (300, 120), (96, 160))  # (height, width)


@pytest.fixture
def data_yaml(tmp_path):
    """Three images of three shapes with one box each."""
    for folder in ("images/val", "labels/val"):
        (tmp_path / folder).mkdir(parents=True)
    for index, (height, width) in enumerate(SIZES):
        picture = Image.fromarray(detector_files.images()[index]).resize((width, height))
        picture.save(tmp_path / "images" / "val" / f"{index}.png")
        (tmp_path / "labels" / "val" / f"{index}.txt").write_text(f"{index} 0.5 0.5 0.4 0.6\n")
    path = tmp_path / "data.yaml"
    path.write_text("path: .\nval: images/val\nnames: [car, bus, tram]\n")
    return path


def evaluate(data_yaml, model, *words):
    """Returns (exit code, the numbers or None)."""
    result = data_yaml.parent / "result.json"
    code = main(["evaluate", str(model), "--data", str(data_yaml), *(str(word) for word in words), "--json", str(result)])
    return code, json.loads(result.read_text()) if result.exists() else None


@pytest.fixture
def seen(monkeypatch):
    """The shapes that the network saw, and the options that suppression was called with."""
    from yolo_tf.evaluation import evaluate as evaluation
    from yolo_tf.inference import detector as runtime

    opened, suppressed = runtime.open_detector, evaluation.suppress_and_count
    shapes, detects = [], []

    def open_spy(path):
        detector = opened(path)

        def candidates(images):
            shapes.append(tuple(images.shape[:3]))
            return detector.candidates(images)

        return runtime.dataclasses.replace(detector, candidates=candidates)

    def suppress_spy(boxes, scores, detect):
        detects.append(detect)
        return suppressed(boxes, scores, detect)

    monkeypatch.setattr(runtime, "open_detector", open_spy)
    monkeypatch.setattr(evaluation, "suppress_and_count", suppress_spy)
    return shapes, detects


def test_plain(data_yaml, seen, capsys):
    code, metrics = evaluate(data_yaml, detector_files.keras_file(), "--batch-size", 2)
    assert (code, metrics["images"], metrics["boxes"]) == (0, 3, 3) and "insight" not in metrics
    shapes, detects = seen
    assert shapes == [(2, 96, 160), (1, 96, 160)]
    assert (detects[0].max_detections, detects[0].class_agnostic, detects[0].multi_label) == (300, False, True)
    shown = capsys.readouterr().out
    assert shown.startswith("val: 3 images (3 with labels, 0 empty, 0 without a label file), 3 boxes\n3/3 images, ")
    assert "\r" not in shown, "a short run that nobody watches says its end alone"


@pytest.mark.parametrize("model", [detector_files.keras_file, detector_files.saved_model])
def test_rect_and_augment_reach_the_network(model, data_yaml, seen):
    """Ratios .3 .6 2.5 at side 160: 4 x 6 strides for the first two, 6 x 3 for the last."""
    words = ("--rect", "--augment", "--image-size", 160, "--batch-size", 2)
    code, metrics = evaluate(data_yaml, model(), *words)
    assert code == 0 and 0 <= metrics["AP"] <= 1
    # 128 x 192 scaled: 106.2 x 159.4, 85.8 x 128.6; 192 x 96 scaled: 159.4 x 79.7, 128.6 x 64.3
    first, last = [(2, 128, 192), (2, 128, 160), (2, 96, 160)], [(1, 192, 96), (1, 160, 96), (1, 160, 96)]
    assert seen[0] == first + last


def test_options_of_suppression_arrive(data_yaml, seen):
    words = ("--class-agnostic", "--max-detections", 7, "--score-threshold", 0.125, "--iou-threshold", 0.5)
    assert evaluate(data_yaml, detector_files.keras_file(), *words)[0] == 0
    detect = seen[1][0]
    assert (detect.class_agnostic, detect.max_detections) == (True, 7)
    assert (detect.score_threshold, detect.iou_threshold) == (0.125, 0.5)


@pytest.mark.parametrize(
    "model, words, message",
    [
        (detector_files.keras_file, ["--rect"], "--image-size: 96 x 160 px (height x width) is no square. Expected one for rect"),
        (detector_files.tflite_file, ["--rect"], "--rect: {model} takes images of 96 x 160 px (height x width) only. Expected a"),
        (detector_files.tflite_file, ["--augment"], "--augment: {model} takes images of 96 x 160 px (height x width) only."),
        (detector_files.keras_file, ["--max-detections", "0"], "--max-detections: expected 1..100000, got 0"),
    ],
)
def test_bad_options_are_one_line(model, words, message, data_yaml, capsys):
    assert evaluate(data_yaml, model(), *words) == (2, None)
    captured = capsys.readouterr()
    assert message.format(model=model()) in captured.err.splitlines()[-1]
    assert "/3 images" not in captured.out


def test_a_cap_that_cuts_candidates_is_told(data_yaml, capsys):
    """The small detector has 630 candidates of a picture; the line says how many would be all above the threshold."""
    assert evaluate(data_yaml, detector_files.keras_file(), "--max-candidates", 5)[0] == 0
    said = capsys.readouterr().out.splitlines()[-1]
    found = re.fullmatch(r"3 of 3 images had more than the 5 candidates that enter suppression, up to (\d+): .*", said)
    assert said.endswith(f"Look at all of them with --max-candidates {found[1]}.")
    assert evaluate(data_yaml, detector_files.keras_file(), "--max-candidates", found[1])[0] == 0
    assert "enter suppression" not in capsys.readouterr().out


def test_out_holds_what_lies_behind_the_numbers(data_yaml, capsys):
    out, path = data_yaml.parent / "results" / "report", data_yaml.parent / "new" / "thresholds.json"
    code, values = evaluate(data_yaml, detector_files.keras_file(), "--out", out, "--thresholds", path)
    written = json.loads((out / "evaluation.json").read_text())
    assert code == 0 and written.items() <= values.items() and set(values) - set(written) == {"schema_version"}
    per_class = values["insight"]["thresholds"]["per_class"]
    assert sum(one["images"] for one in values["insight"]["slices"]["boxes_per_image"].values()) == values["images"] == 3
    assert capsys.readouterr().out.splitlines()[-1] == f"written: {out / 'report.html'}"
    assert f"{data_yaml}, val: 3 images, 3 boxes" in (out / "report.html").read_text()

    content = json.loads(path.read_text())
    assert content["classes"] == {name: per_class[name]["score_threshold"] for name in ("car", "bus", "tram")}
    assert content["measured_on"]["images"] == 3 and content["measured_on"]["data"] == str(data_yaml)
    assert (out / "thresholds.json").read_text() == path.read_text()


def test_out_that_is_a_file_is_one_line_before_the_work(data_yaml, capsys):
    assert evaluate(data_yaml, detector_files.keras_file(), "--out", data_yaml) == (2, None)
    captured = capsys.readouterr()
    assert "is a file. Expected a directory. Change --out" in captured.err.splitlines()[-1] and "/3 images" not in captured.out


def test_thresholds_need_boxes(data_yaml, capsys):
    for labels in (data_yaml.parent / "labels" / "val").iterdir():
        labels.write_text("")
    path = data_yaml.parent / "thresholds.json"
    assert evaluate(data_yaml, detector_files.keras_file(), "--thresholds", path) == (2, None)
    assert "--thresholds: val has no box to find. Expected some" in capsys.readouterr().err and not path.exists()
