"""A YOLOX file -> what a detector of this package needs: which of the networks it is, how many classes, weights by layer name."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import numpy as np

from yolo_tf.checkpoints.onnx_graph import convolution_sources, read_onnx_graph
from yolo_tf.checkpoints.state_dict import Unit, check_used, read_state_dict, take, take_units, to_keras
from yolo_tf.checkpoints.yolov5.checkpoint import focus_to_convolution
from yolo_tf.checkpoints.yolox.names import BACKBONE, STEM, Shape, convolutions
from yolo_tf.errors import InputError
from yolo_tf.files.onnx import FORMAT as ONNX_FILE
from yolo_tf.system.atomic import sha256_on_disk

WHAT = "a YOLOX of its authors (.pth, or .onnx with folded batch norms)"
STEM_CHANNELS = 64  # at width 1
EPSILON = 1e-3  # of the batch norms
MOST_REPEATS = 30  # bottlenecks of a first stage; more is no YOLOX


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class YoloxCheckpoint:
    """What a file holds, in the terms of this package."""

    shape: Shape
    num_classes: int
    image_size: tuple[int, int]  # (height, width) px that it was trained, or exported, for
    weights: dict  # layer name -> list of float32 arrays, in the order and layout of the Keras layer; for images in RGB order
    folded: bool  # whether its batch norms were folded into the convolutions: those here compute nothing
    tensors: int  # that were read
    digest: str  # SHA-256 of the file, 64 hexadecimal digits
    sources: dict | None = None  # .onnx: name of a convolution -> names of those that it reads; "" = the image


def read_yolox(path):
    """Reads a YoloxCheckpoint from a file of YOLOX's authors, without PyTorch or ONNX and without executing anything.

    Args:
        path: `.pth` file as their training or release wrote it, or `.onnx` file as their export did.

    Raises:
        InputError: no readable file, or not such a network, or a tensor is missing, left over, of another shape or not finite.
    """
    checkpoint = _read_onnx(path) if ONNX_FILE.recognises(Path(path)) else _read_pth(path)
    return dataclasses.replace(checkpoint, digest=sha256_on_disk(path))


def _read_pth(path):
    tensors = read_state_dict(path, what=WHAT, inside=("model",))
    stem = f"{BACKBONE}.stem.conv.conv.weight"
    if stem not in tensors:
        raise InputError(f"{path}: has no tensor {stem}; its first is {next(iter(tensors))}. Expected {WHAT}. Check the path.")
    matches = (re.match(rf"{BACKBONE}\.dark2\.1\.m\.(\d+)\.", name) for name in tensors)
    repeats = {match[1] for match in matches if match}
    shape = _shape(tensors[stem].shape, len(repeats), any(".dconv." in name for name in tensors), path)
    listed = convolutions(shape.repeats, shape.depthwise)
    units = [Unit(one.name, f"{one.theirs}.conv", f"{one.theirs}.bn") for one in listed if not one.predicts]
    weights, used = take_units(tensors, units, where=path, what=WHAT)
    for one in listed:
        if one.predicts:
            names = (f"{one.theirs}.weight", f"{one.theirs}.bias")
            kernel, bias = (take(tensors, name, where=path, what=WHAT) for name in names)
            weights[one.name] = [to_keras(kernel, one.name, where=path, what=WHAT), bias]
            used.update(names)
    check_used(tensors, used, where=path, what=WHAT)
    stem_kernel = take(tensors, stem, where=path, what=WHAT)
    return _checkpoint(shape, weights, stem_kernel, (shape.side, shape.side), path=path, folded=False, tensors=len(used))


def _read_onnx(path):
    graph = read_onnx_graph(path, what=WHAT)
    found = [operation for operation in graph.operations if operation.kind == "Conv"]
    kinds = {operation.kind for operation in graph.operations}
    if len(found) < 2 or kinds & {"BatchNormalization", "QLinearConv"}:
        what = "BatchNormalization" if "BatchNormalization" in kinds else f"{len(found)} convolutions"
        raise InputError(f"{path}: its graph has {what}. Expected {WHAT}. Use the published file.")
    kernels = [_stored(graph, operation, path) for operation in found]
    depthwise = found[1].numbers.get("group", (1,)) != (1,)
    repeats = next((n for n in range(1, MOST_REPEATS) if len(convolutions(n, depthwise)) == len(found)), 0)
    shape = _shape(kernels[0][0].shape, repeats, depthwise, path)
    listed = convolutions(shape.repeats, shape.depthwise)
    weights = {}
    for one, (kernel, bias) in zip(listed, kernels, strict=True):
        kernel = to_keras(kernel, one.name, where=path, what=WHAT)
        if one.predicts:
            weights[one.name] = [kernel, bias]
        else:
            weights[f"{one.name}_conv"] = [kernel]
            # the identity, but for the term: (x - 0) / sqrt(variance + epsilon) * 1 + bias
            variance = np.full_like(bias, 1 - EPSILON)
            weights[f"{one.name}_batch_norm"] = [np.ones_like(bias), bias, np.zeros_like(bias), variance]
    sides = next(iter(graph.inputs.values()), ())[2:]
    sized = len(sides) == 2 and all(side > 0 and side % 32 == 0 for side in sides)
    image_size = tuple(sides) if sized else (shape.side, shape.side)
    names = [one.name for one in listed] + [""]
    sources = {
        one.name: tuple(names[number] for number in numbers)
        for one, numbers in zip(listed, convolution_sources(graph), strict=True)
    }
    facts = {"folded": True, "tensors": 2 * len(kernels), "sources": sources}
    return _checkpoint(shape, weights, kernels[0][0], image_size, path=path, **facts)


def _stored(graph, operation, path):
    """Returns (kernel, bias) of a convolution."""
    arrays = [graph.tensors.get(name) for name in operation.inputs[1:]]
    if len(arrays) != 2 or any(array is None for array in arrays):
        raise InputError(
            f"{path}: the convolution behind {operation.inputs[0]} has no stored kernel and bias in float32. Expected {WHAT}."
            " Use the published file."
        )
    kernel, bias = arrays
    if kernel.ndim != 4 or bias.shape != kernel.shape[:1]:
        raise InputError(
            f"{path}: the convolution behind {operation.inputs[0]} has a kernel {list(kernel.shape)} and a bias"
            f" {list(bias.shape)}. Expected [out, in, height, width] and [out]. Use the published file."
        )
    for name, array in zip(operation.inputs[1:], arrays, strict=True):
        if not np.isfinite(array).all():
            raise InputError(f"{path}: numbers of {name} are not finite. Expected {WHAT}. Use another.")
    return kernel, bias


def _shape(stem, repeats, depthwise, path):
    """Returns the Shape that the stem's kernel and the number of bottlenecks tell."""
    usable = len(stem) == 4 and tuple(stem[1:]) == (12, 3, 3) and stem[0] % 8 == 0 and repeats
    if not usable:
        raise InputError(
            f"{path}: its first kernel has shape {list(stem)}, its first stage {repeats or 'no known number of'} bottlenecks."
            f" Expected [64 * width, 12, 3, 3], as in {WHAT}. Networks that were changed by hand cannot be imported."
        )
    return Shape(repeats=repeats, width=stem[0] / STEM_CHANNELS, depthwise=depthwise)


def _checkpoint(shape, weights, stem_kernel, image_size, *, path, **facts):
    """Finishes a YoloxCheckpoint: the kernel behind the Focus layer becomes that of the stem, for images in RGB order."""
    kernel = focus_to_convolution(stem_kernel)[:, ::-1]  # of its channels B, G, R
    weights[f"{STEM}_conv"] = [np.ascontiguousarray(kernel.transpose(2, 3, 1, 0))]
    biases = weights["head_p3_class"][1]
    if biases.ndim != 1 or not biases.size:
        raise InputError(
            f"{path}: the bias of head_p3_class has shape {list(biases.shape)}. Expected [classes], one or more, as in {WHAT}."
            " Use another."
        )
    num_classes = biases.size
    return YoloxCheckpoint(shape=shape, num_classes=num_classes, image_size=image_size, weights=weights, digest="", **facts)
