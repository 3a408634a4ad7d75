"""Where the cells of the decoupled head lie: its levels are all there is to say."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from yolo_tf.errors import InputError


@dataclasses.dataclass(frozen=True, kw_only=True)
class CellGrid:
    """The layout of the decoupled head: one prediction in every cell of every level."""

    head: ClassVar[str] = "decoupled"  # its row in HEADS
    strides: tuple[int, ...]  # L values, input px per cell, fine to coarse


def cell_grid(strides):
    """Returns the CellGrid of L strides, px."""
    return CellGrid(strides=tuple(int(stride) for stride in strides))


def stated_grid(model, strides):
    """Returns the CellGrid of a ModelConfig, which has nothing to choose here.

    Raises:
        InputError: it states anchors.
    """
    if model.anchors:
        raise InputError(
            f"config.model.anchors: got {model.anchors} for the head decoupled, which has none. Expected none. Leave them out, or"
            " use model.head=anchor."
        )
    return cell_grid(strides)
