import json

import detector_files
import keras
import numpy as np
import pytest
import tensorflow as tf
from image_corpus import HEIGHT_WIDTH, huge_images, other_files, unreadable_images, whole_images
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel
from tensorflow_alone import serve

from yolo_tf import __version__
from yolo_tf.config import DetectConfig
from yolo_tf.errors import InputError
from yolo_tf.export import export_detector
from yolo_tf.export.encoded_images import OK, TOO_LARGE, UNKNOWN_FORMAT, UNREADABLE
from yolo_tf.files import read_spec
from yolo_tf.inference.detector import choose_image_size, detect_images, open_detector
from yolo_tf.inference.prediction import predict_image
from yolo_tf.pictures.generated_images import generated_images
from yolo_tf.system.atomic import size_on_disk


def as_strings(files):
    return np.array(list(files), object)


def test_signatures():
    loaded = tf.saved_model.load(str(detector_files.saved_model()))
    inputs = {name: signature.structured_input_signature[1] for name, signature in loaded.signatures.items()}
    images = tf.TensorSpec([None, None, None, 3], tf.uint8, name="images")
    assert inputs == {
        "serving_default": {"images": images},
        "image_bytes": {"image_bytes": tf.TensorSpec([None], tf.string, name="image_bytes")},
        "candidates": {"images": images},
    }
    outputs = {
        signature: {name: (spec.dtype, spec.shape.as_list()) for name, spec in function.structured_outputs.items()}
        for signature, function in loaded.signatures.items()
    }
    detections = {
        "boxes": (tf.float32, [None, 40, 4]),
        "scores": (tf.float32, [None, 40]),
        "class_ids": (tf.int32, [None, 40]),
        "num_detections": (tf.int32, [None]),
    }
    assert outputs == {
        "serving_default": detections,
        "image_bytes": {**detections, "status": (tf.int32, [None])},
        "candidates": {"boxes": (tf.float32, [None, None, 4]), "scores": (tf.float32, [None, None, 3])},
    }


@pytest.mark.slow
def test_serves_with_tensorflow_alone():
    """Batches of 1, 3 and 8 of several sizes; image files of every kind, and what only looks like one among them."""
    shapes = [(1, 640, 640), (3, 320, 416), (8, 96, 160)]
    batches = {f"serving_default-{index}": generated_images(shape[1:], count=shape[0]) for index, shape in enumerate(shapes)}
    spoiled = {**other_files(), **huge_images(), **unreadable_images()}
    answers = serve(
        detector_files.saved_model(),
        {
            **batches,
            "candidates-": detector_files.images(),
            "image_bytes-whole": as_strings(whole_images().values()),
            "image_bytes-mixed": as_strings([whole_images()["jpeg"], *spoiled.values(), whole_images()["gif"]]),
            "image_bytes-spoiled": as_strings([b"", b""]),
        },
    )
    detector = open_detector(detector_files.keras_file())
    for name, images in batches.items():
        found, expected = answers[name], detect_images(detector, images, detector_files.DETECT)
        assert found["boxes"].shape == (len(images), 40, 4) and found["num_detections"].min() > 3
        np.testing.assert_array_equal(found["num_detections"], expected.num_valid)
        np.testing.assert_array_equal(found["class_ids"], expected.class_ids)
        np.testing.assert_allclose(found["boxes"], expected.boxes, atol=5e-3)
        np.testing.assert_allclose(found["scores"], expected.scores, atol=1e-4)
    boxes, scores = detector.candidates(detector_files.images())
    np.testing.assert_allclose(answers["candidates-"]["boxes"], boxes, atol=5e-3)
    np.testing.assert_allclose(answers["candidates-"]["scores"], scores, atol=1e-4)

    whole, mixed = answers["image_bytes-whole"], answers["image_bytes-mixed"]
    assert whole["status"].tolist() == [OK] * len(whole_images())
    expected = [UNKNOWN_FORMAT] * len(other_files()) + [TOO_LARGE] * len(huge_images()) + [UNREADABLE] * len(unreadable_images())
    assert mixed["status"].tolist() == [OK, *expected, OK]
    for key in whole:  # an answer does not depend on what else is in the request
        for index, name in ((0, "jpeg"), (-1, "gif")):
            np.testing.assert_allclose(mixed[key][index], whole[key][list(whole_images()).index(name)], rtol=1e-5, atol=1e-4)
    for answer in ({key: value[1:-1] for key, value in mixed.items()}, answers["image_bytes-spoiled"]):
        assert not answer["num_detections"].any() and not answer["boxes"].any() and not answer["scores"].any()
        assert (answer["class_ids"] == -1).all() and len(answer["status"]) > 1
    assert answers["image_bytes-spoiled"]["status"].tolist() == [1, 1]


