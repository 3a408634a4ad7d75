"""Many clients at a time against the emulator, the corpus of bad images among their requests; figures in docs/serving.md."""

import base64
import json
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
import serving_reference as reference
import tensorflow as tf
from image_corpus import whole_images

pytest.importorskip("tensorflow_serving", reason="needs pip install 'yolo_tf[serving]'")
from tensorflow_serving.apis import predict_pb2  # noqa: E402
from tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceStub  # noqa: E402

CLIENTS, REQUESTS, WARM_UP = 8, 1000, 50


def grpc_client(address):
    """Returns a function: image files -> [{output: value}]."""
    stub = PredictionServiceStub(grpc.insecure_channel(address.grpc))

    def ask(files):
        request = predict_pb2.PredictRequest()
        request.model_spec.name, request.model_spec.version_label = "tiny", "stable"
        request.model_spec.signature_name = "image_bytes"
        request.inputs["image_bytes"].CopyFrom(tf.make_tensor_proto(files, tf.string, [len(files)]))
        outputs = {key: tf.make_ndarray(tensor) for key, tensor in stub.Predict(request, 60).outputs.items()}
        return [{key: value[index] for key, value in outputs.items()} for index in range(len(files))]

    return ask


def rest_client(address):
    """Returns a function: image files -> [{output: value}]."""

    def ask(files):
        instances = [{"b64": base64.b64encode(file).decode()} for file in files]
        body = json.dumps({"signature_name": "image_bytes", "instances": instances}).encode()
        with urllib.request.urlopen(f"{address.rest}/v1/models/tiny/labels/stable:predict", body, timeout=60) as answer:
            return json.load(answer)["predictions"]

    return ask


def resident_bytes(process_id):
    """Memory of a process."""
    status = Path(f"/proc/{process_id}/status")
    if not status.exists():
        pytest.skip("needs /proc")
    return int(status.read_text().split("VmRSS:")[1].split()[0]) * 1024


@pytest.mark.long
def test_a_thousand_requests_of_eight_clients(emulator):
    """Each of two images, one of them bad in half of the requests: every answer is right, and memory does not grow."""
    clients = [(grpc_client if index % 2 else rest_client)(emulator) for index in range(CLIENTS)]
    spoiled, names = list(reference.spoiled_files().values()), reference.WHOLE
    expected = {name: reference.of_file(name) for name in names}

    def request(number):
        name, other = names[number % len(names)], names[(number * 5 + 2) % len(names)]
        bad, status = spoiled[number // 2 % len(spoiled)]
        second = (bad, reference.nothing(status)) if number % 2 else (whole_images()[other], expected[other])
        started = time.perf_counter()
        found = clients[number % CLIENTS]([whole_images()[name], second[0]])
        seconds = time.perf_counter() - started
        assert len(found) == 2
        reference.assert_same(found[0], expected[name])
        reference.assert_same(found[1], second[1])
        return seconds

    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(request, range(WARM_UP)))
        before, started = resident_bytes(emulator.process_id), time.perf_counter()
        latencies = sorted(pool.map(request, range(REQUESTS)))  # raises what a request raised
        seconds = time.perf_counter() - started
    assert len(latencies) == REQUESTS
    growth = (resident_bytes(emulator.process_id) - before) / 1e6
    median, late = (latencies[int(REQUESTS * share)] * 1e3 for share in (0.5, 0.95))
    print(
        f"\n{REQUESTS} requests of {CLIENTS} clients, {REQUESTS // 2} with a bad image of {len(spoiled)} kinds: none lost, none"
        f" wrong; {REQUESTS / seconds:.1f} requests/s, median {median:.0f} ms, p95 {late:.0f} ms; the process"
        f" {before / 1e6:.0f} MB after {WARM_UP}, {growth:+.0f} MB at the end"
    )
    assert growth < 100  # leaking the two letterboxed images of each request, float32, would be 369 MB
