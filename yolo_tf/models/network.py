"""The whole network: pixels -> backbone -> adapters -> neck -> head, as one flat functional model."""

import re
from typing import Any

import keras

from yolo_tf.config import ModelConfig
from yolo_tf.config.kinds import converted
from yolo_tf.errors import InputError, look_up
from yolo_tf.heads import load_head
from yolo_tf.layers.blocks import batch_norm, pointwise_conv, scaled_channels
from yolo_tf.models.backbones import BACKBONES, STRIDES, build_backbone
from yolo_tf.models.backbones.keras_model import KERAS_MODEL, keras_model_backbone, read_keras_model
from yolo_tf.models.necks import NECKS, SEPARABLE

# What adapters bring the features of strides 8, 16, 32 to, at width 1: the channels of CSPDarknet.
ADAPTER_CHANNELS = (256, 512, 1024)


def build_network(model: ModelConfig, *, num_classes: int, anchors: Any, backbone: keras.Model | None = None) -> keras.Model:
    """Builds a detector network.

    Args:
        model: ModelConfig. `model.weights` and `model.network` are not read here.
        num_classes: C, 1 or more.
        anchors: AnchorSet of strides 8, 16, 32, or the layout of another head: the one of `model.head`.
        backbone: a functional keras.Model of your own instead of a row of BACKBONES, with its weights; takes RGB
            images of any size. `model.taps` and `model.pixels` say how it is used.

    Returns:
        keras.Model of built-in layers: RGB images 0..255, float [B, H, W, 3], H and W multiples of 32 ->
        raw predictions of the head, float32; three [B, H / stride, W / stride, A, 5 + C], fine to coarse, for "anchor".
        Layers of the adapters, neck and head are named adapter_..., neck_..., head_...; all others belong
        to the backbone.

    Raises:
        InputError: unknown backbone, neck or head, another layout or other strides, or unusable backbone weights.
    """
    if converted(num_classes, int, "num_classes") < 1:
        raise InputError(f"num_classes: got {num_classes}. Expected 1 or more.")
    neck, head = look_up(NECKS, model.neck, kind="neck", where="config.model.neck"), load_head(model.head)
    if anchors.head != model.head:
        raise InputError(
            f"config.model.head: got {model.head} for a layout of the head {anchors.head}. Expected one head. Set it to"
            f" {anchors.head}, or give the layout that `network_layout` makes."
        )
    if anchors.strides != STRIDES:
        raise InputError(f"config.model.anchors: levels have strides {anchors.strides}. Expected {STRIDES}.")
    if model.depthwise and model.neck not in SEPARABLE:
        raise InputError(
            f"config.model.depthwise: got true for neck {model.neck}, which has no depthwise form. Expected one of"
            f" {', '.join(SEPARABLE)}. Leave it out."
        )
    scaling = dict(depth=model.depth, width=model.width, activation=model.activation)
    if backbone is not None or model.backbone == KERAS_MODEL:
        if model.backbone_activation != "own":
            raise InputError(
                f"config.model.backbone_activation: got {model.backbone_activation} for a network of your own. Expected own."
                " Build it with the activation that you want."
            )
        own = backbone if backbone is not None else read_keras_model(model.backbone_file)
        backbone, scalable = keras_model_backbone(own, taps=model.taps, pixels=model.pixels), False
    else:
        backbone = build_backbone(
            model.backbone,
            weights=model.backbone_weights,
            backbone_activation=model.backbone_activation,
            drop_path=model.drop_path,
            depthwise=model.depthwise and BACKBONES[model.backbone].scalable,
            **scaling,
        )
        scalable = BACKBONES[model.backbone].scalable
    features = tuple(backbone.outputs)
    if not scalable:  # a scalable backbone has the widths of the neck already
        features = adapt_features(features, model.adapters, width=model.width)
    features = neck(features, **scaling, **({"depthwise": True} if model.depthwise else {}))
    outputs = head.build(features, anchors, num_classes=num_classes, model=model)
    network = keras.Model(backbone.inputs[0], outputs, name=_identifier(model.name))
    if model.batch_norm_momentum:
        set_batch_norm_momentum(network, model.batch_norm_momentum)
    return network


def set_batch_norm_momentum(network, momentum):
    """Gives every batch norm of a network the momentum, 0..1."""
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = momentum


def adapt_features(features, kind, *, width):
    """Brings features to the channels that the neck was designed for, by 1 x 1 convolutions without activation.

    Args:
        features: three tensors, fine to coarse.
        kind: batch_norm | plain (with bias) | none.
        width: factor on ADAPTER_CHANNELS.

    Returns:
        Three tensors with ADAPTER_CHANNELS * width channels; `features` themselves for none.
    """
    if kind == "none":
        return features
    adapted = []
    for level, (x, channels) in enumerate(zip(features, ADAPTER_CHANNELS, strict=True), start=3):
        filters = scaled_channels(channels, width)
        name = f"adapter_p{level}"
        x = pointwise_conv(filters, fan_in=x.shape[-1], use_bias=kind == "plain", name=f"{name}_conv")(x)
        adapted.append(batch_norm(name=f"{name}_batch_norm")(x) if kind == "batch_norm" else x)
    return tuple(adapted)


def network_layout(model: ModelConfig) -> Any:
    """Returns the layout that `model` states for its head, else the default one: YOLOv5's COCO anchors for "anchor".

    Raises:
        InputError: an unknown head, or options that no layout of it can have.
    """
    return load_head(model.head).make_layout(model, STRIDES)


def _identifier(name):
    """Returns `name` as TensorFlow accepts it for a scope: letters, digits and underscores inside."""
    return re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_") or "detector"
