"""Network -> OpenVINO IR, a directory of two files, for OpenVINO."""

import tensorflow as tf

from yolo_tf.errors import InputError
from yolo_tf.files.openvino import GRAPH
from yolo_tf.system.openvino_start import load_openvino


def write_openvino(network, path, *, spec, detect, image_size):
    """Writes a float32 OpenVINO IR with decode inside, for any batch and any image size that the network takes.

    The directory holds the graph, detector.xml, and its weights, detector.bin. Its input `images` is float32
    [batch, height, width, 3], RGB 0..255, sides multiples of the coarsest stride; its outputs are boxes float32
    [batch, candidates, 4] xyxy input px and scores float32 [batch, candidates, C]. Suppression is left to the caller:
    OpenVINO has no rule for the operation that TensorFlow suppresses with.

    Arguments are those of `ExportFormat`; `detect` and `image_size` are not used.

    Raises:
        InputError: openvino is not installed, or the network needs an operation that it has no rule for.
    """
    openvino = load_openvino("OpenVINO")

    @tf.function(autograph=False, input_signature=[tf.TensorSpec(network.input_shape, tf.float32, name="images")])
    def candidates(images):
        boxes, scores = spec.decode(network(images, training=False))
        return {"boxes": boxes, "scores": scores}

    try:
        model = openvino.convert_model(candidates)
    except Exception as error:  # its errors share no type below this
        reason = " ".join(str(error).split())[:300]
        raise InputError(
            f"OpenVINO: the network does not convert ({reason}). Expected operations that OpenVINO reads from TensorFlow"
            " only. Use `format` onnx or another."
        ) from error
    path.mkdir()
    openvino.save_model(model, path / GRAPH, compress_to_fp16=False)  # half weights do not pass the gate
