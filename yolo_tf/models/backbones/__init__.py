"""The table of backbones, and the one function that builds a row of it."""

from __future__ import annotations

from pathlib import Path

import keras

from yolo_tf.errors import InputError, any_of, look_up
from yolo_tf.files.keras import FORMAT as KERAS_FILE
from yolo_tf.files.weights import load_weights
from yolo_tf.layers.blocks import scaled_channels
from yolo_tf.models.backbones import (
    application_rows,
    csp_darknet,
    efficientnet_lite,
    ghostnet,
    inception_v4,
    repvgg,
    resnet18,
    yolov4_csp,
)
from yolo_tf.models.backbones.spec import NO_WEIGHTS, STRIDES, BackboneSpec, FeatureTap

__all__ = ["BACKBONES", "STRIDES", "BackboneSpec", "FeatureTap", "build_backbone", "feature_channels"]

# Every family is a file with its own ROWS.
_FAMILIES = (csp_darknet, application_rows, efficientnet_lite, resnet18, ghostnet, repvgg, inception_v4, yolov4_csp)
BACKBONES = {name: row for family in _FAMILIES for name, row in family.ROWS.items()}


def feature_channels(spec, *, width):
    """Returns the channels of each tap of `spec`, fine to coarse, at this width multiple."""
    return tuple(scaled_channels(tap.channels, width) if spec.scalable else tap.channels for tap in spec.taps)


def build_backbone(
    name: str,
    *,
    weights: str = "none",
    depth: float = 1.0,
    width: float = 1.0,
    activation: str = "silu",
    depthwise: bool = False,
    backbone_activation: str = "own",
    drop_path: float = 0.0,
) -> keras.Model:
    """Builds a backbone that takes RGB images 0..255 and scales their pixels itself.

    Args:
        name: a row of BACKBONES.
        weights: none | imagenet | FILE: a .keras file of a detector with this backbone, or the
            .weights.h5 or .h5 file of a keras.applications network without its top; the .pth file of an EfficientNet-Lite.
        depth, width: multiples, for scalable backbones only.
        activation: a row of ACTIVATIONS, for scalable backbones only.
        depthwise: whether 3 x 3 convolutions are depthwise ones, each followed by a 1 x 1; for CSPDarknet only.
        backbone_activation: a row of ACTIVATIONS for a network of keras.applications in place of its own; "own" = as published.
        drop_path: highest rate of stochastic depth, 0..1, for ConvNeXt only.

    Returns:
        keras.Model of built-in layers, float [B, H, W, 3] -> list of features [B, H / stride, W / stride,
        channels], fine to coarse. H and W may be any multiples of 32.

    Raises:
        InputError: no such backbone; the weights are missing, unreadable or of another network; its activation or its
            convolutions cannot be replaced.
    """
    spec = look_up(BACKBONES, name, kind="backbone", where="config.model.backbone")
    if backbone_activation != "own" and spec.fixed_activation:
        instead = "Set model.activation." if spec.scalable else "Leave it out."
        raise InputError(
            f"config.model.backbone_activation: got {backbone_activation} for backbone {name}, whose activation is not to be"
            f" replaced. Expected own. {instead}"
        )
    if depthwise and not spec.separable:
        raise InputError(
            f"config.model.depthwise: got true for backbone {name}, whose convolutions are not to be replaced. Expected one of"
            f" {', '.join(name for name, row in BACKBONES.items() if row.separable)}. Leave it out."
        )
    from_file = weights not in ("none", "imagenet")
    from_detector = from_file and weights.endswith(KERAS_FILE.suffix)
    if spec.weights == NO_WEIGHTS and weights != "none" and not from_detector:
        raise InputError(
            f"config.model.backbone_weights: {name} has no weights '{weights}'. Expected none or a .keras"
            " file of a detector with this backbone. Use none to start from random weights."
        )
    if from_file:
        _check_weights_file(weights, spec)
    images = keras.Input((None, None, 3), name="images")
    scale, offset = spec.pixel_scaling
    # Always float32: under mixed_float16 an image value would be rounded before it is centred.
    pixels = keras.layers.Rescaling(scale, offset, dtype="float32", name="pixel_scaling")(images)
    options = dict(depth=depth, width=width, activation=activation) if spec.scalable else {}
    if depthwise:
        options["depthwise"] = True
    if backbone_activation != "own":
        options["activation"] = backbone_activation
    if drop_path:
        options["drop_path"] = drop_path
    if spec.weights != NO_WEIGHTS:
        options["weights"] = "none" if from_detector else weights
    features = spec.build(pixels, **options)
    backbone = keras.Model(images, list(features), name=name)
    if from_detector:
        load_weights(backbone, weights, whole=True, option="config.model.backbone_weights")
    return backbone


def _check_weights_file(path, spec):
    suffixes = (KERAS_FILE.suffix, *spec.weights_files)
    is_path = path.endswith(suffixes)
    if not is_path or not Path(path).is_file():
        raise InputError(
            f"config.model.backbone_weights: {'no file' if is_path else 'got'} '{path}'. Expected imagenet, none or the path of a"
            f" {any_of(suffixes)} file. Check the {'path' if is_path else 'spelling'}."
        )
