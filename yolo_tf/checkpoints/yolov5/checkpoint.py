"""A YOLOv5 checkpoint -> what a detector of this package needs: architecture, classes, anchors, weights by layer name."""

from __future__ import annotations

import dataclasses

import numpy as np

from yolo_tf.checkpoints.torch_file import read_torch_file
from yolo_tf.checkpoints.torch_pickle import Inert, StoredTensor
from yolo_tf.checkpoints.yolov5.modules import (
    ORIGINAL,
    WANTED,
    check_blocks,
    children,
    find_layout,
    find_model,
    sequence_rows,
    stored_tensors,
)
from yolo_tf.checkpoints.yolov5.names import block_convolutions
from yolo_tf.errors import InputError
from yolo_tf.heads.anchor.anchors import AnchorSet, anchor_set
from yolo_tf.system.class_names import clean_names

MAX_SIDE = 32_768  # px; more is no image size
# (depth, width) -> letter of the published sizes
SIZES = {(0.33, 0.25): "n", (0.33, 0.5): "s", (0.67, 0.75): "m", (1.0, 1.0): "l", (1.33, 1.25): "x"}


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Yolov5Checkpoint:
    """What a checkpoint holds, in the terms of this package."""

    name: str  # "yolov5n"; "yolov5" for other multiples
    versions: str  # of YOLOv5 that have this architecture
    weights_of: str  # "ema" | "model": which of the file's two networks
    precision: str  # numpy name of the stored numbers: "float16", "float32"
    backbone: str  # row of BACKBONES
    neck: str  # row of NECKS
    depth: float
    width: float
    class_names: tuple[str, ...]
    image_size: tuple[int, int]  # (height, width) px it was trained at; 640 where the file does not say
    anchors: AnchorSet
    weights: dict  # layer name -> list of float32 arrays, in the order and layout of the Keras layer
    tensors: dict  # part -> {"read", "used", "unused"}: numbers of tensors; backbone, neck, head and their total
    unused: tuple[str, ...]  # kinds of tensors that nothing here needs, such as "num_batches_tracked"


