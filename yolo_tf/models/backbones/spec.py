"""What a row of BACKBONES says about a backbone."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

STRIDES = (8, 16, 32)

# (scale, offset): what the network sees of an RGB pixel value p in 0..255 is p * scale + offset.
RAW_PIXELS = (1.0, 0.0)
UNIT_PIXELS = (1 / 255, 0.0)
TF_PIXELS = (1 / 127.5, -1.0)  # -1..1, as TensorFlow's own networks were trained
_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's training images, RGB in 0..1
IMAGENET_PIXELS = (
    tuple(1 / (255 * deviation) for deviation in _DEVIATION),
    tuple(-mean / deviation for mean, deviation in zip(_MEAN, _DEVIATION, strict=True)),
)
# Minus ImageNet's mean, no scale: how Caffe's networks were trained, though on BGR images.
CAFFE_PIXELS = (1.0, (-123.68, -116.779, -103.939))
NO_WEIGHTS = "none published"


@dataclasses.dataclass(frozen=True, kw_only=True)
class FeatureTap:
    """Where a feature leaves the backbone, and what it is there."""

    layer: str  # the layer whose output it is
    stride: int  # input px per cell
    channels: int  # at width 1


@dataclasses.dataclass(frozen=True, kw_only=True)
class BackboneSpec:
    """One row of BACKBONES."""

    family: str  # networks of one paper
    build: Callable  # (pixels, *[, weights][, depth, width][, activation][, depthwise]) -> tuple of features, fine to coarse
    taps: tuple[FeatureTap, ...]
    pixel_scaling: tuple  # (scale, offset)
    trainable_params: int  # up to the last tap, at depth and width 1
    gflops: float  # up to the last tap, at 640 x 640, 2 per multiply-add, at depth and width 1
    licence: str  # of the code that builds it
    weights: str = NO_WEIGHTS  # where initial weights come from, besides .keras files; `build` takes them where there are some
    weights_licence: str = ""  # of those weights, and where they were ported from; empty where there are none
    weights_files: tuple[str, ...] = ()  # suffixes of the files of such weights
    fixed_activation: bool = True  # False: `build` takes another `activation` than the published one
    scalable: bool = False  # follows config.model.depth, width and activation; its features have the widths of the neck
    separable: bool = False  # scalable: `build` takes config.model.depthwise


def taps_at(layers, channels):
    """Returns the FeatureTaps of three layers at STRIDES."""
    return tuple(
        FeatureTap(layer=layer, stride=stride, channels=count)
        for layer, stride, count in zip(layers, STRIDES, channels, strict=True)
    )
