"""YOLOv5's names of hyperparameters, translated."""

from __future__ import annotations

from yolo_tf.config.presets import Preset
from yolo_tf.errors import InputError, look_up

# YOLOv5 hyperparameter name -> our place. None: accepted only at its neutral value (see HYP_NEUTRAL).
HYP_NAMES = {
    "lr0": "train.learning_rate",
    "lrf": "train.final_learning_rate_fraction",
    "momentum": "train.momentum",
    "weight_decay": "train.weight_decay",
    "warmup_epochs": "train.warmup_epochs",
    "warmup_momentum": "train.warmup_momentum",
    "warmup_bias_lr": "train.warmup_bias_learning_rate",
    "box": "loss.box",
    "cls": "loss.classification",
    "cls_pw": "loss.class_positive_weight",
    "obj": "loss.objectness",
    "obj_pw": "loss.objectness_positive_weight",
    "anchor_t": "loss.anchor_ratio_limit",
    "fl_gamma": "loss.focal_gamma",
    "label_smoothing": "loss.label_smoothing",
    **{
        name: f"augment.{name}"
        for name in "hsv_h hsv_s hsv_v degrees translate scale shear perspective flipud fliplr mosaic mixup".split()
    },
    "iou_t": None,
    "copy_paste": None,
    "anchors": None,
}
# iou_t is read but used nowhere in YOLOv5 v6/v7, so any value is neutral. `model.anchors` states other anchors than 3 a level.
HYP_NEUTRAL = {"iou_t": None, "copy_paste": 0.0, "anchors": 3}


def hyp_preset(hyp, *, where):
    """Returns a mapping from YOLOv5's hyperparameters to values, found at `where`, as a Preset of our options.

    Raises:
        InputError: not a mapping, an unknown name, or a value that nothing here can follow.
    """
    if not isinstance(hyp, dict):
        raise InputError(f"{where}: expected a mapping or the path of one, got {hyp!r}.")
    settings = {}
    for name, value in hyp.items():
        place = look_up(HYP_NAMES, name, kind=f"hyperparameter ({where})")
        if place is not None:
            settings[place] = float(value) if isinstance(value, int) and not isinstance(value, bool) else value
        elif HYP_NEUTRAL[name] is not None and value != HYP_NEUTRAL[name]:
            raise InputError(f"{where}.{name}: {value!r} is not supported. Expected {HYP_NEUTRAL[name]}. Remove the line.")
    return Preset(settings=settings, source=where)
