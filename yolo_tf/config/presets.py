"""Presets: named settings that fill what a config leaves out, and where they come from."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True, kw_only=True)
class Preset:
    """A set of options that belong together."""

    settings: dict  # dotted key of the config -> value
    source: str


_NO_AUGMENTATION = {f"augment.{name}": 0.0 for name in ("hsv_h", "hsv_s", "hsv_v", "translate", "scale", "fliplr", "mosaic")}
# YOLOv5's med and high are one here: they differ in copy_paste alone, which needs polygons, and boxes are all we read.
_MORE = Preset(
    settings={"augment.scale": 0.9, "augment.mixup": 0.1},
    source="YOLOv5's hyp.scratch-med and hyp.scratch-high, the latter without its copy_paste of 0.1",
)
# name of `augment.level` -> what it changes against AugmentConfig's defaults
AUGMENT_LEVELS = {
    "none": Preset(settings={**_NO_AUGMENTATION, "augment.close_mosaic": 0}, source="images as they are"),
    "low": Preset(settings={}, source="YOLOv5's hyp.scratch-low, the defaults"),
    "med": _MORE,
    "high": _MORE,
}


def _settling(momentum, measured=""):
    source = f"YOLOv5's momentum: the {momentum} that this family has as built does not settle in runs of a few hundred steps"
    return Preset(settings={"model.batch_norm_momentum": 0.97}, source=source + measured)


_QUICK = Preset(settings={}, source="batch norm momentum 0.9 as built, quick enough")
# YOLOX-S to -X; what departs: augmentation in our order and terms (a smallest zoom of .1 as theirs, a largest of 1.9 for 2,
# colour gains as YOLOv5's, mixup of two mosaics), a linear warm-up for their quadratic one, a learning rate that goes on falling
# in the last epochs, and one input size: theirs changes (augment.multi_scale).
_YOLOX = Preset(
    settings={
        "augment.degrees": 10.0,
        "augment.shear": 2.0,
        "augment.scale": 0.9,
        "augment.mixup": 1.0,
        "augment.close_mosaic": 15,
        "augment.close_geometry": True,
        "train.schedule": "cosine",
        "train.final_learning_rate_fraction": 0.05,
        "train.momentum": 0.9,
        "train.warmup_epochs": 5.0,
        "train.warmup_momentum": 0.9,
        "train.warmup_bias_learning_rate": 0.0,
        "train.clip_norm": 0.0,
        "train.ema_decay": 0.9998,
    },
    source="YOLOX-S to -X, arXiv:2107.08430, section 2.1; theirs lasts 300 epochs at sides of 480 to 800 px",
)
# A dozen to some hundred photographs, from trained weights; what else was tried: docs/transfer.md.
_SMALL = Preset(
    settings={
        "train.epochs": 20,
        "train.min_steps": 15,
        "train.batch_size": 8,
        "train.nominal_batch_size": 8,
        "train.optimizer": "adamw",
        "train.learning_rate": 0.001,
        "train.weight_decay": 0.05,
        "train.warmup_epochs": 0.0,
        "train.ema_decay": 0.99,
        "train.ema_ramp": 50.0,
        "augment.mosaic": 0.5,
        "run.choose_from": 20,
    },
    source="few photographs, from trained weights: an update every 8 images, 300 at least, AdamW without warm-up, weights"
    " averaged over the last hundred updates, a mosaic of every second image, the last epoch where few could choose a better"
    " one; measured, docs/transfer.md",
)
# family -> what `train.recipe: auto` sets for backbones whose name begins with it; the first that fits counts
RECIPES = {
    "convnext": Preset(
        settings={
            "train.optimizer": "adamw",
            "train.learning_rate": 0.0005,
            "train.momentum": 0.9,
            "train.weight_decay": 0.05,
            "train.warmup_epochs": 0.0,
            "model.drop_path": 0.1,
        },
        source="AdamW, beta 1, decay and drop path (Tiny's; Small 0.4, Base and Large 0.5) of arXiv:2201.03545, appendix A;"
        " learning rate as run in configs/bccd_convnext_tiny.yaml",
    ),
    "efficientnetv2": _QUICK,
    "efficientnet": _settling(0.99, "; measured with configs/bccd_efficientnetb0.yaml"),
    "mobilenet": _settling("0.99 or 0.999"),
    "densenet": _settling(0.99),
    "resnet18": _QUICK,
    "resnet": _settling(0.99),
    "xception": _settling(0.99),
    "inception": _settling(0.99),
    "nasnet": _settling(0.9997),
    "ghostnet": _QUICK,
    "repvgg": _QUICK,
    "csp_darknet_yolox": _YOLOX,
    "yolov4_csp": Preset(
        settings={
            "loss.iou": "giou",
            "loss.classification_per_class": False,
            "train.schedule": "cosine",
            "train.final_learning_rate_fraction": 0.2,
        },
        source="as YOLOv4-CSP is trained, arXiv:2011.08036; the whole of it: configs/coco_yolov4_csp_s.yaml",
    ),
}


# other value of `train.recipe` -> Preset
NAMED_RECIPES = {"yolox": _YOLOX, "small": _SMALL}


def chosen_recipe(recipe, backbone):
    """Returns (name, Preset) that a value of `train.recipe` asks for: by the backbone's family, or by name; None = none."""
    if recipe != "auto":
        return (recipe, NAMED_RECIPES[recipe]) if recipe in NAMED_RECIPES else None
    family = recipe_family(backbone)
    return (family, RECIPES[family]) if family else None


def recipe_family(backbone):
    """Returns the first family of RECIPES that the name of a backbone begins with; None = YOLOv5's settings suit it."""
    return next((family for family in RECIPES if backbone.startswith(family)), None)


def named_presets(values):
    """Returns the Presets that dotted key -> value names: by `augment.level`, and by `train.recipe` and the backbone."""
    recipe = chosen_recipe(values.get("train.recipe"), values.get("model.backbone", ""))
    level = AUGMENT_LEVELS[values.get("augment.level", "low")]
    return [level, recipe[1]] if recipe else [level]


def filled(values, presets):
    """Returns dotted key -> value with what `values` leave out; where two presets say something, the first counts."""
    for preset in presets:
        values = {**preset.settings, **values}
    return values
