"""The two client scripts, and requests of every kind, over loopback against the emulator (tests/support/emulator.py)."""

import json
import re
import runpy
import shutil
import subprocess
import sys
import urllib.error
import urllib.request

import detector_files
import grpc
import numpy as np
import pytest
import serving_reference as reference
import tensorflow as tf
import yaml
from image_corpus import whole_images
from PIL import Image
from places import ROOT

pytest.importorskip("tensorflow_serving", reason="needs pip install 'yolo_tf[serving]'")
from tensorflow_serving.apis import predict_pb2  # noqa: E402
from tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceStub  # noqa: E402

from yolo_tf.export.serving.files import serving_files  # noqa: E402

SCRIPTS = ROOT / "scripts"
SPOILED = ("empty", "html", "huge png", "half a jpeg")  # one of each status, after which the answers are those of whole files
WORDS = ["empty", "no format that is served", "too large", "cannot be read"]


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Paths of ten files, more than fit in a request: the whole ones, the spoiled ones between them."""
    folder = tmp_path_factory.mktemp("photos")
    files = whole_images() | {name: file for name, (file, _) in reference.spoiled_files().items()}
    names = [reference.WHOLE[0], *SPOILED, *reference.WHOLE[1:]]
    paths = [folder / f"{index:02} {name}" for index, name in enumerate(names)]
    for name, path in zip(names, paths, strict=True):
        path.write_bytes(files[name])
    return paths


@pytest.fixture
def run_client(emulator, monkeypatch, capsys):
    """(rest or grpc, *words) -> CompletedProcess; grpc runs in this process, for its import takes seconds."""

    def run(client, *words, url=None):
        command = [SCRIPTS / f"serve_client_{client}.py", "--url", url or getattr(emulator, client), *words]
        command = [str(word) for word in command]
        if client == "rest":
            return subprocess.run([sys.executable, *command], capture_output=True, text=True)
        monkeypatch.syspath_prepend(SCRIPTS)
        monkeypatch.setattr(sys, "argv", command)
        with pytest.raises(SystemExit) as end:
            runpy.run_path(command[0], run_name="__main__")
        return subprocess.CompletedProcess(command, end.value.code, *capsys.readouterr())

    return run


def test_the_rest_client_needs_no_tensorflow():
    code = "import sys, serve_client_rest; assert not {'tensorflow', 'numpy', 'grpc', 'yolo_tf'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=SCRIPTS)


@pytest.mark.parametrize("client", ["rest", "grpc"])
def test_a_client_gets_what_the_network_finds(client, run_client, photos, tmp_path):
    classes = detector_files.serving_bundle() / "models/tiny/1/assets.extra/detector.json"
    words = ["--name", "tiny", "--classes", classes, "--out", tmp_path / "drawn", "--json", tmp_path / "found.json", *photos]
    finished = run_client(client, *words)
    assert finished.returncode == 1, finished.stderr  # for four were not served
    rows = json.loads((tmp_path / "found.json").read_text())
    assert [row["image"] for row in rows] == [str(path) for path in photos]
    assert [row["status"] for row in rows] == ["served", *WORDS, *["served"] * 5]
    assert not any(row["detections"] for row in rows[1:5])
    for name, row in zip(reference.WHOLE, rows[:1] + rows[5:], strict=True):
        expected, count = reference.of_file(name), len(row["detections"])
        assert count == expected["num_detections"]
        columns = {"class_ids": "class_id", "scores": "score", "boxes": "box"}
        found = {column: [one[key] for one in row["detections"]] for column, key in columns.items()}
        reference.assert_same(found, {column: expected[column][:count] for column in columns})
    first = rows[0]["detections"][0]
    label = detector_files.CLASS_NAMES[first["class_id"]]
    assert f"{photos[0]}: served, " in finished.stdout and f"  {label} {first['score']:.3f}  " in finished.stdout
    pictures = sorted((tmp_path / "drawn").iterdir())
    assert [path.stem for path in pictures] == [path.stem for path in photos[:1] + photos[5:]]
    green = np.asarray(Image.open(pictures[0]))[..., 1]
    assert (green == 255).sum() > (np.asarray(Image.open(photos[0]))[..., 1] == 255).sum() + 20


@pytest.mark.parametrize("client", ["rest", "grpc"])
def test_health_and_metadata(client, run_client):
    finished = run_client(client, "--name", "tiny", "--label", "canary", "--check")
    assert finished.returncode == 0, finished.stderr
    *states, signatures = finished.stdout.splitlines()
    assert states == ["version 1: AVAILABLE", "version 2: AVAILABLE"]
    assert signatures.startswith("version 2: signatures ") and signatures.endswith("candidates, image_bytes, serving_default")


def test_stable_and_canary_answer_differently(run_client, photos, tmp_path):
    """The canary of the tests is the same network with a threshold of 0.97."""
    found = {}
    for words in (("--label", "stable"), ("--label", "canary"), ("--version", 1), ("--version", 2)):
        file = tmp_path / "found.json"
        assert run_client("rest", "--name", "tiny", *words, "--json", file, photos[0]).returncode == 0
        found[words] = [one["score"] for one in json.loads(file.read_text())[0]["detections"]]
    stable, canary, *versions = found.values()
    assert versions == [stable, canary]
    assert canary == [score for score in stable if score > 0.97] and 0 < len(canary) < len(stable)


@pytest.mark.parametrize(
    "words, message",
    [
        (["--name", "other", "--check"], "other/labels/stable: 404 .*Could not find any versions of model other"),
        (["--name", "tiny", "--version", "3", "x"], "versions/3: 404 .*Servable not found for request: tiny 3"),
        (["--name", "tiny", "--label", "beta", "x"], "labels/beta: 400 .*Unrecognized servable version label: beta"),
        (["--name", "tiny", "none.jpg"], "No such file or directory: 'none.jpg'"),
    ],
)
def test_a_client_says_what_went_wrong_in_a_line(words, message, run_client, photos):
    finished = run_client("rest", *[photos[0] if word == "x" else word for word in words])
    assert finished.returncode == 1 and not finished.stdout
    (line,) = finished.stderr.splitlines()
    assert re.search(message, line)


def test_a_client_without_a_server(run_client):
    finished = run_client("rest", "--name", "tiny", "--check", url="http://127.0.0.1:9")
    assert finished.returncode == 1 and "refused" in finished.stderr and len(finished.stderr.splitlines()) == 1


@pytest.fixture(scope="module")
def stub(emulator):
    with grpc.insecure_channel(emulator.grpc, options=[("grpc.max_receive_message_length", -1)]) as channel:
        yield PredictionServiceStub(channel)


def predict(stub, inputs, signature="serving_default", **spec):
    """{input: array} -> {output: array}, by gRPC."""
    request = predict_pb2.PredictRequest()
    request.model_spec.name, request.model_spec.version.value = "tiny", spec.get("version", 1)
    request.model_spec.signature_name = signature
    for key, value in inputs.items():
        request.inputs[key].CopyFrom(tf.make_tensor_proto(value, shape=value.shape))
    return {key: tf.make_ndarray(tensor) for key, tensor in stub.Predict(request, 60).outputs.items()}


def post(url, body):
    """Returns (status, answer)."""
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body), timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def test_batches_of_images_by_both_ways(stub, emulator):
    images = detector_files.images()
    expected = reference.of_images(images)
    reference.assert_same(predict(stub, {"images": images}), expected)
    url = f"{emulator.rest}/v1/models/tiny/versions/1:predict"
    code, answer = post(url, {"instances": images[:1].tolist()})
    assert code == 200
    (row,) = answer["predictions"]
    reference.assert_same(row, {key: value[0] for key, value in expected.items()})
    code, answer = post(url, {"inputs": {"images": images[:1].tolist()}})
    assert code == 200
    reference.assert_same(answer["outputs"], {key: value[:1] for key, value in expected.items()})


IMAGE = np.zeros((1, 96, 160, 3), np.uint8)


@pytest.mark.parametrize(
    "signature, inputs, message",
    [
        ("serving_default", {"image": IMAGE}, "expected ..images"),
        ("serving_default", {"images": IMAGE, "more": IMAGE}, "2!=1"),
        ("serving_default", {"images": IMAGE.astype(np.float32)}, "Expects images to be uint8 but float32"),
        ("serving_default", {"images": IMAGE[0, :8]}, "Cannot feed value of shape"),
        ("serving_default", {"images": IMAGE[:, :50]}, "multiples of 32"),
        ("serving_default", {"images": IMAGE[:0]}, "Expected 1 or more images"),
        ("serving_default", {"images": np.repeat(IMAGE, 9, 0)}, "Task size 9 is larger than maximum input batch size 8"),
        ("image_bytes", {"image_bytes": np.array([], object)}, "Expected 1 or more"),
    ],
)
def test_a_wrong_request_is_an_invalid_argument(signature, inputs, message, stub):
    """And the next one is served."""
    with pytest.raises(grpc.RpcError) as raised:
        predict(stub, inputs, signature)
    assert raised.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert re.search(message, raised.value.details())
    assert predict(stub, {"images": detector_files.images()})["num_detections"].min() > 3


@pytest.mark.parametrize(
    "body, message",
    [
        (b"{", "JSON Parse error"),
        (b"[]", "JSON Parse error"),
        ({"instances": [{"image": [[[0, 0, 0]]]}]}, "expected ..images"),
        ({"instances": [[[[0, 0, 256]]]]}, "JSON Value"),
        ({"signature_name": "image_bytes", "instances": [{"b64": "no base 64!"}]}, "JSON Value"),
        ({"signature_name": "image_bytes", "instances": []}, "Expected 1 or more"),
    ],
)
def test_a_wrong_body_is_an_error_400(body, message, emulator, stub):
    """And the next one is served."""
    code, answer = post(f"{emulator.rest}/v1/models/tiny/labels/stable:predict", body)
    assert code == 400 and re.search(message, answer["error"])
    assert predict(stub, {"images": detector_files.images()})["num_detections"].min() > 3


def test_the_commands_of_the_readme(emulator, photos, tmp_path):
    """The curl lines that a bundle's README gives, with the emulator's address in place of the server's."""
    if not shutil.which("curl"):
        pytest.skip("needs curl")
    shutil.copy(photos[0], tmp_path / "photo.jpg")
    section = serving_files("tiny")["README.md"].split("## Ask")[1].split("\nThe answer has")[0]
    lines = [line[4:] for line in section.splitlines() if line.startswith("    ") and "monitoring" not in line]
    script = "\n".join(["set -e", *lines]).replace("http://127.0.0.1:8501", emulator.rest).replace("curl", "curl --silent")
    finished = subprocess.run(["bash", "-c", script], capture_output=True, text=True, cwd=tmp_path)
    assert finished.returncode == 0, finished.stderr
    decoder, answers, text = json.JSONDecoder(), [], finished.stdout
    while text:
        answer, end = decoder.raw_decode(text)
        answers.append(answer)
        text = text[end:]
    status, metadata, predictions = answers
    assert [one["state"] for one in status["model_version_status"]] == ["AVAILABLE"] * 2
    assert "image_bytes" in metadata["metadata"]["signature_def"]["signature_def"]
    reference.assert_same(predictions["predictions"][0], reference.of_file(reference.WHOLE[0]))


def test_the_health_check_of_compose(emulator):
    """It succeeds on an available model, and fails on another and where nobody listens."""
    (service,) = yaml.safe_load(serving_files("tiny")["compose.yaml"])["services"].values()
    _, *command, script = service["healthcheck"]["test"]
    port = emulator.rest.rsplit(":", 1)[1]
    codes = {
        case: subprocess.run([*command, script.replace(*words)], capture_output=True).returncode
        for case, words in {
            "available": ("/8501", f"/{port}"),
            "nobody": ("/8501", "/9"),
        }.items()
    }
    other = script.replace("/8501", f"/{port}").replace("models/tiny", "models/other")
    codes["other"] = subprocess.run([*command, other], capture_output=True).returncode
    assert codes["available"] == 0 and codes["nobody"] and codes["other"]
