"""A YOLOv5 checkpoint -> a `.keras` detector with the same answers."""

from __future__ import annotations

import dataclasses
import zipfile
from pathlib import Path

import keras
import numpy as np

from yolo_tf.checkpoints.yolov5.checkpoint import Yolov5Checkpoint, read_yolov5
from yolo_tf.config import ModelConfig
from yolo_tf.config.plain import plain
from yolo_tf.errors import InputError
from yolo_tf.files.keras import check_out, save_network
from yolo_tf.files.spec import detector_spec
from yolo_tf.files.weights import fill_network
from yolo_tf.models.backbones import BACKBONES
from yolo_tf.models.network import build_network

# Largest difference of a raw prediction that rounding explains; the reference differs from itself by 4e-5 of its box.
LOGIT_TOLERANCE = 2e-3


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class ImportReport:
    """What was imported, and how near its answers are."""

    out: Path
    checkpoint: Yolov5Checkpoint
    image_size: tuple[int, int]  # (height, width) px that the detector runs at by default
    trainable_params: int
    largest_difference: dict | None  # level -> greatest difference of a logit from the reference; None = not compared

    def to_json(self):
        """Returns JSON values: these, and what describes the checkpoint; not its weights."""
        own = plain(self)
        checkpoint = own.pop("checkpoint")
        described = ("name", "versions", "weights_of", "precision", "depth", "width", "class_names", "tensors", "unused")
        told = {name: checkpoint[name] for name in described}
        anchors = self.checkpoint.anchors.sizes.tolist()
        return {**told, "num_classes": len(told["class_names"]), "anchors": anchors, **own}


def import_yolov5(
    path: Path | str,
    out: Path | str,
    *,
    image_size: tuple[int, int] | None = None,
    reference: Path | str | None = None,
    backbone_only: bool = False,
) -> ImportReport:
    """Turns a checkpoint of YOLOv5 v4.0 to v7.0 into a `.keras` file, without PyTorch, and returns an ImportReport.

    Args:
        path: `.pt` file; nothing in it is executed.
        out: `.keras` file to write. It opens with Keras alone, and carries class names and anchors.
        image_size: (height, width) px that the detector runs at by default; None = as the checkpoint says, else 640.
        reference: `.npz` file with the answer of the original: `image` uint8 [H, W, 3] RGB and `raw_p3`, `raw_p4`,
            `raw_p5` float [1, A, Y, X, 5 + C], logits. None = not compared.
        backbone_only: write the backbone alone, images -> features of strides 8, 16, 32, without detector.json.

    Raises:
        InputError: the checkpoint cannot be read or is of another kind, or the answers differ from the reference by
            more than LOGIT_TOLERANCE. Nothing is written then.
    """
    out = Path(out)
    check_out(out)
    checkpoint = read_yolov5(path)
    network = build_imported(checkpoint, where=path)
    difference = None if reference is None else reference_difference(network, reference)
    if difference is not None:
        largest = np.max(list(difference.values()))  # NaN where any is; max() may miss it
        if not largest <= LOGIT_TOLERANCE:
            raise InputError(
                f"{reference}: differs from the imported network by {largest:.2g} in a raw prediction. Expected at most"
                f" {LOGIT_TOLERANCE}. Record it from this checkpoint, in float32 and inference mode."
            )
    image_size = image_size or checkpoint.image_size
    if backbone_only:
        save_network(backbone_of(network, checkpoint.backbone), None, out)
    else:
        spec = detector_spec(
            class_names=checkpoint.class_names, image_size=image_size, anchors=checkpoint.anchors, name=checkpoint.name
        )
        save_network(network, spec, out)
    return ImportReport(
        out=out,
        checkpoint=checkpoint,
        image_size=tuple(image_size),
        trainable_params=sum(int(np.prod(weight.shape)) for weight in network.trainable_weights),
        largest_difference=difference,
    )


def build_imported(checkpoint, *, where):
    """Builds the network of a Yolov5Checkpoint with `build_network` and gives it the checkpoint's weights.

    Raises:
        InputError: a tensor has another shape than these multiples and classes make it; the message begins with `where`.
    """
    model = ModelConfig(
        name=checkpoint.name, backbone=checkpoint.backbone, neck=checkpoint.neck, depth=checkpoint.depth, width=checkpoint.width
    )
    network = build_network(model, num_classes=len(checkpoint.class_names), anchors=checkpoint.anchors)
    multiples = f"depth {checkpoint.depth} and width {checkpoint.width}"
    fill_network(network, checkpoint.weights, where=where, expected=f"the layers of YOLOv5 at {multiples}")
    return network


def backbone_of(network, backbone):
    """Cuts a network behind its backbone: a keras.Model from images to the features of the backbone's taps."""
    features = [network.get_layer(tap.layer).output for tap in BACKBONES[backbone].taps]
    return keras.Model(network.inputs[0], features, name=backbone)


def reference_difference(network, path):
    """Compares raw predictions with recorded ones.

    Args:
        network: keras.Model, images 0..255 -> raw predictions.
        path: `.npz` file, see `import_yolov5`.

    Returns:
        dict: "p3", "p4", "p5" -> greatest absolute difference of a logit.

    Raises:
        InputError: the file lacks an array or holds one of another shape.
    """
    try:
        with np.load(path) as arrays:  # allow_pickle is False: arrays only
            image, *recorded = (arrays[key] for key in ("image", "raw_p3", "raw_p4", "raw_p5"))
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(
            f"{path}: is no reference ({type(error).__name__}: {error}). Expected an .npz file with image, raw_p3, raw_p4 and"
            " raw_p5. See docs/parity.md."
        ) from error
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or any(side % 32 for side in image.shape[:2]):
        raise InputError(
            f"{path}: its image is {image.dtype} {list(image.shape)}. Expected uint8 [H, W, 3], H and W multiples of 32."
            " See docs/parity.md."
        )
    difference = {}
    for level, ours, theirs in zip(("p3", "p4", "p5"), network(image[None].astype(np.float32)), recorded, strict=True):
        ours = np.moveaxis(np.asarray(ours), 3, 1)  # [1, Y, X, A, 5 + C] -> [1, A, Y, X, 5 + C]
        if ours.shape != theirs.shape:
            raise InputError(
                f"{path}: raw_{level} has shape {list(theirs.shape)}. Expected {list(ours.shape)}. Record it from this model."
            )
        difference[level] = float(np.abs(ours - theirs).max())
    return difference
