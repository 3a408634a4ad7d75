"""The same pictures and objects with their classes in another order: whatever takes a model and a data set goes by name."""

import dataclasses
import json

import detector_files
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from yolo_tf.cli import main
from yolo_tf.errors import InputError
from yolo_tf.export import Comparison, export_detector
from yolo_tf.export import accuracy as export_accuracy
from yolo_tf.inference import detector as runtime
from yolo_tf.sources import read_dataset, read_source

# (height, width) of detector_files.images(); the value of all pixels of a picture says its class, in the detector's order
SIZE, GREYS = (96, 160), (40, 120, 200)
BOX = (16, 24, 80, 72)  # xyxy px


def write_data(root, names):
    """Writes six pictures, two of each class of the detector, with the numbers that `names` gives them."""
    for folder in ("images", "labels"):
        (root / folder).mkdir(parents=True)
    height, width = SIZE
    fractions = f"{(16 + 80) / 2 / width} {(24 + 72) / 2 / height} {64 / width} {48 / height}"
    for index in range(6):
        class_id = index % 3
        Image.new("RGB", (width, height), (GREYS[class_id],) * 3).save(root / "images" / f"{index}.png")
        number = names.index(detector_files.CLASS_NAMES[class_id]) if detector_files.CLASS_NAMES[class_id] in names else 0
        (root / "labels" / f"{index}.txt").write_text(f"{number} {fractions}\n")
    (root / "data.yaml").write_text(f"train: images\nval: images\nnames: {json.dumps(list(names))}\n")
    return root / "data.yaml"


@pytest.fixture
def perfect(monkeypatch):
    """Every detector that is opened finds the object of a picture, and tells its class by the grey of the first pixel."""
    opened = runtime.open_detector

    def candidates(images):
        greys = np.asarray(images, np.float32)[:, 0, 0, 0]
        class_ids = np.abs(greys[:, None] - np.array(GREYS)).argmin(1)
        boxes = np.tile(np.float32(BOX), (len(greys), 1, 1))
        return tf.constant(boxes), tf.one_hot(class_ids, 3)[:, None] * 0.9

    def open_perfect(path, **options):
        return dataclasses.replace(opened(path, **options), candidates=candidates)

    monkeypatch.setattr(runtime, "open_detector", open_perfect)


@pytest.fixture
def folders(tmp_path):
    """Returns a function that writes the data set with classes of these names and returns its YAML."""
    return lambda *names: write_data(tmp_path / "-".join(names), names)


@pytest.mark.slow
def test_evaluate(perfect, folders, tmp_path, capsys):
    found = {}
    for names in (("car", "bus", "tram"), ("bus", "car", "tram")):
        result = tmp_path / "result.json"
        model, data = str(detector_files.keras_file()), str(folders(*names))
        assert main(["evaluate", model, "--data", data, "--json", str(result), "--plots", str(tmp_path / "plots")]) == 0
        found[names] = json.loads(result.read_text())
        told = "classes are matched by name: the data set numbers them ['bus', 'car', 'tram']"
        assert (told in capsys.readouterr().out) == (names[0] == "bus")
    first, second = found.values()
    assert first["AP"] == second["AP"] == pytest.approx(1.0) and first["per_class"] == second["per_class"]


def test_other_classes_are_refused_before_anything_is_run(folders, capsys):
    model, data = str(detector_files.keras_file()), str(folders("car", "van", "tram"))
    for words in (["evaluate", model], ["compare", model]):
        assert main([*words, "--data", data]) == 2
        captured = capsys.readouterr()
        line = captured.err.splitlines()[-1]
        assert "only the detector has ['bus']; only the data set has ['van']" in line and "images per second" not in captured.out


@pytest.mark.slow
def test_compare(perfect, folders, capsys):
    data = folders("tram", "bus", "car")
    assert main(["compare", str(detector_files.keras_file()), "--data", str(data), "--repeats", "2", "--threads", "1"]) == 0
    out = capsys.readouterr().out
    assert "classes are matched by name" in out
    assert [line for line in out.splitlines() if line.startswith(str(detector_files.keras_file())) and " 1.000 " in line]


def test_the_accuracy_gate_of_an_export(folders, tmp_path, monkeypatch):
    """The network's answers do not matter here: what counts is how the boxes are numbered that they are held against."""
    seen = []
    monkeypatch.setattr(
        export_accuracy,
        "evaluate",
        lambda candidates, dataset, **options: seen.append(dataset) or type("Result", (), {"metrics": {"AP": 0.5, "AP50": 0.75}}),
    )
    dataset = read_dataset(read_source(folders("tram", "bus", "car")), "val")
    images = [np.full((*SIZE, 3), 90, np.uint8)]
    report = export_detector(
        detector_files.keras_file(), "tflite", tmp_path / "a.tflite", comparison=Comparison(images=images, dataset=dataset)
    )
    assert report.accuracy["file"]["AP"] == 0.5 and len(seen) == 2
    for held in seen:
        assert held.class_names == detector_files.CLASS_NAMES
        assert [record.class_ids.tolist() for record in held.records] == [[0], [1], [2], [0], [1], [2]]
    other = Comparison(images=images, dataset=read_dataset(read_source(folders("van", "bus", "car")), "val"))
    with pytest.raises(InputError, match="only the detector has \\['tram'\\]; only the data set has \\['van'\\]"):
        export_detector(detector_files.keras_file(), "tflite", tmp_path / "b.tflite", comparison=other)
    assert not (tmp_path / "b.tflite").exists()
