"""Settings that suit a family of backbones better than YOLOv5's own, and where they come from."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recipe:
    """What `train.recipe: auto` sets for backbones whose name begins with `family`, where the config says nothing."""

    family: str
    settings: dict  # dotted key of the config -> value
    source: str


_SETTLING = "YOLOv5's momentum: the {} that this family has as built does not settle in runs of a few hundred steps"
_QUICK = "batch norm momentum 0.9 as built, quick enough"

RECIPES = (
    Recipe(
        family="convnext",
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
    Recipe(family="efficientnetv2", settings={}, source=_QUICK),  # before "efficientnet": the first that fits counts
    Recipe(
        family="efficientnet",
        settings={"model.batch_norm_momentum": 0.97},
        source=f"{_SETTLING.format(0.99)}; measured with configs/bccd_efficientnetb0.yaml",
    ),
    Recipe(family="mobilenet", settings={"model.batch_norm_momentum": 0.97}, source=_SETTLING.format("0.99 or 0.999")),
    Recipe(family="densenet", settings={"model.batch_norm_momentum": 0.97}, source=_SETTLING.format(0.99)),
    Recipe(family="resnet18", settings={}, source=_QUICK),
    Recipe(family="resnet", settings={"model.batch_norm_momentum": 0.97}, source=_SETTLING.format(0.99)),
    Recipe(family="xception", settings={"model.batch_norm_momentum": 0.97}, source=_SETTLING.format(0.99)),
    Recipe(family="inception", settings={"model.batch_norm_momentum": 0.97}, source=_SETTLING.format(0.99)),
    Recipe(family="nasnet", settings={"model.batch_norm_momentum": 0.97}, source=_SETTLING.format(0.9997)),
    Recipe(family="ghostnet", settings={}, source=_QUICK),
    Recipe(family="repvgg", settings={}, source=_QUICK),
    Recipe(
        family="yolov4_csp",
        settings={
            "loss.iou": "giou",
            "loss.classification_per_class": False,
            "train.schedule": "cosine",
            "train.final_learning_rate_fraction": 0.2,
        },
        source="as YOLOv4-CSP is trained, arXiv:2011.08036; the whole of it: configs/coco_yolov4_csp_s.yaml",
    ),
)


def recipe_for(backbone):
    """Returns the first Recipe whose family the name of a backbone begins with; None = YOLOv5's settings suit it."""
    return next((recipe for recipe in RECIPES if backbone.startswith(recipe.family)), None)
