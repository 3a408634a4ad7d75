"""A detector that wants its images in the corner gets them there from every command, and in every file that it becomes."""

import dataclasses
import json

import detector_files
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from yolo_tf.cli import main
from yolo_tf.export import Comparison, export_detector
from yolo_tf.files import read_spec
from yolo_tf.files.keras import load_network, save_network
from yolo_tf.inference.detector import open_detector
from yolo_tf.inference.prediction import predict_image
from yolo_tf.pictures.generated_images import generated_images


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """corner.keras, the small detector with the other letterbox, and a wide photograph that is labelled by it."""
    folder = tmp_path_factory.mktemp("corner")
    spec = dataclasses.replace(detector_files.SPEC, letterbox="corner")
    save_network(load_network(detector_files.keras_file()), spec, folder / "corner.keras")
    (folder / "images").mkdir()
    Image.fromarray(generated_images((60, 200), count=1, seed=4)[0].astype(np.uint8)).save(folder / "images" / "wide.png")
    detector = open_detector(folder / "corner.keras")
    found = predict_image(detector, folder / "images" / "wide.png", detect=detector_files.DETECT).detections
    assert len(found) > 3
    boxes = found.boxes / [200, 60, 200, 60]
    (folder / "labels").mkdir()
    rows = [
        f"{class_id} {(left + right) / 2} {(top + bottom) / 2} {right - left} {bottom - top}"
        for class_id, (left, top, right, bottom) in zip(found.class_ids, boxes)
    ]
    (folder / "labels" / "wide.txt").write_text("\n".join(rows))
    names = json.dumps(list(detector_files.CLASS_NAMES))
    (folder / "data.yaml").write_text(f"format: yolo\npath: {folder}\ntrain: images\nval: images\nnames: {names}\n")
    return folder


def evaluated(folder, *options):
    command = ["evaluate", folder / "corner.keras", "--data", folder / "data.yaml", "--iou-threshold", 0.5, *options]
    assert main([*map(str, command), "--json", str(folder / "e.json")]) == 0
    return json.loads((folder / "e.json").read_text())["AP"]


def test_evaluate_and_predict_do_as_the_file_says_unless_told_otherwise(folder, capsys):
    own, centred = evaluated(folder), evaluated(folder, "--letterbox", "center")
    assert own > 0.9 > centred
    boxes = {}
    for name, options in (("own", ()), ("corner", ("--letterbox", "corner")), ("center", ("--letterbox", "center"))):
        command = ["predict", folder / "corner.keras", folder / "images", "--out", folder / name, "--no-pictures", "--save-json"]
        assert main([*map(str, command), *options]) == 0
        boxes[name] = (folder / name / "detections.json").read_text()
    assert boxes["own"] == boxes["corner"] != boxes["center"]
    with pytest.raises(SystemExit):
        main(["evaluate", str(folder / "corner.keras"), "--data", str(folder / "data.yaml"), "--letterbox", "left"])
    assert "argument --letterbox: invalid choice: 'left'" in capsys.readouterr().err


@pytest.mark.slow
def test_a_saved_model_puts_files_into_the_corner_and_is_measured_so(folder, tmp_path):
    from yolo_tf.sources import read_dataset, read_source

    dataset = read_dataset(read_source(folder / "data.yaml"), "val")
    report = export_detector(
        folder / "corner.keras",
        "saved_model",
        tmp_path / "saved",
        detect=detector_files.DETECT,
        comparison=Comparison(dataset=dataset),
    )
    assert report.accuracy["file"]["AP"] > 0.9
    assert read_spec(tmp_path / "saved").letterbox == "corner"
    content = (folder / "images" / "wide.png").read_bytes()
    answer = tf.saved_model.load(str(tmp_path / "saved")).signatures["image_bytes"](image_bytes=[content])
    expected = predict_image(
        open_detector(folder / "corner.keras"), folder / "images" / "wide.png", detect=detector_files.DETECT
    ).detections
    (count,) = answer["num_detections"].numpy()
    assert count == len(expected)
    np.testing.assert_allclose(answer["boxes"][0, :count], expected.boxes, atol=1e-2)
