"""`detector.json`: what a network file must carry to be used alone; where it lies is for each format to say.

So class names, head, anchors and image size travel with the weights, and no config is needed to predict.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from typing import Any

from yolo_tf.config.data import LETTERBOXES
from yolo_tf.errors import InputError, any_of
from yolo_tf.files.format import MEMBER
from yolo_tf.heads import HEADS, load_head
from yolo_tf.system.class_names import clean_names
from yolo_tf.system.version import VERSION


@dataclasses.dataclass(frozen=True, kw_only=True)
class DetectorSpec:
    """Everything about a detector that is not in its graph."""

    class_names: tuple[str, ...]
    image_size: tuple[int, int]  # (height, width) px it was trained at
    strides: tuple[int, ...]
    head: str = "anchor"  # a row of HEADS
    geometry: dict  # of its layout beside strides, as the head gives it: nested tuples of numbers
    name: str = "detector"  # a short name of the network, for tables
    run: str = ""  # name of the training run that the network comes from; "" = not known
    letterbox: str = "center"  # one of LETTERBOXES: how images are brought to its size

    @property
    def layout(self):
        """How the raw predictions lie, for the functions of the head: an AnchorSet for "anchor"."""
        return load_head(self.head).from_geometry(self.strides, **self.geometry)

    @property
    def channel_parts(self):
        """Name -> slice of the channels of a raw prediction that int8 keeps apart."""
        return load_head(self.head).channel_parts

    anchors = layout  # by its name where there is but one head

    def decode(self, predictions):
        """Turns the raw predictions into boxes float32 [B, D, 4] xyxy input px and scores float32 [B, D, C], 0..1."""
        return load_head(self.head).decode(predictions, self.layout)


def detector_spec(
    *,
    class_names: Iterable[str],
    image_size: tuple[int, int],
    anchors: Any,
    name: str = "detector",
    letterbox: str = "center",
) -> DetectorSpec:
    """Builds a DetectorSpec from an AnchorSet, or the layout of another head; `letterbox` is one of LETTERBOXES."""
    return DetectorSpec(
        class_names=tuple(class_names),
        image_size=(int(image_size[0]), int(image_size[1])),
        strides=anchors.strides,
        head=anchors.head,
        geometry=_as_tuples(load_head(anchors.head).geometry(anchors)),
        name=name,
        letterbox=letterbox,
    )


def spec_to_json(spec):
    """Returns the text of `detector.json`: the spec, and for whoever reads it the version that wrote it."""
    return json.dumps({"format_version": 2, "yolo_tf": VERSION, **dataclasses.asdict(spec)}, indent=1, ensure_ascii=False)


def spec_from_json(text, *, where):
    """Reads the text of `detector.json`; `where` is the path that messages name.

    Raises:
        InputError: another version wrote it, or its head is not known.
        KeyError, ValueError: it is no such text.
    """
    fields = json.loads(text)
    if not isinstance(fields, dict):
        raise ValueError(f"{MEMBER} is no mapping")
    version = fields.pop("format_version")
    if version == 1:  # there was one head
        fields |= {"head": "anchor", "geometry": {"anchors": fields["anchor_sizes"]}}
    elif version != 2:
        raise InputError(f"{where}: {MEMBER} has format version {version!r}. Expected 1 or 2. Use the yolo_tf that wrote it.")
    if not isinstance(fields["head"], str) or fields["head"] not in HEADS:
        known = ", ".join(HEADS)
        raise InputError(f"{where}: {MEMBER} names the head {fields['head']!r}. Expected {known}. Use the yolo_tf that wrote it.")
    fields = {"run": "", "letterbox": "center", **fields}  # earlier versions wrote neither
    if fields["letterbox"] not in LETTERBOXES:
        raise InputError(
            f"{where}: {MEMBER} names the letterbox {fields['letterbox']!r}. Expected {any_of(LETTERBOXES)}. Use the yolo_tf"
            " that wrote it."
        )
    fault = _fault(fields)
    if fault:
        raise InputError(f"{where}: {MEMBER}: {fault}. Expected what `yolo-tf train` or `yolo-tf export` wrote. Write it again.")
    fields["class_names"] = clean_names(fields["class_names"], where)
    return DetectorSpec(**{field.name: _as_tuples(fields[field.name]) for field in dataclasses.fields(DetectorSpec)})


def _fault(fields):
    """Returns what is of the wrong kind or out of range in the fields of a spec, as JSON has them, or ""."""
    names, strides, size = (fields[name] for name in ("class_names", "strides", "image_size"))
    if not isinstance(names, list) or not names:
        return f"class_names: {str(names)[:60]} is no list of names"
    if not _are_sides(strides) or strides != sorted(set(strides)):
        return f"strides: {str(strides)[:60]} are no whole numbers that rise"
    if not _are_sides(size) or len(size) != 2 or any(side % strides[-1] for side in size):
        return f"image_size: {str(size)[:60]} is no height and width, multiples of the stride {strides[-1]}"
    kinds = (("geometry", dict), ("name", str), ("run", str))
    return next((f"{name}: got {str(fields[name])[:60]}" for name, kind in kinds if not isinstance(fields[name], kind)), "")


def _are_sides(value):
    return isinstance(value, list) and bool(value) and all(type(side) is int and side > 0 for side in value)


def _as_tuples(value):
    """Returns nested lists, also those in a dict, as nested tuples."""
    if isinstance(value, dict):
        return {name: _as_tuples(inner) for name, inner in value.items()}
    return tuple(map(_as_tuples, value)) if isinstance(value, list) else value
