"""The table of backbones, and the one function that builds a row of it."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from pathlib import Path

import keras

from yolo_tf.errors import InputError
from yolo_tf.lookup import look_up
from yolo_tf.models.backbones.applications import build_application
from yolo_tf.models.backbones.csp_darknet import STAGES_V5, build_csp_darknet
from yolo_tf.models.backbones.transfer import copy_weights_by_name
from yolo_tf.models.layers import scaled_channels

STRIDES = (8, 16, 32)

# (scale, offset): what the network sees of an RGB pixel value p in 0..255 is p * scale + offset.
UNIT_PIXELS = (1 / 255, 0.0)
_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's training images, RGB in 0..1
IMAGENET_PIXELS = (
    tuple(1 / (255 * deviation) for deviation in _DEVIATION),
    tuple(-mean / deviation for mean, deviation in zip(_MEAN, _DEVIATION, strict=True)),
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class FeatureTap:
    """Where a feature leaves the backbone, and what it is there."""

    layer: str  # the layer whose output it is
    stride: int  # input px per cell
    channels: int  # at width 1


@dataclasses.dataclass(frozen=True, kw_only=True)
class BackboneSpec:
    """One row of BACKBONES."""

    build: Callable  # (pixels, *, weights[, depth, width]) -> tuple of features, fine to coarse
    taps: tuple[FeatureTap, ...]
    pixel_scaling: tuple  # (scale, offset)
    trainable_params: int  # up to the last tap, at depth and width 1
    gflops: float  # up to the last tap, at 640 x 640, 2 per multiply-add, at depth and width 1
    scalable: bool = False  # follows config.model.depth and width; its features have the widths of the neck


def _taps(layers, channels):
    return tuple(
        FeatureTap(layer=layer, stride=stride, channels=count)
        for layer, stride, count in zip(layers, STRIDES, channels, strict=True)
    )


def _application(constructor, layers, channels, trainable_params, gflops):
    return BackboneSpec(
        build=functools.partial(build_application, constructor=constructor, taps=layers),
        taps=_taps(layers, channels),
        pixel_scaling=IMAGENET_PIXELS,
        trainable_params=trainable_params,
        gflops=gflops,
    )


def _efficientnet(variant, last_blocks, channels, trainable_params, gflops):
    """A feature is the output of the last block of its stride, not the six times wider tensor behind it."""
    layers = tuple(f"block{block}" for block in last_blocks)
    return _application(f"EfficientNet{variant}", layers, channels, trainable_params, gflops)


def _convnext(variant, last_blocks, channels, trainable_params, gflops):
    """A feature is the residual sum that ends its stage; `..._identity` would be the branch alone."""
    layers = tuple(
        f"convnext_{variant.lower()}_stage_{stage}_block_{block}_add" for stage, block in enumerate(last_blocks, start=1)
    )
    return _application(f"ConvNeXt{variant}", layers, channels, trainable_params, gflops)


def _csp_darknet(trainable_params, gflops, **options):
    return BackboneSpec(
        build=functools.partial(build_csp_darknet, **options),
        taps=_taps([f"backbone_stage{stage}_csp_merge_silu" for stage in (2, 3, 4)], (256, 512, 1024)),
        pixel_scaling=UNIT_PIXELS,
        trainable_params=trainable_params,
        gflops=gflops,
        scalable=True,
    )


BACKBONES = {
    "csp_darknet": _csp_darknet(23_958_400, 67.266),
    # Of YOLOv5 v4 and v5, for their checkpoints; together with the neck csp_pan_unpooled.
    "csp_darknet_v5": _csp_darknet(27_075_968, 75.655, stages=STAGES_V5, pooled=True),
    # B0's stage 7 is one block without a residual, hence no add.
    "efficientnetb0": _efficientnet("B0", ("3b_add", "5c_add", "7a_project_bn"), (40, 112, 320), 3_595_388, 5.941),
    "efficientnetb1": _efficientnet("B1", ("3c_add", "5d_add", "7b_add"), (40, 112, 320), 6_101_024, 8.936),
    "efficientnetb2": _efficientnet("B2", ("3c_add", "5d_add", "7b_add"), (48, 120, 352), 7_202_562, 10.320),
    "efficientnetb3": _efficientnet("B3", ("3c_add", "5e_add", "7b_add"), (48, 136, 384), 10_103_336, 15.194),
    "efficientnetb4": _efficientnet("B4", ("3d_add", "5f_add", "7b_add"), (56, 160, 448), 16_742_216, 23.834),
    "efficientnetb5": _efficientnet("B5", ("3e_add", "5g_add", "7c_add"), (64, 176, 512), 27_288_112, 37.527),
    "efficientnetb6": _efficientnet("B6", ("3f_add", "5h_add", "7c_add"), (72, 200, 576), 39_403_992, 53.653),
    "efficientnetb7": _efficientnet("B7", ("3g_add", "5j_add", "7d_add"), (80, 224, 640), 62_143_440, 82.883),
    "convnext_tiny": _convnext("Tiny", (2, 8, 2), (192, 384, 768), 27_818_592, 72.731),
    "convnext_small": _convnext("Small", (2, 26, 2), (192, 384, 768), 49_453_152, 141.762),
    "convnext_base": _convnext("Base", (2, 26, 2), (256, 512, 1024), 87_564_416, 250.673),
    "convnext_large": _convnext("Large", (2, 26, 2), (384, 768, 1536), 196_227_264, 560.978),
    "convnext_xlarge": _convnext("XLarge", (2, 26, 2), (512, 1024, 2048), 348_143_872, 994.596),
}


def feature_channels(spec, *, width):
    """Returns the channels of each tap of `spec`, fine to coarse, at this width multiple."""
    return tuple(scaled_channels(tap.channels, width) if spec.scalable else tap.channels for tap in spec.taps)


def build_backbone(name, *, weights="none", depth=1.0, width=1.0):
    """Builds a backbone that takes RGB images 0..255 and scales their pixels itself.

    Args:
        name: a row of BACKBONES.
        weights: none | imagenet | FILE: a .keras file of a detector with this backbone, or the
            .weights.h5 or .h5 file of a keras.applications network without its top.
        depth, width: multiples, for scalable backbones only.

    Returns:
        keras.Model of built-in layers, float [B, H, W, 3] -> list of features [B, H / stride, W / stride,
        channels], fine to coarse. H and W may be any multiples of 32.

    Raises:
        InputError: no such backbone; the weights are missing, unreadable or of another network.
    """
    spec = look_up(BACKBONES, name, kind="backbone")
    from_file = weights not in ("none", "imagenet")
    if from_file:
        _check_weights_file(weights)
    from_detector = from_file and weights.endswith(".keras")
    images = keras.Input((None, None, 3), name="images")
    scale, offset = spec.pixel_scaling
    # Always float32: under mixed_float16 an image value would be rounded before it is centred.
    pixels = keras.layers.Rescaling(scale, offset, dtype="float32", name="pixel_scaling")(images)
    multiples = dict(depth=depth, width=width) if spec.scalable else {}
    features = spec.build(pixels, weights="none" if from_detector else weights, **multiples)
    backbone = keras.Model(images, list(features), name=name)
    if from_detector:
        copy_weights_by_name(weights, backbone)
    return backbone


def _check_weights_file(path):
    if not path.endswith((".keras", ".h5")):
        raise InputError(
            f"config.model.backbone_weights: got '{path}'. Expected imagenet, none or the path of a .keras,"
            " .weights.h5 or .h5 file. Check the spelling."
        )
    if not Path(path).is_file():
        raise InputError(
            f"config.model.backbone_weights: no file '{path}'. Expected imagenet, none or the path of a .keras,"
            " .weights.h5 or .h5 file. Check the path."
        )
