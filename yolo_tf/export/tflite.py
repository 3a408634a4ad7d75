"""Network -> TFLite file of built-in operations."""

import tempfile
from pathlib import Path

import keras
import tensorflow as tf
from tensorflow.lite.python import schema_py_generated as schema

from yolo_tf.decode import decode_predictions
from yolo_tf.errors import InputError


def write_tflite(network, path, *, anchors, detect, image_size):
    """Writes a float32 TFLite file with decode inside, for one image of one size.

    Its signature `candidates` takes `images` float32 [1, H, W, 3], RGB 0..255, and gives boxes float32 [1, D, 4]
    xyxy input px and scores float32 [1, D, C]. Suppression is left to the caller: TFLite has no batched,
    class-aware operation for it.

    Args:
        network: functional keras.Model in float32, images float32 [B, H, W, 3] 0..255 -> L raw predictions.
        path: the file to create.
        anchors: AnchorSet.
        detect: not used; the file holds no threshold.
        image_size: (height, width) px, fixed in the file.

    Raises:
        InputError: the network needs an operation that TFLite lacks.
    """

    def candidates(images):
        boxes, scores = decode_predictions(network(images, training=False), anchors)
        return {"boxes": boxes, "scores": scores}

    archive = keras.export.ExportArchive()
    archive.add_endpoint("candidates", candidates, [tf.TensorSpec([1, *image_size, 3], tf.float32, name="images")])
    with tempfile.TemporaryDirectory() as scratch:
        # By way of a SavedModel: of the converter's routes the one that keeps names and weights.
        archive.write_out(scratch, verbose=False)
        converter = tf.lite.TFLiteConverter.from_saved_model(scratch, signature_keys=["candidates"])
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        try:
            content = converter.convert()
        except Exception as error:  # the converter has its own error class per release
            reason = " ".join(str(error).split())[:300]
            raise InputError(f"TFLite: the network does not convert ({reason}). Expected built-in operations only.") from error
    check_tflite(content, num_parameters=network.count_params())
    Path(path).write_bytes(content)


def check_tflite(content, *, num_parameters):
    """Checks that a TFLite file runs anywhere: built-in operations only, and the weights are inside.

    Args:
        content: bytes of the file.
        num_parameters: of the network, float32.

    Raises:
        InputError: an operation that a plain interpreter lacks, or a file too small to hold the weights.
    """
    foreign = sorted(name for name in operation_names(content) if name.startswith(("CUSTOM", "VAR_HANDLE", "READ_VARIABLE")))
    if foreign:
        raise InputError(f"TFLite: the file needs {', '.join(foreign)}. Expected built-in operations only.")
    if len(content) < 0.2 * 4 * num_parameters:  # int8 would be 0.25
        raise InputError(
            f"TFLite: the file has {len(content)} bytes. Expected about {4 * num_parameters} for {num_parameters} parameters."
            " The converter left the weights out."
        )


def operation_names(content):
    """Returns the set of operations of a TFLite file; a custom one as "CUSTOM:name"."""
    numbers = {number: name for name, number in vars(schema.BuiltinOperator).items() if not name.startswith("_")}
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
    names = set()
    for code in model.operatorCodes:
        # older files keep numbers below 127 in the deprecated field
        name = numbers[max(code.builtinCode, code.deprecatedBuiltinCode)]
        names.add(f"CUSTOM:{code.customCode.decode()}" if name == "CUSTOM" else name)
    return names
