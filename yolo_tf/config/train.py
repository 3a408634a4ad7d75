"""Options of loss and optimisation."""

from __future__ import annotations

import dataclasses
from typing import Literal

from yolo_tf.config.fields import option, require


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
    batch_size: int | Literal["auto"] = option(
        16, "images in one step, over all devices; auto = the largest power of two that fits, up to nominal_batch_size"
    )
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
    keep_zeros: bool = option(
        False, "kernel weights that are zero stay zero: fine-tuning of what `yolo-tf prune --method magnitude` wrote"
    )
    backbone_learning_rate_multiplier: float = option(1.0, "factor on the learning rate of the backbone")
    layer_decay: float = option(1.0, "further factor per stage of the backbone, counted down from the neck; 1 = none")
    teacher: str = option("", "a .keras file of a detector whose answers are learned beside the labels; same classes and anchors")
    distillation: float = option(1.0, "weight of what the teacher says; at 1 its loss parts have the gains of the labels' own")
    quantize_aware: bool = option(
        False, "fine-tune model.network for int8: batch norms folded, kernels and activations rounded, in evaluations too"
    )
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = option(
        "float32", "arithmetic of the network; loss and decode are always float32"
    )
    xla: Literal["auto", "true", "false"] = option("auto", "compile the step; auto = on a GPU only (slower than oneDNN on a CPU)")
    devices: Literal["one", "all"] = option(
        "one", "all = every GPU of this machine (without one: every logical CPU), the batch shared out"
    )
    sync_batch_norm: bool = option(False, "batch norm statistics over the batches of all devices")
    worker_timeout: float = option(300.0, "seconds to wait for the other workers of TF_CONFIG")
    checkpoint_every_steps: int = option(0, "steps between checkpoints within an epoch; 0 = after each epoch only")
    evaluate_every: int = option(1, "epochs between evaluations; the last epoch is always evaluated")
    patience: int = option(100, "stop after so many epochs without a better fitness; 0 = never")
    seed: int = option(0, "seed of initial weights, order and augmentation")
    tensorboard: bool = option(True, "write TensorBoard event files into the run directory")

    def __post_init__(self):
        for name in ("epochs", "batch_size", "nominal_batch_size", "evaluate_every"):
            value = getattr(self, name)
            require(value == "auto" or value > 0, f"config.train.{name}: expected a whole number above 0, got {value}.")
        for name in ("freeze_epochs", "checkpoint_every_steps"):
            value = getattr(self, name)
            require(value >= 0, f"config.train.{name}: expected 0 or more, got {value}.")
        require(
            self.freeze or not self.freeze_epochs,
            f"config.train.freeze_epochs: got {self.freeze_epochs}, but train.freeze names no part. Set both or neither.",
        )
        require(self.distillation >= 0, f"config.train.distillation: expected 0 or more, got {self.distillation}.")
        require(
            self.teacher or self.distillation == 1.0,
            f"config.train.distillation: got {self.distillation}, but train.teacher names no file. Set both or neither.",
        )
        require(
            not self.quantize_aware or self.precision == "float32",
            f"config.train.quantize_aware: does not go with train.precision={self.precision}: int8 is rounded in float32."
            " Expected float32. Leave the precision out.",
        )
        require(0 < self.layer_decay <= 1, f"config.train.layer_decay: expected 0 < layer_decay <= 1, got {self.layer_decay}.")
        for name in ("learning_rate", "ema_ramp", "backbone_learning_rate_multiplier", "worker_timeout"):
            value = getattr(self, name)
            require(value > 0, f"config.train.{name}: expected a number above 0, got {value}.")
        for name in ("momentum", "warmup_momentum", "ema_decay"):
            value = getattr(self, name)
            require(0 <= value < 1, f"config.train.{name}: expected 0 <= {name} < 1, got {value}.")
