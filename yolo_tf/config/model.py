"""Options of the network."""

from __future__ import annotations

import dataclasses
from typing import Literal

from yolo_tf.config.fields import check_options, option, require

BESIDE_NETWORK = {"name", "network", "autoanchor", "batch_norm_momentum"}  # options that go with a network from a file
PUBLISHED_WEIGHTS = ("yolox_nano", "yolox_tiny", "yolox_s", "yolox_m", "yolox_l", "yolox_x")  # words for `weights`


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """The network."""

    name: str = option("yolov5n", "short name of the network, for tables")
    backbone: str = option("csp_darknet", "a row of BACKBONES (`yolo-tf show backbones`), or keras_model: your own")
    backbone_file: str = option("", "keras_model: the .keras file of a functional model, with its weights")
    taps: tuple[str, ...] = option((), "keras_model: its layers of strides 8, 16, 32; empty = the last block of each")
    pixels: Literal["own", "unit", "tf", "imagenet"] = option(
        "own", "keras_model: the values it wants; own = 0..255, unit = 0..1, tf = -1..1, imagenet = by mean and deviation"
    )
    backbone_weights: str = option("none", "imagenet | none | FILE: the backbone's initial weights")
    adapters: Literal["batch_norm", "plain", "none"] = option(
        "batch_norm", "1x1 convolutions from backbone taps to neck widths: with batch norm, plain with bias, or none"
    )
    neck: str = option("csp_pan", "a row of NECKS")
    head: str = option(
        "anchor",
        "a row of HEADS: anchor = YOLOv5's, three predictions a cell relative to `anchors`; decoupled = YOLOX's, one a cell",
    )
    depth: float = option(0.33, "depth multiple of a scalable backbone (csp_darknet, yolov4_csp) and of the neck", "above 0")
    width: float = option(0.25, "width multiple of a scalable backbone and of the neck", "above 0")
    activation: Literal["silu", "mish", "leaky_relu", "relu", "relu6", "hard_silu"] = option(
        "silu", "activation of a scalable backbone and of the neck; leaky_relu has slope 0.1; relu6 and hard_silu suit int8"
    )
    depthwise: bool = option(
        False, "3x3 convolutions of csp_darknet, csp_pan and the head decoupled become depthwise ones, each before a 1x1"
    )
    backbone_activation: Literal["own", "relu", "relu6", "hard_silu"] = option(
        "own", "keras.applications: in place of every SiLU and ReLU of the backbone, its weights as they are; own = as published"
    )
    anchors: tuple = option((), "[[[w, h], ...], ...] px, fine to coarse; empty = YOLOv5's COCO anchors")
    autoanchor: bool = option(True, "fit anchors to the training boxes where the default ones match too few (recall below 0.98)")
    batch_norm_momentum: float = option(
        0.0, "momentum of every batch norm; 0 = as built (EfficientNet 0.99: too slow for runs of few steps)", "0 <= x < 1"
    )
    drop_path: float = option(
        0.0,
        "ConvNeXt: stochastic depth, the rate of the last block; that of the others rises to it from 0, linearly",
        "0 <= x < 1",
    )
    new_head_scale: float = option(
        0.1,
        "factor on the initial kernels of a head that `weights` does not have, behind a neck that it has; 1 = as YOLOv5",
        "0 or more",
    )
    weights: str = option(
        "",
        "a .keras file to start from: every layer that fits by name and shape; or yolox_nano, _tiny, _s, _m, _l, _x: those that"
        " YOLOX's authors publish, from the directory YOLO_TF_WEIGHTS, the cache, or fetched",
    )
    network: str = option(
        "", "a .keras file of a detector to train as it is: structure, weights and anchors; the options that build one stay out"
    )

    def __post_init__(self):
        check_options(self, "config.model")
        if self.network:
            stated = [
                field.name
                for field in dataclasses.fields(self)
                if field.name not in BESIDE_NETWORK and getattr(self, field.name) != field.default
            ]
            require(
                not stated,
                f"config.model.network: the file says what the network is, but {', '.join(f'model.{name}' for name in stated)}"
                " say something too. Expected none of them. Leave them out, or use model.weights.",
            )
        require(
            self.backbone == "keras_model" or not (self.backbone_file or self.taps),
            f"config.model.backbone_file and taps belong to backbone keras_model; got backbone {self.backbone}. Leave them out.",
        )
        require(
            not self.drop_path or self.backbone.startswith("convnext"),
            f"config.model.drop_path: got {self.drop_path} for backbone {self.backbone}. Expected 0: ConvNeXt alone has it as an"
            " option. Leave it out.",
        )
