"""Network -> ONNX file for ONNX Runtime, OpenVINO, TensorRT and others."""

import logging
import warnings

import numpy as np
import tensorflow as tf

from yolo_tf.errors import InputError
from yolo_tf.export.onnx_order import set_in_order
from yolo_tf.system.packages import require_package

OPSET = 17  # of 2022: old enough for every runtime in use, and all operations of the networks are in it


def write_onnx(network, path, *, spec, detect, image_size):
    """Writes a float32 ONNX file with decode inside, for any batch and any image size that the network takes.

    Its input `images` is float32 [batch, height, width, 3], RGB 0..255, sides multiples of the coarsest stride; its
    outputs are boxes float32 [batch, candidates, 4] xyxy input px and scores float32 [batch, candidates, C].
    Suppression is left to the caller: the standard operation gives a list whose length changes with the image.

    Arguments are those of `ExportFormat`; `detect` and `image_size` are not used.

    Raises:
        InputError: tf2onnx is not installed, or the network needs an operation that ONNX lacks.
    """
    packages = ("onnx", "tf2onnx")
    with warnings.catch_warnings():  # of its own use of other packages
        warnings.simplefilter("ignore")
        onnx, tf2onnx = (require_package(name, where="ONNX", purpose="this format", extra="onnx") for name in packages)

    @tf.function(autograph=False)
    def candidates(images):
        boxes, scores = spec.decode(network(images, training=False))
        return {"boxes": boxes, "scores": scores}

    logging.getLogger("tf2onnx").setLevel(logging.CRITICAL)  # what it logs becomes the one line below
    signature = [tf.TensorSpec(network.input_shape, tf.float32, name="images")]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model, _ = tf2onnx.convert.from_function(
                candidates, signature, opset=OPSET, custom_op_handlers={"Erfc": (_convert_erfc, [])}
            )
        onnx.checker.check_model(model)  # the converter leaves operations that it does not know as they are
    except Exception as error:  # both have errors of their own, and raise others
        reason = " ".join(str(error).split())[:300]
        raise InputError(f"ONNX: the network does not convert ({reason}). Expected operations of opset {OPSET} only.") from error
    _name_axes(model.graph)
    set_in_order(model.graph)
    onnx.save_model(model, str(path))


def _convert_erfc(graph, node, name, args):
    """Writes erfc(x), which is in an exact GELU and in neither ONNX nor the converter, as 1 - erf(x)."""
    (value,), shapes, types, outputs = node.input, node.output_shapes, node.output_dtypes, node.output
    graph.remove_node(node.name)
    one = graph.make_const(f"{name}_one", np.float32(1))
    erf = graph.make_node("Erf", [value], shapes=shapes, dtypes=types)
    graph.make_node("Sub", [one.output[0], erf.output[0]], outputs=outputs, shapes=shapes, dtypes=types, name=name)


def _name_axes(graph):
    """Gives the axes of any length names that tell what they are, in place of the converter's numbers."""
    for values, names in ((graph.input, ("batch", "height", "width")), (graph.output, ("batch", "candidates"))):
        for value in values:
            for axis, name in zip(value.type.tensor_type.shape.dim, names, strict=False):
                if axis.dim_param:
                    axis.dim_param = name