@pytest.mark.slow
def test_image_files_get_the_detections_of_predict(tmp_path):
    """In px of the file, whatever its size and ratio."""
    detector = open_detector(detector_files.keras_file())
    (tmp_path / "small.png").write_bytes(whole_images()["png"])
    (tmp_path / "large.jpg").write_bytes(tf.io.encode_jpeg(generated_images((375, 250), count=1)[0]).numpy())
    paths = sorted(tmp_path.iterdir())
    loaded = tf.saved_model.load(str(detector_files.saved_model()))
    found = loaded.signatures["image_bytes"](image_bytes=tf.constant([path.read_bytes() for path in paths]))
    for index, (path, size_hw) in enumerate(zip(paths, [(375, 250), HEIGHT_WIDTH], strict=True)):
        expected = predict_image(detector, path, image_size=detector_files.IMAGE_SIZE, detect=detector_files.DETECT).detections
        count = len(expected)
        assert found["num_detections"][index] == count > 3
        np.testing.assert_array_equal(found["class_ids"][index, :count], expected.class_ids)
        np.testing.assert_allclose(found["scores"][index, :count], expected.scores, atol=1e-4)
        np.testing.assert_allclose(found["boxes"][index, :count], expected.boxes, atol=2e-2)
        assert np.ptp(expected.boxes[:, 3]) > 10 and expected.boxes.max(0)[3] <= size_hw[0]
        assert not found["boxes"][index, count:].numpy().any()


@pytest.mark.parametrize(
    "signature, shape, message",
    [
        ("serving_default", (2, 64, 100, 3), "multiples of 32.*2 64 100 3"),
        ("serving_default", (0, 64, 96, 3), "Expected 1 or more images.*0 64 96 3"),
        ("candidates", (2, 0, 96, 3), "2 0 96 3"),
        ("image_bytes", (0,), "image_bytes: none. Expected 1 or more."),
    ],
)
def test_a_wrong_request_is_an_invalid_argument(signature, shape, message):
    """And the next one is served."""
    loaded = tf.saved_model.load(str(detector_files.saved_model()))
    name, dtype = ("image_bytes", tf.string) if signature == "image_bytes" else ("images", tf.uint8)
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        loaded.signatures[signature](**{name: tf.zeros(shape, dtype)})
    assert loaded.signatures["candidates"](images=detector_files.images())["scores"].shape == (3, 630, 3)


def test_the_thresholds_are_inside():
    detector = open_detector(detector_files.saved_model())
    served = detector.serve(detector_files.images())
    assert served.boxes.shape == (3, 40, 4) and served.scores[served.class_ids >= 0].numpy().min() >= 0.3
    more = detect_images(detector, detector_files.images(), DetectConfig(score_threshold=0.1, iou_threshold=0.5))
    assert more.num_valid.numpy().min() > 40


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """(network of some weight and of one input size, in a run directory; what was exported from it)."""
    run = tmp_path_factory.mktemp("runs") / "run7"
    run.mkdir()
    (run / "config.yaml").write_text("")
    images = keras.Input((64, 96, 3), name="images")
    network = keras.Model(images, detector_files.build_network(filters=(16, 32, 64, 96, 128))(images), name="heavy")
    path = detector_files.write_detector(network, run / "best.keras")
    export_detector(path, "saved_model", run / "out", detect=detector_files.DETECT, image_size=(64, 96))
    return network, run / "out"


def test_a_network_of_one_size_stays_so(exported):
    detector = open_detector(exported[1])
    assert choose_image_size(detector) == (64, 96)
    with pytest.raises(InputError, match="Expected 64 x 96"):
        choose_image_size(detector, (96, 64))


def test_the_assets_say_where_it_comes_from(exported):
    fields = json.loads((exported[1] / "assets.extra/detector.json").read_text())
    assert {key: fields[key] for key in ("name", "run", "yolo_tf", "class_names", "image_size")} == {
        "name": "tiny",
        "run": "run7",
        "yolo_tf": __version__,
        "class_names": ["car", "bus", "tram"],
        "image_size": [64, 96],
    }
    np.testing.assert_array_equal(fields["geometry"]["anchors"], detector_files.ANCHORS.sizes)
    assert read_spec(detector_files.saved_model()).run == ""


def test_weights_are_stored_once_and_nothing_is_bound_to_a_device(exported):
    network, path = exported
    size = sum(file.stat().st_size for file in path.rglob("variables*"))
    assert network.count_params() > 190_000
    assert 0.9 * 4 * network.count_params() < size < 1.1 * 4 * network.count_params()
    assert size_on_disk(path) < 1.3 * 4 * network.count_params() + 1e6
    graph = SavedModel.FromString((path / "saved_model.pb").read_bytes()).meta_graphs[0].graph_def
    operations = {node.op for function in graph.library.function for node in function.node_def}
    assert "CombinedNonMaxSuppression" in operations and "TopKV2" in operations
    assert not operations & {"PyFunc", "EagerPyFunc", "_XlaMustCompile", "ReadFile", "WriteFile", "FusedBatchNormV3"}
    assert not any(function.attr["_XlaMustCompile"].b for function in graph.library.function)
    devices = {node.device for function in graph.library.function for node in function.node_def}
    assert not any("GPU" in device for device in devices)
