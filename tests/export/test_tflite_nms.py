"""A TFLite file with suppression inside keeps what yolo_tf.inference.suppression keeps."""

import json
import zipfile

import detector_files
import numpy as np
import pytest
import tensorflow as tf

from yolo_tf.cli import main
from yolo_tf.config import DetectConfig
from yolo_tf.errors import InputError
from yolo_tf.export import export_detector
from yolo_tf.export.parity import ParityError
from yolo_tf.export.tflite import Quantization
from yolo_tf.export.tflite_graph import read_operations
from yolo_tf.export.tflite_nms import suppress_one_image
from yolo_tf.inference.detector import open_detector
from yolo_tf.inference.suppression import suppress
from yolo_tf.pictures.generated_images import generated_images
from yolo_tf.structures.boxes import pairwise_iou

OUTPUTS = ("boxes", "scores", "class_ids", "num_detections")
CALIBRATION = list(generated_images((96, 160), count=17, seed=9))


def draw_candidates(rng, *, classes, count=300, best=1.0):
    """Boxes in heaps around and outside an image of 640 px, scores of every height for the class of each."""
    heaps = rng.uniform(-100, 740, (12, 4))
    centre, size = heaps[rng.integers(12, size=count), :2], np.abs(heaps[rng.integers(12, size=count), 2:]) + 5
    low = centre + rng.normal(0, 12, (count, 2)) - size / 2
    boxes = np.concatenate([low, low + size * rng.uniform(0.9, 1.1, (count, 2))], -1).astype(np.float32)
    scores = rng.uniform(0, 0.2, (count, classes))
    scores[np.arange(count), rng.integers(classes, size=count)] = rng.uniform(0, best, count)
    return boxes[None], scores.astype(np.float32)[None]


@pytest.mark.parametrize(
    "classes, options",
    [
        (80, dict(max_detections=50)),
        (7, dict(max_detections=9, iou_threshold=0.3)),
        (7, dict(max_detections=300, max_candidates=60)),
        (7, dict(max_detections=50, class_agnostic=True)),
        (7, dict(max_detections=50, class_ids=(2, 5))),
        (7, dict(max_detections=50, class_thresholds=(0.3, 0.9, 0.5, 0.3, 0.7, 0.4, 0.6))),
        (7, dict(max_detections=50, class_ids=(1, 2, 5), class_thresholds=(0.3, 0.5, 0.5, 0.3, 0.7, 0.4, 0.6))),
    ],
)
def test_values_are_those_of_suppression(classes, options, tmp_path):
    detect = DetectConfig(**options)
    specs = [tf.TensorSpec([1, 300, 4], name="boxes"), tf.TensorSpec([1, 300, classes], name="scores")]
    module = tf.Module()
    module.function = tf.function(lambda boxes, scores: suppress_one_image(boxes, scores, detect), input_signature=specs)
    tf.saved_model.save(module, str(tmp_path), signatures={"only": module.function})
    converter = tf.lite.TFLiteConverter.from_saved_model(str(tmp_path), signature_keys=["only"])
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    content = converter.convert()
    assert not any(operation.name.startswith("CUSTOM") for operation in read_operations(content))
    run = tf.lite.Interpreter(model_content=content).get_signature_runner()
    rng = np.random.default_rng(0)
    counts = []
    for best in (1.0, 1.0, 1.0, 0.25):
        boxes, scores = draw_candidates(rng, classes=classes, best=best)
        expected = suppress(tf.constant(boxes), tf.constant(scores), detect)
        found = run(boxes=boxes, scores=scores)
        counts.append(int(found["num_detections"][0]))
        for name, values in zip(OUTPUTS, expected, strict=True):
            np.testing.assert_array_equal(found[name], values, err_msg=name)
            assert found[name].dtype == values.numpy().dtype
    assert min(counts[:3]) >= 5 and counts[3] == 0


@pytest.fixture(scope="module")
def with_nms(tmp_path_factory):
    """(path, ParityReport) of a float32 file with suppression."""
    path = tmp_path_factory.mktemp("nms") / "nms.tflite"
    report = export_detector(
        detector_files.keras_file(), "tflite", path, detect=detector_files.DETECT, quantization=Quantization(nms=True)
    )
    return path, report


def test_two_signatures_and_one_set_of_weights(with_nms):
    path, report = with_nms
    content, plain = path.read_bytes(), detector_files.tflite_file().read_bytes()
    interpreter = tf.lite.Interpreter(model_content=content)
    assert list(interpreter.get_signature_list()) == ["detections", "candidates"]
    outputs = interpreter.get_signature_runner("detections").get_output_details()
    assert {name: (value["shape"].tolist(), value["dtype"]) for name, value in outputs.items()} == {
        "boxes": ([1, 40, 4], np.float32),
        "scores": ([1, 40], np.float32),
        "class_ids": ([1, 40], np.int32),
        "num_detections": ([1], np.int32),
    }
    count = [sum(operation.name == "CONV_2D" for operation in read_operations(one)) for one in (content, plain)]
    assert count == [16, 8] and len(content) < len(plain) + 30_000  # two graphs, one set of weights
    assert report.same_detections == 1 and report.num_detections > 20


def test_the_detector_serves_and_gives_candidates(with_nms):
    detector, network = open_detector(with_nms[0]), open_detector(detector_files.keras_file())
    images = detector_files.images()
    expected = network.candidates(images)
    for one, other in zip(detector.candidates(images), expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-3)
    found, twin = detector.serve(images), suppress(*expected, detector_files.DETECT)
    assert found.num_valid.numpy().min() > 3
    np.testing.assert_array_equal(found.num_valid, twin.num_valid)
    np.testing.assert_array_equal(found.class_ids, twin.class_ids)
    np.testing.assert_allclose(found.boxes, twin.boxes, atol=1e-3)
    assert open_detector(detector_files.tflite_file()).serve is None


