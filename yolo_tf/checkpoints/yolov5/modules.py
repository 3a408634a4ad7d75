"""The tree of modules inside a YOLOv5 checkpoint: finding it, walking it, refusing what computes something else."""

from __future__ import annotations

from yolo_tf.checkpoints.torch_pickle import Inert, StoredTensor
from yolo_tf.checkpoints.yolov5.names import LAYOUTS
from yolo_tf.errors import InputError

WANTED = "Expected a detection model of YOLOv5 v4.0 to v7.0 (n, s, m, l, x or other multiples)."
PLAIN = "Models that were changed by hand, and other families, cannot be imported."
ORIGINAL = "Use the .pt file that YOLOv5 wrote."


def find_model(content, path):
    """Returns the network inside the file's outermost value, and where it was found."""
    if isinstance(content, Inert):
        return content, "model"
    if not isinstance(content, dict):
        raise InputError(f"{path}: holds a {type(content).__name__} and no model. {WANTED} {ORIGINAL}")
    for key in ("ema", "model"):
        if isinstance(content.get(key), Inert):
            return content[key], key
    states = [content, *(value for value in content.values() if isinstance(value, dict))]
    for state in states:
        count = sum(isinstance(value, StoredTensor) for value in state.values())
        if count:
            raise InputError(
                f"{path}: holds a state dict ({count} tensors) without its model: sizes, class names and anchors are missing."
                f" {WANTED} Use best.pt or last.pt as YOLOv5 wrote it."
            )
    raise InputError(f"{path}: holds no model (keys {sorted(map(str, content))[:8]}). {WANTED} {ORIGINAL}")


def sequence_rows(model, path):
    """Returns the modules of the model's sequence, first to last."""
    sequence = children(model).get("model")
    if not isinstance(sequence, Inert):
        raise InputError(f"{path}: holds a {model.class_name}. {WANTED} {PLAIN}")
    return list(children(sequence).values())


def find_layout(model, rows, path):
    """Returns the Layout whose rows these are; raises InputError, naming the first difference, where there is none."""
    classes = [row.class_name if isinstance(row, Inert) else type(row).__name__ for row in rows]
    last = rows[-1] if rows else model
    others = {"segmentation": ("SegmentationModel", "Segment"), "classification": ("ClassificationModel", "Classify")}
    for kind, names in others.items():
        if model.class_name in names or last.class_name in names:
            raise InputError(f"{path}: is a {kind} model. {WANTED} Import a detection checkpoint.")
    levels = last.state.get("nl")
    if last.class_name == "Detect" and levels != 3:
        raise InputError(
            f"{path}: detects on {levels} levels (P6 models have 4). Expected three. Use the model without a 6 in its name."
        )
    for layout in LAYOUTS:
        if tuple(classes) == layout.classes:
            return layout
    nearest = max(LAYOUTS, key=lambda layout: sum(a == b for a, b in zip(classes, layout.classes, strict=False)))
    for row, expected in enumerate(nearest.classes):
        found = classes[row] if row < len(classes) else "nothing"
        if found != expected:
            raise InputError(f"{path}: row {row} of its model is {found}, not {expected}. {WANTED} {PLAIN}")
    raise InputError(f"{path}: its model has {len(classes)} rows instead of {len(nearest.classes)}. {WANTED} {PLAIN}")


def check_blocks(rows, layout, path):
    """Raises InputError where a block computes something else under the same name."""
    wanted = {
        "BatchNorm2d": ("eps", 0.001),
        "MaxPool2d": ("stride", 1),
        "Conv2d": ("padding_mode", "zeros"),
        "Upsample": ("mode", "nearest"),
    }
    pools = []
    for row, module in enumerate(rows):
        for name, inner in walk_modules(module, f"model.{row}"):
            activation = children(inner).get("act")
            if isinstance(activation, Inert) and activation.class_name != "SiLU":
                raise InputError(f"{path}: {name} has the activation {activation.class_name}, not SiLU. {WANTED} {PLAIN}")
            if inner.class_name == "MaxPool2d":
                pools.append(inner.state.get("kernel_size"))
            if inner.class_name == "Bottleneck" and inner.state.get("add") is not (row in layout.shortcuts):
                raise InputError(f"{path}: {name} has add = {inner.state.get('add')}. {WANTED} {PLAIN}")
            key, value = wanted.get(inner.class_name, (None, None))
            if inner.state.get(key) != value:
                raise InputError(f"{path}: {name} has {key} = {inner.state.get(key)}, not {value}. {WANTED} {PLAIN}")
    if tuple(pools) != layout.pools:
        raise InputError(f"{path}: pools over {pools} cells, not {list(layout.pools)}. {WANTED} {PLAIN}")


def children(module):
    """Returns the modules right inside a module, by name."""
    found = module.state.get("_modules", {})
    return found if isinstance(found, dict) else {}


def walk_modules(module, prefix):
    """Yields (name, module) of a module and everything inside it, each once: a forged file may contain itself."""
    seen, waiting = set(), [(prefix, module)]
    while waiting:
        name, inner = waiting.pop(0)
        if isinstance(inner, Inert) and id(inner) not in seen:
            seen.add(id(inner))
            yield name, inner
            waiting += [(f"{name}.{key}", child) for key, child in children(inner).items()]


def stored_tensors(module, prefix):
    """Yields (name, StoredTensor) of every parameter and buffer inside a module."""
    for name, inner in walk_modules(module, prefix):
        for group in ("_parameters", "_buffers"):
            for key, value in inner.state.get(group, {}).items():
                if isinstance(value, StoredTensor):
                    yield f"{name}.{key}", value
