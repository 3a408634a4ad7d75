"""SavedModel -> the requests that TensorFlow Serving replays before it declares a version available."""

import io
from pathlib import Path

import tensorflow as tf
from PIL import Image

from yolo_tf.data.letterbox import PAD_GREY
from yolo_tf.system.packages import require_package

WARMUP_FILE = Path("assets.extra") / "tf_serving_warmup_requests"  # where the server looks, within a version


def require_serving_api():
    """Raises InputError where the protocol buffers of TensorFlow Serving are not installed."""
    purpose, package = "warm-up requests and models.config", "tensorflow-serving-api"
    require_package("tensorflow_serving.apis", where="serving bundle", purpose=purpose, extra="serving", package=package)


def write_warmup(saved_model, *, name, image_size, batch_sizes):
    """Writes one request per signature that clients call and per batch size, so that no client pays for the first call.

    All images of a request are one value, which the reader of the tensor repeats: a few KB instead of megabytes.

    Args:
        saved_model: directory of the export, where WARMUP_FILE is created.
        name: under which the model is served.
        image_size: (height, width) px of the images.
        batch_sizes: of the requests, each from 1; those that the server's batching makes.

    Raises:
        InputError: tensorflow-serving-api is not installed.
    """
    require_serving_api()
    from tensorflow_serving.apis import prediction_log_pb2

    file = io.BytesIO()
    Image.new("L", (image_size[1], image_size[0]), PAD_GREY).save(file, "JPEG")
    with tf.io.TFRecordWriter(str(Path(saved_model) / WARMUP_FILE)) as writer:
        for count in batch_sizes:
            inputs = {
                "serving_default": ("images", tf.make_tensor_proto(PAD_GREY, tf.uint8, [count, *image_size, 3])),
                "image_bytes": ("image_bytes", tf.make_tensor_proto([file.getvalue()], tf.string, [count])),
            }
            for signature, (key, tensor) in inputs.items():
                log = prediction_log_pb2.PredictionLog()
                request = log.predict_log.request
                request.model_spec.name = name
                request.model_spec.signature_name = signature
                request.inputs[key].CopyFrom(tensor)
                writer.write(log.SerializeToString())