def test_thresholds_stand_in_the_file(with_nms):
    with zipfile.ZipFile(with_nms[0]) as archive:
        facts = json.loads(archive.read("tflite.json"))["nms"]
    assert facts == {
        "score_threshold": 0.3,
        "class_thresholds": [],
        "iou_threshold": 0.5,
        "max_detections": 40,
        "max_candidates": 200,
        "class_agnostic": False,
        "class_ids": [],
    }


def check_is_suppressed(found, boxes, scores):
    """Holds detections of one image against what suppression is, whichever way ties went: int8 has many equal scores."""
    count, detect = int(found[3]), detector_files.DETECT
    kept = {}  # candidate -> its class
    for box, score, class_id in zip(found[0][:count], found[1][:count], found[2][:count], strict=True):
        (candidate, *_) = np.flatnonzero((boxes == box).all(-1) & (scores[:, class_id] == score))
        kept[candidate] = class_id
    assert len(kept) == count and (np.diff(found[1]) <= 0).all() and found[1][:count].min() > detect.score_threshold
    best, classes = scores.max(-1), scores.argmax(-1)
    assert all(best[candidate] == scores[candidate, class_id] for candidate, class_id in kept.items())
    members = list(kept)
    overlaps = pairwise_iou(boxes, boxes[members]).numpy() * (classes[:, None] == classes[members])
    assert (overlaps[members] > detect.iou_threshold).sum() == count, "each overlaps only itself"
    least = max(detect.score_threshold, np.sort(best)[-detect.max_candidates], found[1][-1])  # above it no limit had a say
    suppressors = (overlaps > detect.iou_threshold - 1e-5) & (best[members] >= best[:, None])
    assert suppressors.any(-1)[best > least].all() and (best > least).sum() > count


@pytest.mark.parametrize("io_type", ["uint8", pytest.param("float", marks=pytest.mark.long)])
def test_in_int8_suppression_is_float(io_type, tmp_path):
    path = tmp_path / "q.tflite"
    quantization = Quantization(precision="int8", io_type=io_type, calibration=CALIBRATION, nms=True)
    report = export_detector(detector_files.keras_file(), "tflite", path, detect=detector_files.DETECT, quantization=quantization)
    operations = read_operations(path.read_bytes())
    assert [one.outputs[0].dtype for one in operations if one.name == "CONV_2D"] == ["INT8"] * 22  # 11 in each of two graphs
    (nms,) = (one for one in operations if one.name.startswith("NON_MAX_SUPPRESSION"))
    assert [tensor.dtype for tensor in nms.inputs[:2]] == ["FLOAT32", "FLOAT32"]
    assert [one.outputs[0].dtype for one in operations if one.name == "TOPK_V2"] == ["FLOAT32"]
    detector = open_detector(path)
    images = detector_files.images()
    found, (boxes, scores) = detector.serve(images), detector.candidates(images)
    for index in range(len(images)):
        check_is_suppressed([one[index].numpy() for one in found], boxes[index].numpy(), scores[index].numpy())
    assert report.same_detections > 0.8 and found.num_valid.numpy().min() > 3


@pytest.mark.slow
def test_a_wrong_suppression_does_not_pass(tmp_path, monkeypatch):
    from yolo_tf.export import tflite

    def loose(boxes, scores, detect):
        return suppress_one_image(boxes, scores, DetectConfig(score_threshold=0.3, iou_threshold=0.9, max_detections=40))

    monkeypatch.setattr(tflite, "suppress_one_image", loose)
    with pytest.raises(ParityError, match="only the file finds class"):
        export_detector(
            detector_files.keras_file(),
            "tflite",
            tmp_path / "no.tflite",
            detect=detector_files.DETECT,
            quantization=Quantization(nms=True),
        )
    assert not any(tmp_path.iterdir())


def test_the_commands_take_it(with_nms, tmp_path, capsys):
    from PIL import Image

    Image.fromarray(detector_files.images()[0]).save(tmp_path / "1.png")
    found = []
    for model in (with_nms[0], detector_files.tflite_file()):
        assert main(["predict", str(model), str(tmp_path / "1.png"), "--out", str(tmp_path / "out"), "--save-json"]) == 0
        found.append(json.loads((tmp_path / "out" / "detections.json").read_text())["images"])
    assert found[0] == found[1] and found[0][0]["detections"]


@pytest.mark.parametrize(
    "words, message",
    [
        (["--format", "saved_model"], "--nms: does not fit --format saved_model. Expected --format tflite. Leave --nms out"),
        (["--format", "tflite", "detect.multi_label=true"], "detect.multi_label: got true with --nms. Expected false"),
    ],
)
def test_bad_options(words, message, tmp_path, capsys):
    suffix = ".tflite" if "tflite" in words else ""
    out = ["--out", str(tmp_path / f"out{suffix}"), "--nms"]
    assert main(["export", str(detector_files.keras_file()), *words, *out]) == 2
    assert message in capsys.readouterr().err.splitlines()[-1] and not any(tmp_path.iterdir())


def test_multi_label_is_refused():
    from yolo_tf.export.tflite_nms import check_detect

    with pytest.raises(InputError, match="in a TFLite file a candidate has one class. Leave it out"):
        check_detect(DetectConfig(multi_label=True))
