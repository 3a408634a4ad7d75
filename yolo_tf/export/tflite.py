"""Network -> TFLite file of built-in operations, in one of four precisions, with or without suppression."""

import dataclasses
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import keras
import tensorflow as tf

from yolo_tf.data.letterbox import PAD_GREY
from yolo_tf.errors import InputError, look_up
from yolo_tf.export.int8 import convert_int8
from yolo_tf.export.parity import EXACT, Tolerance
from yolo_tf.export.tflite_graph import read_operations
from yolo_tf.export.tflite_nms import FIXED, check_detect, suppress_one_image
from yolo_tf.export.tflite_signatures import BEFORE_SUPPRESSION, give_signatures_graphs
from yolo_tf.files.format import read_inside, write_inside
from yolo_tf.surgery.split_head import split_head

FACTS_MEMBER = "tflite.json"  # in the ZIP behind the network, beside detector.json
IO_TYPES = ("float", "uint8")
LEAST_CALIBRATION = 16  # images; fewer show too little of what a network meets


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Quantization:
    """In which numbers a TFLite file holds and computes its network, and what comes behind it."""

    precision: str = "float32"  # a row of PRECISIONS
    io_type: str = "float"  # one of IO_TYPES; "uint8" for int8 only
    calibration: Sequence | None = None  # uint8 [h, w, 3] each, RGB, of any size; int8 only
    calibration_origin: str = ""  # words for where these images come from, kept in the file
    per_layer: Path | None = None  # CSV file for the rounding error of every layer; int8 only
    float_start: int | None = None  # convolutions at the start that stay in float; None = as few as needed; int8 only
    nms: bool = False  # whether the file suppresses, in float, at thresholds that it keeps

    def __post_init__(self):
        look_up(PRECISIONS, self.precision, kind="precision", where="precision")
        if self.io_type not in IO_TYPES:
            raise InputError(f"io_type: got '{self.io_type}'. Expected one of {', '.join(IO_TYPES)}. Leave it out for float.")
        if self.precision == "int8":
            count = 0 if self.calibration is None else len(self.calibration)
            if count < LEAST_CALIBRATION:
                raise InputError(
                    f"calibration: got {count} images for `precision` int8. Expected {LEAST_CALIBRATION} at least, from which"
                    " the scales are taken. Name a data set and a split with more images."
                )
            if self.float_start is not None and self.float_start < 0:
                raise InputError(
                    f"float_start: got {self.float_start}. Expected 0 or more convolutions. Leave it out to let it choose."
                )
            return
        given = {"io_type": self.io_type != "float", "calibration": self.calibration is not None, "per_layer": self.per_layer}
        given["float_start"] = self.float_start is not None
        for option in given:
            if given[option]:
                raise InputError(
                    f"{option}: does not fit `precision` {self.precision}. Expected `precision` int8 with it. Leave one out."
                )


class Precision(NamedTuple):
    """One row of PRECISIONS."""

    tolerance: Tolerance  # of the comparison with the network
    optimizations: tuple = (tf.lite.Optimize.DEFAULT,)  # of the converter: it stores weights in fewer bits
    weight_types: tuple = ()  # () = int8, one scale per output channel, where a layer has 1024


# With float16 a CPU computes in float32, a GPU delegate may compute in float16; with dynamic, activations are rounded as
# they come; int8 is calibrated, see int8.py.
# A YOLOv5n trained on BCCD, 15 images: float16 is off by .05 px and .002 in score at most (MobileNet and GhostNet, by
# .006), dynamic by 6 px on a large box and .04, int8 by 10 px and .09. Some more is let through, and a few outliers; a
# decode in int8 is not.
PRECISIONS = {
    "float32": Precision(EXACT, optimizations=()),
    "float16": Precision(Tolerance(overlap=0.98, box=0.2, score=0.01, share=0.99), weight_types=(tf.float16,)),
    "dynamic": Precision(Tolerance(overlap=0.8, box=2.0, score=0.1, share=0.95)),
    "int8": Precision(Tolerance(overlap=0.75, box=2.0, score=0.15, share=0.85)),
}


