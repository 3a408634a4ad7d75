"""What TensorFlow Serving asks of a version: it loads and runs without Python, and its warm-up requests fit."""

import json
from pathlib import Path

import c_api_loader
import detector_files
import pytest
import serving_reference as reference
import tensorflow as tf
import tensorflow_alone
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel
from tensorflow.python.tools import saved_model_cli

from yolo_tf.export.serving.files import BATCH_SIZES
from yolo_tf.export.serving.warmup import WARMUP_FILE

pytestmark = pytest.mark.slow
SIGNATURES = ("candidates", "image_bytes", "serving_default")


@pytest.fixture(scope="module")
def version():
    return detector_files.serving_bundle() / "models" / "tiny" / "1"


@pytest.fixture(scope="module")
def signatures(version):
    """{name: SignatureDef}."""
    (meta_graph,) = SavedModel.FromString((version / "saved_model.pb").read_bytes()).meta_graphs
    assert list(meta_graph.meta_info_def.tags) == ["serve"]
    return {name: meta_graph.signature_def[name] for name in SIGNATURES}


@pytest.fixture(scope="module")
def requests():
    return reference.requests()


def test_the_c_api_runs_every_signature(version, signatures, requests, tmp_path):
    """The C++ loader that the server calls too, in a process without TensorFlow for Python."""
    names = {
        name: {kind: {key: tensor.name for key, tensor in getattr(signature, kind).items()} for kind in ("inputs", "outputs")}
        for name, signature in signatures.items()
    }
    (tmp_path / "names.json").write_text(json.dumps(names))
    library = Path(tf.__file__).parent / "libtensorflow_cc.so.2"
    if not library.exists():
        pytest.skip(f"this TensorFlow has no {library.name}")
    options = {"program": c_api_loader.__file__, "arguments": [library, tmp_path / "names.json"]}
    reference.assert_same_as_the_network(tensorflow_alone.serve(version, requests, **options))


def test_tensorflow_alone_runs_every_signature(version, requests):
    """Batches of 1, 3 and 8 of 320 x 416 and 640 x 640 px among them, in a process where yolo_tf cannot be imported."""
    assert len(reference.batches()) == 6
    reference.assert_same_as_the_network(tensorflow_alone.serve(version, requests))


def test_the_warmup_requests_fit_the_signatures_and_run(version, signatures):
    from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

    session = tf.compat.v1.Session(graph=tf.Graph())
    with session.graph.as_default():
        tf.compat.v1.saved_model.load(session, ["serve"], str(version))
    records = list(tf.data.TFRecordDataset(str(version / WARMUP_FILE)).as_numpy_iterator())
    seen = []
    for record in records:
        request = PredictionLog.FromString(record).predict_log.request
        signature = signatures[request.model_spec.signature_name]
        assert request.model_spec.name == "tiny" and request.inputs.keys() == signature.inputs.keys()
        ((key, tensor),) = request.inputs.items()
        assert tensor.dtype == signature.inputs[key].dtype
        value = tf.make_ndarray(tensor)
        assert tf.TensorShape(signature.inputs[key].tensor_shape).is_compatible_with(value.shape)
        fetches = {name: output.name for name, output in signature.outputs.items()}
        found = session.run(fetches, {signature.inputs[key].name: value})
        assert found["boxes"].shape == (len(value), 40, 4)
        if key == "image_bytes":
            assert not found["status"].any()  # a decodable image, so that decoding is warm as well
        else:
            assert value.shape[1:] == (*detector_files.IMAGE_SIZE, 3)
        seen.append((request.model_spec.signature_name, len(value)))
    session.close()
    assert sorted(seen) == sorted((name, size) for name in ("serving_default", "image_bytes") for size in BATCH_SIZES)
    assert sum(map(len, records)) < 20_000  # images of one value, not megabytes of them


def test_saved_model_cli_shows_the_signatures(version, capsys):
    """Names, types and shapes as an operator reads them; the batch is the first axis of all, as batching needs it."""
    shown = {}
    for name in SIGNATURES:
        saved_model_cli._show_inputs_outputs(str(version), "serve", name)
        lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
        tensors = [line.split("'")[1] for line in lines if line.startswith(("inputs[", "outputs["))]
        kinds = [line.split()[-1] for line in lines if line.startswith("dtype:")]
        shapes = [line.removeprefix("shape: ") for line in lines if line.startswith("shape:")]
        shown[name] = sorted(zip(tensors, kinds, shapes, strict=True))
    detections = [
        ("boxes", "DT_FLOAT", "(-1, 40, 4)"),
        ("class_ids", "DT_INT32", "(-1, 40)"),
        ("images", "DT_UINT8", "(-1, -1, -1, 3)"),
        ("num_detections", "DT_INT32", "(-1)"),
        ("scores", "DT_FLOAT", "(-1, 40)"),
    ]
    assert shown["serving_default"] == detections
    files = [row for row in detections if row[0] != "images"] + [("image_bytes", "DT_STRING", "(-1)")]
    assert shown["image_bytes"] == sorted([*files, ("status", "DT_INT32", "(-1)")])
    assert shown["candidates"] == [
        ("boxes", "DT_FLOAT", "(-1, -1, 4)"),
        ("images", "DT_UINT8", "(-1, -1, -1, 3)"),
        ("scores", "DT_FLOAT", "(-1, -1, 3)"),
    ]
