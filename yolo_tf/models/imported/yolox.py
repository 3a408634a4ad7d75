"""A file of YOLOX -> a `.keras` detector with the same answers."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import keras
import numpy as np

from yolo_tf.checkpoints.published import read_published
from yolo_tf.checkpoints.yolox.checkpoint import WHAT, YoloxCheckpoint, read_yolox
from yolo_tf.checkpoints.yolox.classes import yolox_class_names
from yolo_tf.config import ModelConfig
from yolo_tf.config.plain import plain
from yolo_tf.errors import InputError
from yolo_tf.files.keras import check_out, save_network
from yolo_tf.files.spec import DetectorSpec, detector_spec
from yolo_tf.files.weights import fill_network
from yolo_tf.models.network import build_network, network_layout
from yolo_tf.surgery.graph import kernel_names, nodes_of
from yolo_tf.surgery.unfold import unfold_batch_norm

BACKBONE, NECK, HEAD = "csp_darknet_yolox", "csp_pan_unpooled", "decoupled"  # rows of their tables
LETTERBOX = "corner"  # as YOLOX was trained and its published AP measured


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class YoloxReport:
    """What was imported."""

    out: Path
    checkpoint: YoloxCheckpoint
    class_names: tuple[str, ...]
    image_size: tuple[int, int]  # (height, width) px that the detector runs at by default
    trainable_params: int
    trains: bool  # whether its batch norms have statistics: those of the file, or of the images that were given

    def to_json(self):
        """Returns JSON values: these, and what describes the file; not its weights."""
        own = plain(dataclasses.replace(self, checkpoint=None))
        del own["checkpoint"]
        shape = self.checkpoint.shape
        told = {"name": shape.name, "depth": shape.depth, "width": shape.width, "depthwise": shape.depthwise}
        told |= {"num_classes": self.checkpoint.num_classes, "folded": self.checkpoint.folded, "tensors": self.checkpoint.tensors}
        told["sha256"] = self.checkpoint.digest
        return {**told, "letterbox": LETTERBOX, **own}


def import_yolox(
    path: Path | str,
    out: Path | str,
    *,
    class_names: tuple[str, ...] | None = None,
    image_size: tuple[int, int] | None = None,
    images: np.ndarray | None = None,
) -> YoloxReport:
    """Turns a file of YOLOX's authors into a `.keras` file, without PyTorch or ONNX, and returns a YoloxReport.

    Args:
        path: `.pth` or `.onnx` file; nothing in it is executed.
        out: `.keras` file to write. It opens with Keras alone, and carries class names and letterbox.
        class_names: of its classes, in order; None = COCO's, for a file of 80.
        image_size: (height, width) px that the detector runs at by default; None = as it was trained.
        images: photographs in the network's input, uint8 or float32 [n, H, W, 3] RGB. Where batch norms were folded into the
            convolutions, they get the statistics of these, and the network can be trained further; None = they stay empty.

    Raises:
        InputError: the file cannot be read or is of another network, or its classes need other names. Nothing is written then.
    """
    out = Path(out)
    check_out(out)
    checkpoint = read_yolox(path)
    class_names = yolox_class_names(checkpoint, class_names, where=path)
    network = build_imported_yolox(checkpoint, where=path)
    settled = checkpoint.folded and images is not None
    if settled:
        unfold_batch_norm(network, images)
    image_size = tuple(image_size or checkpoint.image_size)
    save_network(network, yolox_spec(checkpoint, class_names, image_size), out)
    return YoloxReport(
        out=out,
        checkpoint=checkpoint,
        class_names=class_names,
        image_size=image_size,
        trains=settled or not checkpoint.folded,
        trainable_params=sum(int(np.prod(weight.shape)) for weight in network.trainable_weights),
    )


def published_yolox(name: str) -> tuple[Path, YoloxCheckpoint, keras.Model, DetectorSpec]:
    """Returns a published YOLOX, one of PUBLISHED_WEIGHTS, with the file that it is from; see `read_published`."""
    path, checkpoint = read_published(name)
    spec = yolox_spec(checkpoint, yolox_class_names(checkpoint, where=path), checkpoint.image_size)
    return path, checkpoint, build_imported_yolox(checkpoint, where=path), spec


def yolox_model(checkpoint):
    """Returns the ModelConfig of a YoloxCheckpoint."""
    shape = checkpoint.shape
    return ModelConfig(
        name=shape.name,
        backbone=BACKBONE,
        neck=NECK,
        head=HEAD,
        depth=shape.depth,
        width=shape.width,
        depthwise=shape.depthwise,
    )


def yolox_spec(checkpoint, class_names, image_size):
    """Returns the DetectorSpec of a YoloxCheckpoint."""
    return detector_spec(
        class_names=class_names,
        image_size=image_size,
        anchors=network_layout(yolox_model(checkpoint)),
        name=checkpoint.shape.name,
        letterbox=LETTERBOX,
    )


def build_imported_yolox(checkpoint, *, where):
    """Builds the network of a YoloxCheckpoint with `build_network` and gives it the checkpoint's weights.

    Raises:
        InputError: a tensor has another shape than this network has, or the convolutions of an ONNX graph read others.
    """
    model = yolox_model(checkpoint)
    network = build_network(model, num_classes=checkpoint.num_classes, anchors=network_layout(model))
    if checkpoint.sources is not None:
        _check_sources(network, checkpoint.sources, where)
    shape = checkpoint.shape
    multiples = f"depth {shape.depth:g} and width {shape.width:g}"
    fill_network(network, checkpoint.weights, where=where, expected=f"the layers of YOLOX at {multiples}")
    return network


def _check_sources(network, sources, where):
    """Raises InputError unless the convolutions of a network read each other as `sources` says."""
    found = convolution_sources(network, tuple(sources))
    for name, theirs in sources.items():
        ours = found.get(name)
        if ours != theirs and name != "backbone_stem":  # which reads the pixels, there in four phases
            raise InputError(
                f"{where}: the convolution in the place of {name} reads {_places(theirs)}. Expected {_places(ours or ())}, as in"
                f" {WHAT}. Use the published file."
            )


def _places(names):
    return " and ".join(name or "the image" for name in names) or "nothing"


def convolution_sources(network, order):
    """Returns {name of a convolution, without "_conv": those that it reads, "" for the image}.

    As checkpoints/onnx_graph.py says it of an ONNX graph: what is joined keeps its order, what is added has that of `order`.
    """
    place = {name: number for number, name in enumerate(("", *order))}
    read, sources = {}, {}
    for node in nodes_of(network):
        operation = node.operation
        behind = [read[id(tensor)] for tensor in node.input_tensors]
        if kernel_names(operation):
            name = operation.name.removesuffix("_conv")
            sources[name] = behind[0]
            behind = [(name,)]
        joined = tuple(name for names in behind for name in names) if behind else ("",)  # of an input
        if not isinstance(operation, keras.layers.Concatenate):
            joined = tuple(sorted(set(joined), key=place.get))
        read |= {id(tensor): joined for tensor in node.output_tensors}
    return sources
