"""Options of the data and of what augmentation does to them."""

from __future__ import annotations

import dataclasses
from typing import Literal

from yolo_tf.config.fields import option, require


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
    cache: Literal["none", "files", "images"] = option(
        "none", "keep in memory, for training: the files as they are, or the images decoded and resized (uint8)"
    )
    cache_gib: float = option(4.0, "most memory that `cache` may take, GiB; more is refused before the first epoch")
    fraction: float = option(1.0, "share of the training images that is used, drawn by train.seed")
    background_fraction: float = option(1.0, "most images without objects, as a share of the training images; more are left out")
    image_weights: bool = option(False, "draw images with replacement, those of rare classes more often")
    on_bad_image: Literal["stop", "skip"] = option(
        "stop", "an image that cannot be decoded: stop before the first epoch, or leave it out"
    )
    workers: int = option(0, "threads that decode training images; 0 = as many as tf.data finds useful")
    service: str = option("", "address of a tf.data service that prepares the training batches, such as grpc://host:5050")

    def __post_init__(self):
        for side in self.image_size:
            require(
                side > 0 and side % 32 == 0,
                f"config.data.image_size: {side} is no positive multiple of 32."
                f" Expected multiples of the coarsest stride. Use {max(32, round(side / 32) * 32)}.",
            )
        for name in ("fraction", "background_fraction"):
            value = getattr(self, name)
            require(0 <= value <= 1, f"config.data.{name}: expected a share 0..1, got {value}.")
        require(self.fraction > 0, "config.data.fraction: got 0, which leaves no images. Expected above 0 and at most 1.")
        require(self.cache_gib > 0, f"config.data.cache_gib: expected a number above 0, got {self.cache_gib}.")
        require(self.workers >= 0, f"config.data.workers: expected 0 or more, got {self.workers}.")
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
    multi_scale: tuple[int, ...] = option(
        (), "sides, px: each training batch is resized to one of them; empty = always data.image_size"
    )
    device: Literal["auto", "host", "accelerator"] = option(
        "auto", "where images are augmented: in the input pipeline, or inside the training step (auto: there on a single GPU)"
    )
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
        for side in self.multi_scale:
            require(
                side > 0 and side % 32 == 0,
                f"config.augment.multi_scale: {side} is no positive multiple of 32."
                f" Expected multiples of the coarsest stride. Use {max(32, round(side / 32) * 32)}.",
            )
        for name, value in self.photometric.items():
            require(0 <= value <= 1, f"config.augment.photometric.{name}: expected a probability 0..1, got {value}.")


# What each augmentation level changes against AugmentConfig's defaults (YOLOv5 hyp.scratch-low/med/high).
AUGMENT_LEVELS = {
    "none": dict(hsv_h=0.0, hsv_s=0.0, hsv_v=0.0, translate=0.0, scale=0.0, fliplr=0.0, mosaic=0.0, close_mosaic=0),
    "low": {},
    "med": dict(scale=0.9, mixup=0.1),
    "high": dict(scale=0.9, mixup=0.1),
}
