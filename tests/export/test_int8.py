import csv
import json
import zipfile

import detector_files
import keras
import numpy as np
import pytest
import tensorflow as tf

from yolo_tf.config import ModelConfig
from yolo_tf.errors import InputError
from yolo_tf.export import Comparison, export_detector, int8
from yolo_tf.export.int8 import check_convolutions, names_at_the_ends, names_behind_convolutions
from yolo_tf.export.int8_ranges import set_ranges
from yolo_tf.export.parity import ParityError, Tolerance
from yolo_tf.export.tflite import PRECISIONS, Quantization
from yolo_tf.export.tflite_graph import Operation, Tensor, read_operations
from yolo_tf.inference.detector import open_detector
from yolo_tf.models.network import build_network
from yolo_tf.pictures.generated_images import generated_images

CALIBRATION = list(generated_images((96, 160), count=17, seed=9))


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """(path of an int8 file of uint8 pixels, its ParityReport, the rows of its errors layer by layer)."""
    place = tmp_path_factory.mktemp("int8")
    quantization = Quantization(
        precision="int8", io_type="uint8", calibration=CALIBRATION, calibration_origin="17 pictures", per_layer=place / "e.csv"
    )
    report = export_detector(
        detector_files.keras_file(), "tflite", place / "q.tflite", detect=detector_files.DETECT, quantization=quantization
    )
    return place / "q.tflite", report, list(csv.DictReader((place / "e.csv").read_text().splitlines()))


def test_pixels_go_in_as_they_are_and_boxes_come_out_in_float(exported):
    path, report, _ = exported
    runner = tf.lite.Interpreter(model_path=str(path)).get_signature_runner("candidates")
    (images,) = runner.get_input_details().values()
    assert images["dtype"] is np.uint8 and images["quantization"] == (1.0, 0) and images["shape"].tolist() == [1, 96, 160, 3]
    outputs = {name: (value["shape"].tolist(), value["dtype"]) for name, value in runner.get_output_details().items()}
    assert outputs == {"boxes": ([1, 630, 4], np.float32), "scores": ([1, 630, 3], np.float32)}
    assert report.num_images == 16 and report.same_candidates > 0.99 and 0.001 < report.score_difference < 0.05


def test_convolutions_are_in_int8_and_the_decode_in_float(exported):
    """Five convolutions of the backbone and two for each of the three heads, boxes apart from scores."""
    content = exported[0].read_bytes()
    operations = read_operations(content)
    convolutions = [operation for operation in operations if operation.name == "CONV_2D"]
    assert [operation.outputs[0].dtype for operation in convolutions] == ["INT8"] * 11
    assert {operation.inputs[1].dtype for operation in convolutions} == {"INT8"}
    sigmoids = [operation.outputs[0].dtype for operation in operations if operation.name == "LOGISTIC"]
    assert sorted(sigmoids) == ["FLOAT32"] * 3 + ["INT8"] * 5  # of the decode, and of SiLU
    details = tf.lite.Interpreter(model_content=content).get_tensor_details()
    scales = {operation.inputs[1].number[1]: len(details[operation.inputs[1].number[1]]["quantization_parameters"]["scales"])
              for operation in convolutions}  # fmt: skip
    assert sorted(scales.values()) == [8, 8, 8, 8, 8, 8, 8, 12, 16, 20, 24]  # one for each output channel


def test_boxes_have_steps_of_their_own(exported):
    """Not those of the scores of the same level, though both go into one concatenation."""
    content = exported[0].read_bytes()
    details = tf.lite.Interpreter(model_content=content).get_tensor_details()
    steps = {"box": [], "score": []}
    for operation in read_operations(content):
        part = next((part for part in steps if operation.name == "CONV_2D" and f"_{part}" in operation.inputs[1].name), None)
        if part:
            steps[part].append(details[operation.outputs[0].number[1]]["quantization"][0])
    assert len(steps["box"]) == len(steps["score"]) == 3
    assert all(box != pytest.approx(score, rel=0.01) for box, score in zip(steps["box"], steps["score"], strict=True))


def test_what_was_inserted_is_called_after_what_it_reads(exported):
    operations = read_operations(exported[0].read_bytes())
    names = [one.outputs[0].name for one in operations if one.name in ("QUANTIZE", "DEQUANTIZE")]
    assert len(names) == len({*names}) > 3 and sum(name.endswith("/in_float") for name in names) > 3


@pytest.mark.slow
def test_a_file_written_twice_is_the_same(exported, tmp_path):
    quantization = Quantization(precision="int8", io_type="uint8", calibration=CALIBRATION, calibration_origin="17 pictures")
    export_detector(
        detector_files.keras_file(), "tflite", tmp_path / "q.tflite", detect=detector_files.DETECT, quantization=quantization
    )
    assert (tmp_path / "q.tflite").read_bytes() == exported[0].read_bytes()


