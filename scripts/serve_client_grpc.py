"""Ask a server of `yolo-tf serve-bundle` over gRPC, with the official stubs: pip install tensorflow-serving-api pillow

python scripts/serve_client_grpc.py --name vehicles photo.jpg more/*.png --out drawn
python scripts/serve_client_grpc.py --name vehicles --check
"""

import sys

import grpc
import tensorflow as tf
from serve_client_rest import BATCH, SIGNATURES, parse_arguments, report
from tensorflow_serving.apis import get_model_metadata_pb2, get_model_status_pb2, predict_pb2
from tensorflow_serving.apis.model_service_pb2_grpc import ModelServiceStub
from tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceStub

TIMEOUT = 60  # s
# Eight large photographs, and the answers of `candidates`, are more than the 4 MiB that a client takes by itself.
LIMITS = [("grpc.max_receive_message_length", 256 << 20), ("grpc.max_send_message_length", 256 << 20)]


def main():
    """Returns the exit code: 0 all served, 1 something was not."""
    arguments = parse_arguments(__doc__, url="127.0.0.1:8500")
    with grpc.insecure_channel(arguments.url, options=LIMITS) as channel:
        try:
            if arguments.check:
                return check(channel, arguments)
            found = ask(channel, arguments)
        except grpc.RpcError as error:
            print(f"{arguments.url}: {error.code().name} {error.details()}", file=sys.stderr)
            return 1
        except OSError as error:
            print(error, file=sys.stderr)
            return 1
    return report(found, arguments)


def choose(model_spec, arguments):
    """Names the model and its version, or label, in a request."""
    model_spec.name = arguments.name
    if arguments.version:
        model_spec.version.value = arguments.version
    else:
        model_spec.version_label = arguments.label


def check(channel, arguments):
    """Prints the state of every version, and whether the chosen one has the signatures; returns the exit code."""
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = arguments.name
    versions = ModelServiceStub(channel).GetModelStatus(request, TIMEOUT).model_version_status
    states = get_model_status_pb2.ModelVersionStatus.State
    for version in versions:
        print(f"version {version.version}: {states.Name(version.state)} {version.status.error_message}".rstrip())
    request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    choose(request.model_spec, arguments)
    answer = PredictionServiceStub(channel).GetModelMetadata(request, TIMEOUT)
    signatures = get_model_metadata_pb2.SignatureDefMap()
    answer.metadata["signature_def"].Unpack(signatures)
    print(f"version {answer.model_spec.version.value}: signatures {', '.join(sorted(signatures.signature_def))}")
    available = all(version.state == states.AVAILABLE for version in versions)
    return 0 if available and SIGNATURES <= set(signatures.signature_def) else 1


def ask(channel, arguments):
    """Sends image files to `image_bytes`; returns [(path, answer: {output: value of this image})]."""
    stub, found = PredictionServiceStub(channel), []
    for start in range(0, len(arguments.images), BATCH):
        paths = arguments.images[start : start + BATCH]
        request = predict_pb2.PredictRequest()
        choose(request.model_spec, arguments)
        request.model_spec.signature_name = "image_bytes"
        files = tf.make_tensor_proto([path.read_bytes() for path in paths], tf.string, [len(paths)])
        request.inputs["image_bytes"].CopyFrom(files)
        outputs = stub.Predict(request, TIMEOUT).outputs
        values = {key: tf.make_ndarray(tensor).tolist() for key, tensor in outputs.items()}
        found += [(path, {key: value[index] for key, value in values.items()}) for index, path in enumerate(paths)]
    return found


if __name__ == "__main__":
    sys.exit(main())
