"""Heads: what a network predicts at every place of its features, how that is read, and how it is learned.

The rest of the package knows a head by its row in HEADS, and two words about it:

layout: a frozen dataclass that says how the raw predictions of one network lie, with `head` (the name of its row) and `strides`
    (L ints, input px per cell, fine to coarse). What else it has is the head's own affair.
raw predictions: the outputs of the network, a list of tensors. Their number, shapes and channels are the head's own affair.
"""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Callable

from yolo_tf.errors import InputError, look_up

# name -> module with the row HEAD: a detector.json is read without TensorFlow
HEADS = {"anchor": "yolo_tf.heads.anchor.head", "decoupled": "yolo_tf.heads.decoupled.head"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Head:
    """One row of HEADS; `model` and `loss` are sections of the config, image sizes are (height, width) px.

    `loss` is the section that `loss_section` names.
    """

    make_layout: Callable  # (model, strides) -> layout that the options state, else the default one; InputError
    # (layout, dataset, *, image_size, loss, seed, keep) -> (model options for a better one or {}, text or "")
    fit_layout: Callable
    geometry: Callable  # layout -> what detector.json holds of it beside strides: model option that states it -> nested lists
    from_geometry: Callable  # (strides, **geometry) -> layout
    build: Callable  # (features, layout, *, num_classes, model) -> raw predictions, float32; layers are named head_...
    scale_new: Callable  # (network, names of layers loaded, factor) -> names of the head layers whose kernels it scaled
    output_shapes: Callable  # (layout, num_classes) -> shapes of the raw predictions, None for B, Y and X
    # Name -> slice of the channels that int8 keeps apart, where raw predictions are [B, Y, X, A, channels] of one convolution
    # each; {} = every raw prediction is one part.
    channel_parts: dict
    decode: Callable  # (raw predictions, layout) -> boxes float32 [B, D, 4] xyxy input px, scores float32 [B, D, C] 0..1
    count_candidates: Callable  # (layout, image size int32 [2]) -> L counts; the D candidates lie level by level, fine to coarse
    loss_section: str = "loss"  # of the config: the options of what follows
    loss_parts: tuple[str, ...]  # of "box", "objectness", "class"
    # (Targets, raw predictions, layout, *, loss, num_matches=None, plain=False) -> loss part -> float32 scalar; `plain` = the
    # last epochs, whose images are no mosaics any more.
    loss: Callable
    check_loss: Callable = lambda loss, layout: None  # raises InputError where the options do not fit the layout
    plain_loss_differs: bool = False  # whether `plain` changes anything
    # Divisors of the loss, float32; their mean over all replicas is the `num_matches` of each.
    count_matches: Callable  # (Targets, image size, layout, *, loss, predictions) -> divisors
    matches_need_predictions: bool = False  # what it counts depends on the raw predictions; else they may be None
    any_places: bool = False  # `loss` and `count_matches` take Targets whose number of places only the step itself knows
    # (layout, num_classes, image size) -> bytes that a place for one box of one image takes in a training step
    place_bytes: Callable
    distillation_loss: Callable  # (the teacher's raw predictions, ours, layout, *, loss, num_objects=None) -> float32 scalar
    count_objects: Callable  # the teacher's raw predictions -> divisors of the distillation loss, as above


def loss_options(head, config):
    """Returns the section of a Config that a row of HEADS takes as `loss`.

    Raises:
        InputError: the config states options of the loss of another head, which would count for nothing.
    """
    for section in {load_head(name).loss_section for name in HEADS} - {head.loss_section}:
        for field in dataclasses.fields(getattr(config, section)):
            value = getattr(getattr(config, section), field.name)
            if value != field.default:
                raise InputError(
                    f"config.{section}.{field.name}: got {value}, but the loss of this head has its options in the section"
                    f" {head.loss_section}. Expected {field.default}, as if left out. Leave it out, or set that section."
                )
    return getattr(config, head.loss_section)


def load_head(name):
    """Returns a row of HEADS, whose module is imported when it is first asked for; InputError where there is none."""
    return importlib.import_module(look_up(HEADS, name, kind="head", where="config.model.head")).HEAD