def write_tflite(network, path, *, spec, detect, image_size, quantization=Quantization()):
    """Writes a TFLite file with decode inside, for one image of one size.

    Its signature `candidates` takes `images` float32 (or uint8) [1, H, W, 3], RGB 0..255, and gives boxes float32
    [1, D, 4] xyxy input px and scores float32 [1, D, C]. With `quantization.nms` a second one, `detections`, gives
    boxes float32 [1, K, 4], scores float32 [1, K], class_ids int32 [1, K] and num_detections int32 [1], as a SavedModel
    does; without, suppression is left to the caller.

    Arguments are those of `ExportFormat`: `image_size` is fixed in the file, and with `quantization.nms` the thresholds of
    `detect` become part of it. Calibration images have the size `image_size`.

    Raises:
        InputError: the network needs an operation that TFLite lacks, or has parts that int8 cannot hold, or `detect`
            is nothing that TFLite can suppress by.
    """
    if quantization.nms:
        check_detect(detect)
    num_parameters, float_start = network.count_params(), None
    if quantization.precision == "int8":
        network = split_head(network, spec.channel_parts)

    def candidates(images):
        boxes, scores = spec.decode(network(images, training=False))
        if not quantization.nms:
            return {"boxes": boxes, "scores": scores}
        found = suppress_one_image(boxes, scores, detect)
        return {**found, f"{BEFORE_SUPPRESSION}boxes": boxes, f"{BEFORE_SUPPRESSION}scores": scores}

    archive = keras.export.ExportArchive()
    archive.add_endpoint("candidates", candidates, [tf.TensorSpec([1, *image_size, 3], tf.float32, name="images")])
    with tempfile.TemporaryDirectory() as scratch:
        # By way of a SavedModel: of the converter's routes the one that keeps names and weights.
        archive.write_out(scratch, verbose=False)
        converter = tf.lite.TFLiteConverter.from_saved_model(scratch, signature_keys=["candidates"])
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        precision = PRECISIONS[quantization.precision]
        converter.optimizations = list(precision.optimizations)
        converter.target_spec.supported_types = list(precision.weight_types)
        try:
            if quantization.precision == "int8":
                content, float_start = convert_int8(converter, quantization, precision.tolerance)
            else:
                content = converter.convert()
        except InputError:
            raise
        except Exception as error:  # the converter has its own error class per release
            reason = " ".join(str(error).split())[:300]
            raise InputError(f"TFLite: the network does not convert ({reason}). Expected built-in operations only.") from error
    check_tflite(content, num_parameters=num_parameters)
    Path(path).write_bytes(give_signatures_graphs(content))
    _attach_facts(path, dataclasses.replace(quantization, float_start=float_start), detect)


def check_tflite(content, *, num_parameters):
    """Checks that a TFLite file runs anywhere: built-in operations only, and the weights are inside.

    Args:
        content: bytes of the file.
        num_parameters: of the network, float32.

    Raises:
        InputError: an operation that a plain interpreter lacks, or a file too small to hold the weights.
    """
    names = {operation.name for operation in read_operations(content)}
    foreign = sorted(name for name in names if name.startswith(("CUSTOM", "VAR_HANDLE", "READ_VARIABLE")))
    if foreign:
        raise InputError(f"TFLite: the file needs {', '.join(foreign)}. Expected built-in operations only.")
    if len(content) < 0.2 * 4 * num_parameters:  # int8 would be 0.25
        raise InputError(
            f"TFLite: the file has {len(content)} bytes. Expected about {4 * num_parameters} for {num_parameters} parameters."
            " The converter left the weights out."
        )


def _attach_facts(path, quantization, detect):
    """Writes into the file what its tensors do not say of themselves."""
    fixed = {name: getattr(detect, name) for name in FIXED} | {"max_candidates": detect.candidate_limit}
    facts = {
        "precision": quantization.precision,
        "pixels": {"order": "RGB", "least": 0, "largest": 255, "letterbox_grey": PAD_GREY},
        "calibration": quantization.calibration_origin or None,
        "float_start": quantization.float_start,
        "nms": fixed if quantization.nms else None,
    }
    write_inside(Path(path), FACTS_MEMBER, json.dumps(facts, indent=1))


def read_facts(path):
    """Returns what a file of `write_tflite` says of itself: precision, pixels, calibration, float_start, nms."""
    return json.loads(read_inside(Path(path), FACTS_MEMBER))
