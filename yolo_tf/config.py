"""Every option, its default and its meaning. Two levels: `section.key`.

The reader, `show config` and the table in docs/config.md are generated from these dataclasses. The
names are YOLOv5's where YOLOv5 has one that says what it is; `config_reader.HYP_NAMES` translates the
rest.
"""

from __future__ import annotations

import dataclasses
from typing import Literal

from yolo_tf.errors import InputError


def option(default, doc):
    """A dataclass field with its documentation."""
    if isinstance(default, dict):
        return dataclasses.field(default_factory=lambda: dict(default), metadata={"doc": doc})
    return dataclasses.field(default=default, metadata={"doc": doc})


def require(condition, message):
    """Raises InputError(message) unless `condition`."""
    if not condition:
        raise InputError(message)


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Which images, and how they are brought to the network's size."""

    dataset: str = option("", "data set YAML (format, path, train, val, test, names)")
    path: str = option("", "root of the data, instead of the `path` of the data set YAML")
    train_split: str = option("train", "split to train on")
    val_split: str = option("val", "split to evaluate on after every epoch")
    image_size: tuple[int, int] = option((640, 640), "network input, px: a multiple of 32, or [height, width] of such")
    max_boxes: int = option(150, "most boxes of one training image after mosaic; more are dropped, smallest first")
    classes: tuple[str, ...] = option((), "keep only these classes, renumbered in this order; empty = all")
    single_class: bool = option(False, "treat every object as one class named 'object'")
    strict_labels: bool = option(True, "stop at the first bad label; false = leave it out and count it")
    cache: bool = option(False, "keep the decoded, resized training images in memory (uint8)")

    def __post_init__(self):
        for side in self.image_size:
            require(
                side > 0 and side % 32 == 0,
                f"config.data.image_size: {side} is no positive multiple of 32."
                f" Expected multiples of the coarsest stride. Use {max(32, round(side / 32) * 32)}.",
            )
        require(self.max_boxes > 0, f"config.data.max_boxes: expected a number above 0, got {self.max_boxes}.")
        require(
            len(set(self.classes)) == len(self.classes),
            f"config.data.classes: names repeat in {list(self.classes)}. Expected each once.",
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class AugmentConfig:
    """Training augmentation; names and defaults of YOLOv5's scratch hyperparameters (level low)."""

    level: Literal["none", "low", "med", "high"] = option(
        "low", "preset that sets the other keys of this section before they are applied"
    )
    hsv_h: float = option(0.015, "hue gain, fraction of the circle: factor uniform in 1 +- hsv_h")
    hsv_s: float = option(0.7, "saturation gain: factor uniform in 1 +- hsv_s")
    hsv_v: float = option(0.4, "value gain: factor uniform in 1 +- hsv_v")
    degrees: float = option(0.0, "rotation, degrees, uniform in +-")
    translate: float = option(0.1, "translation, fraction of the image side, uniform in +-")
    scale: float = option(0.5, "zoom: factor uniform in 1 +- scale")
    shear: float = option(0.0, "shear, degrees, uniform in +-, both axes")
    perspective: float = option(0.0, "perspective, uniform in +-, 0..0.001")
    flipud: float = option(0.0, "probability of an upside-down flip")
    fliplr: float = option(0.5, "probability of a left-right flip")
    mosaic: float = option(1.0, "probability of a 4-image mosaic")
    mixup: float = option(0.0, "probability that a mosaic is blended with a second one, Beta(32, 32)")
    close_mosaic: int = option(10, "train the last so many epochs without mosaic and mixup (at most a fifth of the run)")
    photometric: dict[str, float] = option({}, "keras-cv layers that move no pixels, by name, with their probability")

    def __post_init__(self):
        for name in ("flipud", "fliplr", "mosaic", "mixup"):
            value = getattr(self, name)
            require(0 <= value <= 1, f"config.augment.{name}: expected a probability 0..1, got {value}.")
        for name in ("hsv_h", "hsv_s", "hsv_v", "translate"):
            value = getattr(self, name)
            require(0 <= value < 1, f"config.augment.{name}: expected 0 <= {name} < 1, got {value}.")
        require(0 <= self.scale < 1, f"config.augment.scale: expected 0 <= scale < 1, got {self.scale}.")
        require(0 <= self.perspective <= 0.001, f"config.augment.perspective: expected 0..0.001, got {self.perspective}.")
        for name, value in self.photometric.items():
            require(0 <= value <= 1, f"config.augment.photometric.{name}: expected a probability 0..1, got {value}.")


# What each augmentation level changes against AugmentConfig's defaults (YOLOv5 hyp.scratch-low/med/high).
AUGMENT_LEVELS = {
    "none": dict(hsv_h=0.0, hsv_s=0.0, hsv_v=0.0, translate=0.0, scale=0.0, fliplr=0.0, mosaic=0.0, close_mosaic=0),
    "low": {},
    "med": dict(scale=0.9, mixup=0.1),
    "high": dict(scale=0.9, mixup=0.1),
}


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
    depth: float = option(0.33, "depth multiple of a scalable backbone (csp_darknet, yolov4_csp) and of the neck")
    width: float = option(0.25, "width multiple of a scalable backbone and of the neck")
    activation: Literal["silu", "mish", "leaky_relu", "relu"] = option(
        "silu", "activation of a scalable backbone and of the neck; leaky_relu has slope 0.1"
    )
    anchors: tuple = option((), "[[[w, h], ...], ...] px, fine to coarse; empty = YOLOv5's COCO anchors")
    batch_norm_momentum: float = option(
        0.0, "momentum of every batch norm; 0 = as built (EfficientNet 0.99: too slow for runs of few steps)"
    )
    new_head_scale: float = option(
        0.1, "factor on the initial kernels of a head that `weights` does not have, behind a neck that it has; 1 = as YOLOv5"
    )
    weights: str = option("", "a .keras file to start from: every layer that fits by name and shape")

    def __post_init__(self):
        require(self.depth > 0, f"config.model.depth: expected a number above 0, got {self.depth}.")
        require(
            self.backbone == "keras_model" or not (self.backbone_file or self.taps),
            f"config.model.backbone_file and taps belong to backbone keras_model; got backbone {self.backbone}. Leave them out.",
        )
        require(self.new_head_scale >= 0, f"config.model.new_head_scale: expected 0 or more, got {self.new_head_scale}.")
        require(self.width > 0, f"config.model.width: expected a number above 0, got {self.width}.")
        require(
            0 <= self.batch_norm_momentum < 1,
            f"config.model.batch_norm_momentum: expected 0 <= momentum < 1, got {self.batch_norm_momentum}.",
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class LossConfig:
    """Gains and targets of the loss (YOLOv5: box, obj, cls, anchor_t, label_smoothing ...)."""

    box: float = option(0.05, "gain of the box loss (1 - overlap), before rescaling by levels")
    iou: Literal["ciou", "giou"] = option("ciou", "overlap in box loss and objectness target: complete or generalized IoU")
    objectness: float = option(1.0, "gain of the objectness loss, before rescaling by levels and image size")
    classification: float = option(0.5, "gain of the class loss, before rescaling by levels and classes")
    classification_per_class: bool = option(True, "rescale the class gain by the number of classes over 80")
    level_balance: tuple[float, ...] = option((4.0, 1.0, 0.4), "weight of each level in the objectness loss, fine to coarse")
    anchor_ratio_limit: float = option(4.0, "largest ratio of box side to anchor side that still matches")
    shared_anchor: Literal["best", "last"] = option(
        "best", "objectness target where boxes share an anchor: the better overlap, or the last box as in YOLOv5 on a CPU"
    )
    label_smoothing: float = option(0.0, "class targets become 1 - e/2 and e/2")
    objectness_positive_weight: float = option(1.0, "weight of positive cells in the objectness loss")
    class_positive_weight: float = option(1.0, "weight of positive classes in the class loss")
    focal_gamma: float = option(0.0, "focal loss exponent for objectness and class; 0 = plain cross entropy")

    def __post_init__(self):
        require(self.anchor_ratio_limit > 1, f"config.loss.anchor_ratio_limit: expected above 1, got {self.anchor_ratio_limit}.")
        require(0 <= self.label_smoothing < 1, f"config.loss.label_smoothing: expected 0..1, got {self.label_smoothing}.")


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """Optimisation."""

    epochs: int = option(100, "passes over the training split")
    batch_size: int = option(16, "images in one step")
    nominal_batch_size: int = option(64, "gradients of smaller batches are summed up to this many images before an update")
    recipe: Literal["none", "auto"] = option(
        "none", "auto = what suits the family of the backbone, where the config says nothing (printed at the start)"
    )
    optimizer: Literal["sgd", "adamw"] = option("sgd", "sgd = Nesterov with coupled L2 as YOLOv5; adamw")
    learning_rate: float = option(0.01, "initial learning rate (lr0); adamw wants about 0.001")
    final_learning_rate_fraction: float = option(0.01, "final learning rate as a fraction of the initial (lrf)")
    schedule: Literal["linear", "cosine", "one_cycle"] = option(
        "linear", "linear and cosine fall once an epoch after warm-up; one_cycle rises and falls every step"
    )
    momentum: float = option(0.937, "SGD momentum, AdamW beta 1")
    weight_decay: float = option(0.0005, "on kernels only; scaled by the real over the nominal batch")
    warmup_epochs: float = option(3.0, "linear warm-up, at least 100 steps when not 0")
    warmup_momentum: float = option(0.8, "momentum at the start of warm-up")
    warmup_bias_learning_rate: float = option(0.1, "learning rate of biases at the start of warm-up")
    clip_norm: float = option(10.0, "largest global gradient norm; 0 = no clipping")
    ema_decay: float = option(0.9999, "decay of the averaged weights that are evaluated and saved; 0 = off")
    ema_ramp: float = option(2000.0, "updates over which the decay ramps up: decay * (1 - exp(-k / ramp))")
    freeze: tuple[str, ...] = option(
        (), "parts that do not learn: backbone, adapters, neck, head, or stages of the backbone, stage1 (stride 2) .. stage5 (32)"
    )
    freeze_epochs: int = option(0, "epochs after which frozen parts learn too; 0 = never")
    backbone_learning_rate_multiplier: float = option(1.0, "factor on the learning rate of the backbone")
    layer_decay: float = option(1.0, "further factor per stage of the backbone, counted down from the neck; 1 = none")
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = option(
        "float32", "arithmetic of the network; loss and decode are always float32"
    )
    xla: Literal["auto", "true", "false"] = option("auto", "compile the step; auto = on a GPU only (slower than oneDNN on a CPU)")
    evaluate_every: int = option(1, "epochs between evaluations; the last epoch is always evaluated")
    patience: int = option(100, "stop after so many evaluated epochs without a better fitness; 0 = never")
    seed: int = option(0, "seed of initial weights, order and augmentation")
    tensorboard: bool = option(True, "write TensorBoard event files into the run directory")

    def __post_init__(self):
        for name in ("epochs", "batch_size", "nominal_batch_size", "evaluate_every"):
            value = getattr(self, name)
            require(value > 0, f"config.train.{name}: expected a whole number above 0, got {value}.")
        require(self.freeze_epochs >= 0, f"config.train.freeze_epochs: expected 0 or more, got {self.freeze_epochs}.")
        require(
            self.freeze or not self.freeze_epochs,
            f"config.train.freeze_epochs: got {self.freeze_epochs}, but train.freeze names no part. Set both or neither.",
        )
        require(0 < self.layer_decay <= 1, f"config.train.layer_decay: expected 0 < layer_decay <= 1, got {self.layer_decay}.")
        for name in ("learning_rate", "ema_ramp", "backbone_learning_rate_multiplier"):
            value = getattr(self, name)
            require(value > 0, f"config.train.{name}: expected a number above 0, got {value}.")
        for name in ("momentum", "warmup_momentum", "ema_decay"):
            value = getattr(self, name)
            require(0 <= value < 1, f"config.train.{name}: expected 0 <= {name} < 1, got {value}.")


@dataclasses.dataclass(frozen=True, kw_only=True)
class DetectConfig:
    """From candidates to detections."""

    score_threshold: float = option(0.25, "least score of a detection, 0..1")
    iou_threshold: float = option(0.45, "detections of one class that overlap more are suppressed, 0..1")
    max_detections: int = option(300, "most detections of one image")
    max_candidates: int = option(1000, "most candidates that enter suppression, best first")
    multi_label: bool = option(False, "one candidate may become a detection of several classes")
    class_agnostic: bool = option(False, "suppress across classes")
    class_ids: tuple[int, ...] = option((), "keep only detections of these class numbers; empty = all")

    def __post_init__(self):
        for name in ("score_threshold", "iou_threshold"):
            value = getattr(self, name)
            require(0 <= value <= 1, f"config.detect.{name}: expected 0..1, got {value}.")
        for name in ("max_detections", "max_candidates"):
            value = getattr(self, name)
            require(value > 0, f"config.detect.{name}: expected a whole number above 0, got {value}.")
        numbers = list(self.class_ids)
        require(min(numbers, default=0) >= 0, f"config.detect.class_ids: expected numbers from 0, got {numbers}.")
        require(len(set(numbers)) == len(numbers), f"config.detect.class_ids: expected each number once, got {numbers}.")


# The settings at which COCO numbers are computed (YOLOv5's val), whatever `detect` says.
EVALUATION_DETECT = DetectConfig(
    score_threshold=0.001, iou_threshold=0.6, max_detections=300, max_candidates=4096, multi_label=True
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """All sections."""

    data: DataConfig = DataConfig()
    augment: AugmentConfig = dataclasses.field(default_factory=AugmentConfig)
    model: ModelConfig = ModelConfig()
    loss: LossConfig = LossConfig()
    train: TrainConfig = TrainConfig()
    detect: DetectConfig = DetectConfig()


SECTIONS = {field.name: cls for field, cls in zip(
    dataclasses.fields(Config), (DataConfig, AugmentConfig, ModelConfig, LossConfig, TrainConfig, DetectConfig), strict=True
)}
