"""An emulator of the two interfaces of TensorFlow Serving, for tests of clients and bundles. It is not TensorFlow Serving.

python -I emulator.py BUNDLE: loads the versions that serving/models.config names and runs them in sessions of TensorFlow for
Python, speaks gRPC by the official stubs and REST as the server's documentation has it, each on a free port of this machine,
prints {"grpc": port, "rest": port} and ends with its standard input. What it leaves out: batching (but for the largest size of a
request), warm-up, reloading, metrics.

Source: https://www.tensorflow.org/tfx/serving/api_rest; codes and words of wrong requests as in the server's
predict_util.cc, server_core.cc, get_model_status_impl.cc.
"""

import base64
import http.server
import json
import re
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import numpy as np
import tensorflow as tf
from google.protobuf import json_format, text_format
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

CODES = grpc.StatusCode
HTTP_CODES = {CODES.INVALID_ARGUMENT: 400, CODES.NOT_FOUND: 404, CODES.FAILED_PRECONDITION: 412}
PATH = re.compile(r"/v1/models/([^/:]+)(?:/versions/(\d+)|/labels/([^/:]+))?(?:/(metadata)|:(predict))?")


class Refusal(Exception):
    """A status that is not OK."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


class Models:
    """The loaded versions of the one model in a bundle."""

    def __init__(self, bundle):
        text = (Path(bundle) / "serving" / "batching_parameters.txt").read_text()
        self.max_batch_size = int(re.search(r"max_batch_size { value: (\d+) }", text)[1])
        text = (Path(bundle) / "serving" / "models.config").read_text()
        (config,) = text_format.Parse(text, ModelServerConfig()).model_config_list.config
        self.name, self.labels, self.versions = config.name, dict(config.version_labels), {}
        for version in config.model_version_policy.specific.versions:
            session = tf.compat.v1.Session(graph=tf.Graph())
            # the server mounts models/ where base_path says
            path = Path(bundle) / config.base_path.removeprefix("/") / str(version)
            with session.graph.as_default():
                meta_graph = tf.compat.v1.saved_model.load(session, ["serve"], str(path))
            self.versions[version] = session, meta_graph.signature_def

    def choose(self, spec):
        """Returns the version that a ModelSpec asks for; the newest where it names none."""
        version = max(self.versions)
        if spec.WhichOneof("version_choice") == "version_label":
            version = self.labels.get(spec.version_label)
            if spec.name == self.name and version is None:
                raise Refusal(CODES.INVALID_ARGUMENT, f"Unrecognized servable version label: {spec.version_label}")
        elif spec.WhichOneof("version_choice") == "version":
            version = spec.version.value
        if spec.name != self.name or version not in self.versions:
            raise Refusal(CODES.NOT_FOUND, f"Servable not found for request: {spec.name} {version or 'latest'}")
        return version

    def signature(self, version, name):
        """Returns a SignatureDef."""
        signatures = self.versions[version][1]
        if (name or "serving_default") not in signatures:
            raise Refusal(CODES.FAILED_PRECONDITION, f'Serving signature key "{name}" not found.')
        return signatures[name or "serving_default"]

    def predict(self, version, signature, inputs):
        """Runs {input: array} through a SignatureDef; returns {output: array}."""
        if set(inputs) != set(signature.inputs):
            raise Refusal(
                CODES.INVALID_ARGUMENT,
                f"input size does not match signature: {len(inputs)}!={len(signature.inputs)} or names differ;"
                f" sent {sorted(inputs)}, expected {sorted(signature.inputs)}",
            )
        for key, value in inputs.items():
            wanted = tf.dtypes.as_dtype(signature.inputs[key].dtype)
            if value.dtype != wanted.as_numpy_dtype:
                raise Refusal(CODES.INVALID_ARGUMENT, f"Expects {key} to be {wanted.name} but {value.dtype} is provided")
            if value.ndim and len(value) > self.max_batch_size:
                words = f"Task size {len(value)} is larger than maximum input batch size {self.max_batch_size}"
                raise Refusal(CODES.INVALID_ARGUMENT, words)
        try:
            return self.versions[version][0].run(
                {key: tensor.name for key, tensor in signature.outputs.items()},
                {signature.inputs[key].name: value for key, value in inputs.items()},
            )
        except (ValueError, tf.errors.InvalidArgumentError) as error:  # ValueError: a shape that cannot be fed
            raise Refusal(CODES.INVALID_ARGUMENT, " ".join(str(error).split())) from error

    def status(self, spec):
        """Answers GetModelStatus, in which a label counts for nothing."""
        answer = get_model_status_pb2.GetModelStatusResponse()
        versions = [spec.version.value] if spec.HasField("version") else sorted(self.versions)
        if spec.name != self.name or not set(versions) <= set(self.versions):
            raise Refusal(CODES.NOT_FOUND, f"Could not find any versions of model {spec.name}")
        for version in versions:
            answer.model_version_status.add(version=version, state="AVAILABLE")
        return answer

    def metadata(self, spec):
        """Answers GetModelMetadata."""
        answer, signatures = get_model_metadata_pb2.GetModelMetadataResponse(), get_model_metadata_pb2.SignatureDefMap()
        answer.model_spec.name, answer.model_spec.version.value = self.name, self.choose(spec)
        for name, signature in self.versions[answer.model_spec.version.value][1].items():
            signatures.signature_def[name].CopyFrom(signature)
        answer.metadata["signature_def"].Pack(signatures)
        return answer, signatures


class Service(prediction_service_pb2_grpc.PredictionServiceServicer, model_service_pb2_grpc.ModelServiceServicer):
    """The gRPC interface."""

    def __init__(self, models):
        self.models = models

    def Predict(self, request, context):  # noqa: N802
        return self.answer(context, lambda: self.predict(request))

    def GetModelStatus(self, request, context):  # noqa: N802
        return self.answer(context, lambda: self.models.status(request.model_spec))

    def GetModelMetadata(self, request, context):  # noqa: N802
        return self.answer(context, lambda: self.models.metadata(request.model_spec)[0])

    def answer(self, context, call):
        try:
            return call()
        except Refusal as refusal:
            context.abort(refusal.code, str(refusal))

    def predict(self, request):
        version = self.models.choose(request.model_spec)
        signature = self.models.signature(version, request.model_spec.signature_name)
        inputs = {key: tf.make_ndarray(tensor) for key, tensor in request.inputs.items()}
        answer = predict_pb2.PredictResponse()
        answer.model_spec.name, answer.model_spec.version.value = self.models.name, version
        answer.model_spec.signature_name = request.model_spec.signature_name or "serving_default"
        for key, value in self.models.predict(version, signature, inputs).items():
            answer.outputs[key].CopyFrom(tf.make_tensor_proto(value))
        return answer


class RestHandler(http.server.BaseHTTPRequestHandler):
    """The REST interface; `server.models` is set by serve()."""

    def do_GET(self):  # noqa: N802
        self.answer(self.get)

    def do_POST(self):  # noqa: N802
        self.answer(self.post)

    def log_message(self, *_):
        """Says nothing."""

    def answer(self, call):
        try:
            code, body = 200, call()
        except Refusal as refusal:
            code, body = HTTP_CODES[refusal.code], {"error": str(refusal)}
        body = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def parse(self, *actions):
        """Returns (ModelSpec, action) of the path."""
        match = PATH.fullmatch(self.path)
        if not match or (match[4] or match[5]) not in actions:
            raise Refusal(CODES.INVALID_ARGUMENT, f"Malformed request: {self.command} {self.path}")
        spec = model_pb2.ModelSpec(name=match[1])
        if match[2]:
            spec.version.value = int(match[2])
        if match[3]:
            spec.version_label = match[3]
        return spec, match[4] or match[5]

    def get(self):
        spec, action = self.parse(None, "metadata")
        if not action:
            return {"model_version_status": [with_status(one) for one in self.server.models.status(spec).model_version_status]}
        answer, signatures = self.server.models.metadata(spec)
        as_dict = lambda message: json_format.MessageToDict(message, preserving_proto_field_name=True)  # noqa: E731
        return {"model_spec": as_dict(answer.model_spec), "metadata": {"signature_def": as_dict(signatures)}}

    def post(self):
        spec, _ = self.parse("predict")
        models, version = self.server.models, self.server.models.choose(spec)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        try:
            body = json.loads(body)
            by_row = "instances" in body
            values = body["instances"] if by_row else body["inputs"]
        except (ValueError, KeyError, TypeError) as error:
            raise Refusal(CODES.INVALID_ARGUMENT, f"JSON Parse error: {error!r}") from error
        signature = models.signature(version, body.get("signature_name"))
        outputs = models.predict(version, signature, read_tensors(values, signature, by_row))
        if not by_row:
            return {"outputs": {key: value.tolist() for key, value in outputs.items()}}
        return {"predictions": [dict(zip(outputs, row)) for row in zip(*(value.tolist() for value in outputs.values()))]}


def with_status(version):
    """Returns the JSON of one version's state, where `status` stands even though it says nothing."""
    state = get_model_status_pb2.ModelVersionStatus.State.Name(version.state)
    return {"version": str(version.version), "state": state, "status": {"error_code": "OK", "error_message": ""}}


