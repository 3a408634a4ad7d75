import json
import subprocess
import sys

import detector_files
import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from yolo_tf.export.fold import fold_batch_norm
from yolo_tf.export.saved_model import write_saved_model
from yolo_tf.runtime import detect_images, open_detector

# Runs in a process of its own: TensorFlow alone must do.
LOAD_WITH_TENSORFLOW_ALONE = """
import json, sys
sys.modules["keras"] = sys.modules["yolo_tf"] = None  # an import of either fails
import numpy as np, tensorflow as tf
loaded = tf.saved_model.load(sys.argv[1])
images = np.load(sys.argv[2])
found = loaded.signatures["serving_default"](images=tf.constant(images))
print(json.dumps({name: tensor.numpy().tolist() for name, tensor in found.items()}))
"""


def test_signatures():
    loaded = tf.saved_model.load(str(detector_files.saved_model()))
    assert set(loaded.signatures) == {"serving_default", "candidates"}
    for signature in loaded.signatures.values():
        (spec,) = signature.structured_input_signature[1].values()
        assert (spec.name, spec.dtype, spec.shape.as_list()) == ("images", tf.uint8, [None, None, None, 3])
    outputs = loaded.signatures["serving_default"].structured_outputs
    assert {name: (spec.dtype, spec.shape.as_list()) for name, spec in outputs.items()} == {
        "boxes": (tf.float32, [None, 40, 4]),
        "scores": (tf.float32, [None, 40]),
        "class_ids": (tf.int32, [None, 40]),
        "num_detections": (tf.int32, [None]),
    }
    outputs = loaded.signatures["candidates"].structured_outputs
    assert {name: (spec.dtype, spec.shape.as_list()) for name, spec in outputs.items()} == {
        "boxes": (tf.float32, [None, None, 4]),
        "scores": (tf.float32, [None, None, 3]),
    }


def test_opens_with_tensorflow_alone(tmp_path):
    np.save(tmp_path / "images.npy", detector_files.images())
    command = [sys.executable, "-I", "-c", LOAD_WITH_TENSORFLOW_ALONE, detector_files.saved_model(), tmp_path / "images.npy"]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found = {name: np.array(values) for name, values in json.loads(output).items()}
    expected = detect_images(open_detector(detector_files.keras_file()), detector_files.images(), detector_files.DETECT)
    np.testing.assert_array_equal(found["num_detections"], expected.num_valid)
    np.testing.assert_array_equal(found["class_ids"], expected.class_ids)
    np.testing.assert_allclose(found["boxes"], expected.boxes, atol=5e-3)
    np.testing.assert_allclose(found["scores"], expected.scores, atol=1e-4)


def test_any_batch_and_size_and_the_thresholds_inside():
    detector = open_detector(detector_files.saved_model())
    for batch, height, width in ((2, 64, 128), (5, 128, 96)):
        images = np.random.default_rng(height).integers(0, 256, (batch, height, width, 3), np.uint8)
        served = detector.serve(images)
        assert served.boxes.shape == (batch, 40, 4)
        expected = detect_images(open_detector(detector_files.keras_file()), images, detector_files.DETECT)
        np.testing.assert_array_equal(served.class_ids, expected.class_ids)
        np.testing.assert_allclose(served.boxes, expected.boxes, atol=5e-3)


def test_weights_are_stored_once_and_nothing_is_bound_to_a_device(tmp_path):
    network = detector_files.build_network(filters=(16, 32, 64, 96, 128))
    write_saved_model(
        fold_batch_norm(network), tmp_path, anchors=detector_files.ANCHORS, detect=detector_files.DETECT, image_size=(96, 160)
    )
    size = sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file())
    assert network.count_params() > 190_000
    assert size < 1.3 * 4 * network.count_params()
    graph = SavedModel.FromString((tmp_path / "saved_model.pb").read_bytes()).meta_graphs[0].graph_def
    operations = {node.op for function in graph.library.function for node in function.node_def}
    assert "CombinedNonMaxSuppression" in operations and "TopKV2" in operations
    assert not operations & {"PyFunc", "EagerPyFunc", "_XlaMustCompile", "ReadFile", "WriteFile"}
    assert not any(function.attr["_XlaMustCompile"].b for function in graph.library.function)
    devices = {node.device for function in graph.library.function for node in function.node_def}
    assert not any("GPU" in device for device in devices)