def read_yolov5(path):
    """Reads a Yolov5Checkpoint from a file of YOLOv5 v4.0 to v7.0, without PyTorch and without executing anything.

    The averaged weights (EMA) are taken where the file has them, as YOLOv5's own commands do.

    Args:
        path: `.pt` file as YOLOv5's training or release wrote it.

    Raises:
        InputError: no readable file, or not a three-level detection model of these versions.
    """
    content = read_torch_file(path)
    try:
        return _describe(content, path)
    except InputError:
        raise
    except (AttributeError, IndexError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise InputError(
            f"{path}: its model is not built like YOLOv5's ({type(error).__name__}: {error}). {WANTED} {ORIGINAL}"
        ) from error


def focus_to_convolution(kernel):
    """Turns the kernel behind a Focus layer into that of the 6 x 6 convolution of stride 2 that does the same.

    Focus sorts the pixels of each 2 x 2 square into channels: (even row, even column), (odd, even), (even, odd), (odd,
    odd). So tap (y, x) of such a group sees pixel (2 y + row, 2 x + column) of the image.

    The kernel, in PyTorch's layout, is [out, 4 c, 3, 3], and becomes [out, c, 6, 6].
    """
    filters, channels = kernel.shape[:2]
    groups = kernel.reshape(filters, 2, 2, channels // 4, 3, 3)  # column, row of the square
    return groups.transpose(0, 3, 4, 2, 5, 1).reshape(filters, channels // 4, 6, 6)


def _describe(content, path):
    model, weights_of = find_model(content, path)
    rows = sequence_rows(model, path)
    layout = find_layout(model, rows, path)
    check_blocks(rows, layout, path)
    tensors = {name: tensor for row, module in enumerate(rows) for name, tensor in stored_tensors(module, f"model.{row}")}
    weights, used = _weights(rows, layout, tensors, path)
    used.add("model.24.anchors")
    head = rows[-1]
    anchors = _anchors(head, path)
    depth, width = (_multiple(model, key, path) for key in ("depth_multiple", "width_multiple"))
    return Yolov5Checkpoint(
        name="yolov5" + SIZES.get((depth, width), ""),
        versions=layout.versions,
        weights_of=weights_of,
        precision=np.dtype(tensors["model.24.m.0.weight"].storage.dtype.replace("bfloat16", "float32")).name,
        backbone=layout.backbone,
        neck=layout.neck,
        depth=depth,
        width=width,
        class_names=_class_names(model, head, path),
        image_size=_image_size(content),
        anchors=anchors,
        weights=weights,
        tensors=_count(tensors, used, layout),
        unused=tuple(sorted({name.rpartition(".")[2] for name in tensors if name not in used})),
    )


def _weights(rows, layout, tensors, path):
    """Returns (layer name -> arrays for the Keras layer, names of the tensors that they came from)."""
    weights, used = {}, set()

    def take(name):
        if not isinstance(tensors.get(name), StoredTensor):
            hint = " Its batch norms were fused into the convolutions." if ".bn." in name else ""
            raise InputError(f"{path}: has no tensor {name}.{hint} {WANTED} Use the checkpoint that was not fused or cut.")
        used.add(name)
        return tensors[name].read().astype(np.float32)

    for row, (kind, block) in layout.blocks.items():
        prefix = f"model.{row}"
        if kind == "head":
            for level in range(3):
                kernel, bias = take(f"{prefix}.m.{level}.weight"), take(f"{prefix}.m.{level}.bias")
                weights[f"{block}_p{level + 3}"] = [_to_keras(kernel), bias]
            continue
        repeats = len(children(children(rows[row])["m"])) if kind == "csp" else 0
        for ours, theirs in block_convolutions(kind, block, prefix, repeats=repeats):
            kernel = take(f"{theirs}.conv.weight")
            weights[f"{ours}_conv"] = [_to_keras(focus_to_convolution(kernel) if kind == "focus" else kernel)]
            weights[f"{ours}_batch_norm"] = [
                take(f"{theirs}.bn.{name}") for name in ("weight", "bias", "running_mean", "running_var")
            ]
    return weights, used


def _to_keras(kernel):
    """[out, in, height, width] -> [height, width, in, out]."""
    return np.ascontiguousarray(kernel.transpose(2, 3, 1, 0))


def _anchors(head, path):
    """Returns the anchors in px. The file has them in cells of their level."""
    strides, cells = head.state.get("stride"), head.state.get("_buffers", {}).get("anchors")
    if not isinstance(strides, StoredTensor) or not isinstance(cells, StoredTensor):
        raise InputError(f"{path}: its Detect row has no anchors or no strides. {WANTED} {ORIGINAL}")
    strides, cells = strides.read().astype(np.float64), cells.read().astype(np.float64)
    usable = cells.ndim == 3 and cells.shape[0] == 3 and cells.shape[2] == 2 and (cells > 0).all()
    if strides.tolist() != [8, 16, 32] or not usable:
        raise InputError(f"{path}: has strides {strides.tolist()} and anchors of shape {list(cells.shape)}. {WANTED}")
    return anchor_set((8, 16, 32), (cells * strides[:, None, None]).astype(np.float32))


def _class_names(model, head, path):
    names, count = model.state.get("names"), head.state.get("nc")
    if isinstance(names, dict):
        names = [names.get(index) for index in range(len(names))]
    if not isinstance(names, (list, tuple)) or not all(type(name) in (str, int) for name in names) or len(names) != count:
        raise InputError(f"{path}: has {count} classes and the names {names!r}. Expected a name for each. {WANTED}")
    return clean_names(names, path)  # YAML has made numbers of names such as 2146


def _multiple(model, key, path):
    recipe = model.state.get("yaml")
    value = recipe.get(key) if isinstance(recipe, dict) else None
    if not isinstance(value, (int, float)) or not 0 < value < 100:
        raise InputError(f"{path}: its model does not say its {key} (got {value!r}). {WANTED} {ORIGINAL}")
    return float(value)


def _image_size(content):
    options = content.get("opt") if isinstance(content, dict) else None
    options = options.state if isinstance(options, Inert) else options
    sides = options.get("imgsz", options.get("img_size", 640)) if isinstance(options, dict) else 640
    side = sides[0] if isinstance(sides, (list, tuple)) and sides else sides
    return (side, side) if type(side) is int and 0 < side <= MAX_SIDE and side % 32 == 0 else (640, 640)


def _count(tensors, used, layout):
    """Returns the numbers of tensors of each part."""
    counts = {part: {"read": 0, "used": 0, "unused": 0} for part in ("backbone", "neck", "head", "total")}
    for name in tensors:
        part = layout.blocks[int(name.split(".")[1])][1].split("_")[0]
        for key in (part, "total"):
            counts[key]["read"] += 1
            counts[key]["used" if name in used else "unused"] += 1
    return counts