def test_float_images_are_rounded(exported):
    detector = open_detector(exported[0])
    images = detector_files.images()[:2]
    boxes, scores = detector.candidates(images)
    assert boxes.shape == (2, 630, 4) and scores.shape == (2, 630, 3) and scores.numpy().std() > 0.1
    np.testing.assert_array_equal(detector.candidates(images + np.float32(0.4))[0], boxes)
    assert np.abs(detector.candidates(images // 2)[0] - boxes).max() > 1


def test_the_errors_of_every_layer(exported):
    rows = exported[2]
    steps = [float(row["rms_error_in_steps"]) for row in rows]
    assert steps == sorted(steps, reverse=True) and 0.2 < steps[0] < 1
    assert sum(row["operation"] == "CONV_2D" for row in rows) == 11
    for row in rows:
        assert float(row["rms_error"]) == pytest.approx(float(row["rms_error_in_steps"]) * float(row["scale"]))
        assert float(row["largest_error"]) >= float(row["rms_error"])


def test_the_facts_ride_along(exported):
    with zipfile.ZipFile(exported[0]) as archive:
        facts = json.loads(archive.read("tflite.json"))
        assert json.loads(archive.read("detector.json"))["class_names"] == list(detector_files.CLASS_NAMES)
    assert facts == {
        "precision": "int8",
        "pixels": {"order": "RGB", "least": 0, "largest": 255, "letterbox_grey": 114},
        "calibration": "17 pictures",
        "float_start": 0,
        "nms": None,
    }


def test_steps_too_coarse_do_not_pass(tmp_path, monkeypatch):
    def set_wide_ranges(content, ranges, **names):
        return set_ranges(content, ranges._replace(least=ranges.least * 30, largest=ranges.largest * 30), **names)

    monkeypatch.setattr(int8, "set_ranges", set_wide_ranges)
    quantization = Quantization(precision="int8", calibration=CALIBRATION)
    with pytest.raises(ParityError, match="q.tflite: not written, for it differs .* candidates differ so; at most 15.0% may"):
        export_detector(
            detector_files.keras_file(),
            "tflite",
            tmp_path / "q.tflite",
            detect=detector_files.DETECT,
            comparison=Comparison(images=detector_files.images()),
            quantization=quantization,
        )
    assert not any(tmp_path.iterdir())


def test_what_stands_behind_the_last_convolutions():
    """conv a -> sigmoid -> conv b -> reshape -> sum, and from the sigmoid straight to the sum: a skip connection."""
    image, a, gate, b, flat, total = (Tensor((0, number), name, "FLOAT32") for number, name in enumerate("xagbfs"))
    operations = [
        Operation("CONV_2D", (image,), (a,)),
        Operation("LOGISTIC", (a,), (gate,)),
        Operation("DEPTHWISE_CONV_2D", (gate,), (b,)),
        Operation("RESHAPE", (b,), (flat,)),
        Operation("ADD", (flat, gate), (total,)),
    ]
    decode = names_behind_convolutions(operations)
    assert sorted(decode) == ["f", "s"]
    # the image, and all that the decode is made from
    assert sorted(names_at_the_ends(operations, decode)) == ["b", "f", "g", "x"]
    assert sorted(names_at_the_ends(operations[:3], [])) == ["x"], "where nothing stands behind it"


def test_convolutions_in_float_are_refused():
    message = "precision: int8 leaves 8 of 8 convolutions in float, the first '.+'. Expected all in int8. Use `precision` dynamic"
    with pytest.raises(InputError, match=message):
        check_convolutions(detector_files.tflite_file().read_bytes())


@pytest.mark.long
@pytest.mark.parametrize("backbone", ["csp_darknet", "efficientnetb0", "mobilenetv2", "convnext_tiny", "repvgg_a0"])
def test_whole_networks(backbone, tmp_path, monkeypatch):
    """Networks of the package itself, with batch norms that have seen images: depthwise, squeeze-and-excitation, layer norms."""
    keras.utils.set_random_seed(2)
    anchors, classes = detector_files.ANCHORS, detector_files.CLASS_NAMES
    network = build_network(ModelConfig(backbone=backbone), num_classes=len(classes), anchors=anchors)
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0
    network(np.float32(CALIBRATION), training=True)
    path = detector_files.write_detector(network, tmp_path / "network.keras")
    # what a network has not learnt, rounding moves further than what it has
    loose = Tolerance(overlap=0.5, box=2.0, score=0.5, share=0.8)
    monkeypatch.setitem(PRECISIONS, "int8", PRECISIONS["int8"]._replace(tolerance=loose))
    quantization = Quantization(precision="int8", calibration=CALIBRATION)
    report = export_detector(path, "tflite", tmp_path / "q.tflite", detect=detector_files.DETECT, quantization=quantization)
    assert report.same_candidates > 0.8 and (tmp_path / "q.tflite").stat().st_size < 0.4 * path.stat().st_size