def read_tensors(values, signature, by_row):
    """Returns {input: array} of the `instances` or `inputs` of a request; {"b64": ...} are bytes."""
    if by_row and isinstance(values, list) and values and isinstance(values[0], dict) and set(values[0]) != {"b64"}:
        values = {key: [row.get(key) for row in values] for key in values[0]}
    named = isinstance(values, dict) and set(values) != {"b64"}
    if not named and len(signature.inputs) != 1:
        raise Refusal(CODES.INVALID_ARGUMENT, "Expected named inputs")
    try:
        tensors = {}
        for key, value in (values if named else {next(iter(signature.inputs)): values}).items():
            dtype = tf.dtypes.as_dtype(signature.inputs[key].dtype).as_numpy_dtype if key in signature.inputs else None
            tensors[key] = np.array(decode(value), dtype)
        return tensors
    except (ValueError, OverflowError, TypeError) as error:
        raise Refusal(CODES.INVALID_ARGUMENT, f"JSON Value: {error}") from error


def decode(value):
    """Replaces {"b64": ...} by bytes, at any depth."""
    if isinstance(value, dict):
        if set(value) != {"b64"}:
            raise ValueError(f"unexpected object with {sorted(value)}")
        return base64.b64decode(value["b64"], validate=True)
    return [decode(one) for one in value] if isinstance(value, list) else value


def serve(bundle):
    """Runs until the standard input ends."""
    models = Models(bundle)
    options = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    grpc_server = grpc.server(ThreadPoolExecutor(8), options=options)
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(Service(models), grpc_server)
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(Service(models), grpc_server)
    grpc_port = grpc_server.add_insecure_port("127.0.0.1:0")
    grpc_server.start()
    rest_server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), RestHandler)
    rest_server.models = models
    threading.Thread(target=rest_server.serve_forever, daemon=True).start()
    print(json.dumps({"grpc": grpc_port, "rest": rest_server.server_address[1]}), flush=True)
    sys.stdin.read()
    rest_server.shutdown()
    grpc_server.stop(None).wait()


if __name__ == "__main__":
    serve(sys.argv[1])
