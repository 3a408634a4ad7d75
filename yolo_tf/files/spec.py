"""`detector.json`: what a network file must carry to be used alone; where it lies is for each format to say.

So class names, anchors and image size travel with the weights, and no config is needed to predict.
"""

from __future__ import annotations

import dataclasses
import json

from yolo_tf.errors import InputError
from yolo_tf.files.format import MEMBER
from yolo_tf.heads.anchor.anchors import AnchorSet, anchor_set
from yolo_tf.system.version import VERSION


@dataclasses.dataclass(frozen=True, kw_only=True)
class DetectorSpec:
    """Everything about a detector that is not in its graph."""

    class_names: tuple[str, ...]
    image_size: tuple[int, int]  # (height, width) px it was trained at
    strides: tuple[int, ...]
    anchor_sizes: tuple  # [L][A][2] (width, height) px
    name: str = "detector"  # a short name of the network, for tables
    run: str = ""  # name of the training run that the network comes from; "" = not known

    @property
    def anchors(self) -> AnchorSet:
        """The anchors as arrays."""
        return anchor_set(self.strides, self.anchor_sizes)

    def decode(self, predictions):
        """Turns L raw predictions into boxes float32 [B, D, 4] xyxy input px and scores float32 [B, D, C], 0..1."""
        from yolo_tf.heads.anchor.decode import decode_predictions  # a spec is read where TensorFlow is not needed

        return decode_predictions(predictions, self.anchors)


def detector_spec(*, class_names, image_size, anchors, name="detector"):
    """Builds a DetectorSpec from an AnchorSet."""
    return DetectorSpec(
        class_names=tuple(class_names),
        image_size=(int(image_size[0]), int(image_size[1])),
        strides=anchors.strides,
        anchor_sizes=tuple(tuple(tuple(float(side) for side in size) for size in level) for level in anchors.sizes),
        name=name,
    )


def spec_to_json(spec):
    """Returns the text of `detector.json`: the spec, and for whoever reads it the version that wrote it."""
    return json.dumps({"format_version": 1, "yolo_tf": VERSION, **dataclasses.asdict(spec)}, indent=1, ensure_ascii=False)


def spec_from_json(text, *, where):
    """Reads the text of `detector.json`; `where` is the path that messages name.

    Raises:
        InputError: another version wrote it.
        KeyError, ValueError: it is no such text.
    """
    fields = json.loads(text)
    version = fields.pop("format_version")
    if version != 1:
        raise InputError(f"{where}: {MEMBER} has format version {version!r}. Expected 1. Use the yolo_tf that wrote it.")
    return DetectorSpec(
        class_names=tuple(fields["class_names"]),
        image_size=tuple(fields["image_size"]),
        strides=tuple(fields["strides"]),
        anchor_sizes=tuple(tuple(tuple(size) for size in level) for level in fields["anchor_sizes"]),
        name=fields["name"],
        run=fields.get("run", ""),  # earlier versions wrote none
    )
