"""Options of optimisation, of what is learned from where, and of smaller networks."""

from __future__ import annotations

import dataclasses
from typing import Literal

from yolo_tf.config.fields import check_options, option, require


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """Optimisation: how long, in which steps, and how fast."""

    epochs: int = option(100, "passes over the training split", "above 0")
    min_steps: int = option(
        1, "least steps of an epoch: few images are shown again, in new orders, until there are so many", "above 0"
    )
    batch_size: int | Literal["auto"] = option(
        16,
        "images in one step, over all devices; auto = the largest power of two that fits, up to nominal_batch_size",
        "1..100000",
    )
    nominal_batch_size: int = option(
        64, "gradients of smaller batches are summed up to this many images before an update", "above 0"
    )
    recipe: Literal["none", "auto", "yolox", "small"] = option(
        "none",
        "auto = what suits the family of the backbone, or one by name, where the config says nothing (said at the start);"
        " small = few photographs, from trained weights",
    )
    optimizer: Literal["sgd", "adamw"] = option("sgd", "sgd = Nesterov with coupled L2 as YOLOv5; adamw")
    learning_rate: float = option(0.01, "initial learning rate (lr0); adamw wants about 0.001", "above 0")
    final_learning_rate_fraction: float = option(0.01, "final learning rate as a fraction of the initial (lrf)", "0 or more")
    schedule: Literal["linear", "cosine", "one_cycle"] = option(
        "linear", "linear and cosine fall once an epoch after warm-up; one_cycle rises and falls every step"
    )
    momentum: float = option(0.937, "SGD momentum, AdamW beta 1", "0 <= x < 1")
    weight_decay: float = option(0.0005, "on kernels only; scaled by the real over the nominal batch", "0 or more")
    warmup_epochs: float = option(3.0, "linear warm-up, at least 100 steps when not 0", "0 or more")
    warmup_momentum: float = option(0.8, "momentum at the start of warm-up", "0 <= x < 1")
    warmup_bias_learning_rate: float = option(0.1, "learning rate of biases at the start of warm-up", "0 or more")
    clip_norm: float = option(10.0, "largest global gradient norm; 0 = no clipping", "0 or more")
    ema_decay: float = option(0.9999, "decay of the averaged weights that are evaluated and saved; 0 = off", "0 <= x < 1")
    ema_ramp: float = option(2000.0, "updates over which the decay ramps up: decay * (1 - exp(-k / ramp))", "above 0")
    seed: int = option(0, "seed of initial weights, order and augmentation", "0 or more")

    def __post_init__(self):
        check_options(self, "config.train")


@dataclasses.dataclass(frozen=True, kw_only=True)
class TransferConfig:
    """What a network that is not new learns, and how fast."""

    freeze: tuple[str, ...] = option(
        (), "parts that do not learn: backbone, adapters, neck, head, or stages of the backbone, stage1 (stride 2) .. stage5 (32)"
    )
    freeze_epochs: int = option(0, "epochs after which frozen parts learn too; 0 = never", "0 or more")
    backbone_learning_rate_multiplier: float = option(1.0, "factor on the learning rate of the backbone", "above 0")
    layer_decay: float = option(
        1.0, "further factor per stage of the backbone, counted down from the neck; 1 = none", "0 < x <= 1"
    )

    def __post_init__(self):
        check_options(self, "config.transfer")
        require(
            self.freeze or not self.freeze_epochs,
            f"config.transfer.freeze_epochs: got {self.freeze_epochs}, but transfer.freeze names no part. Set both or neither.",
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class CompressConfig:
    """Smaller networks: a teacher, zeros that stay, int8 in training."""

    keep_zeros: bool = option(
        False, "kernel weights that are zero stay zero: fine-tuning of what `yolo-tf prune --method magnitude` wrote"
    )
    teacher: str = option("", "a .keras file of a detector whose answers are learned beside the labels; same classes and anchors")
    distillation: float = option(
        1.0, "weight of what the teacher says; at 1 its loss parts have the gains of the labels' own", "0 or more"
    )
    quantize_aware: bool = option(
        False, "fine-tune model.network for int8: batch norms folded, kernels and activations rounded, in evaluations too"
    )

    def __post_init__(self):
        check_options(self, "config.compress")
        require(
            self.teacher or self.distillation == 1.0,
            f"config.compress.distillation: got {self.distillation}, but compress.teacher names no file. Set both or neither.",
        )
