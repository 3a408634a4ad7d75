"""Options of the data and of what augmentation does to them."""

from __future__ import annotations

import dataclasses
from typing import Literal

from yolo_tf.config.fields import check_options, option, require, require_sides

# Where an image lies in the network input. center: in the middle, shrunk by area averages, as YOLOv5 does; corner: at the top
# left, always bilinear, its sides rounded down, as YOLOX does.
LETTERBOXES = ("center", "corner")


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Which images, and how they are brought to the network's size."""

    dataset: str = option("", "data set YAML (format, path, train, val, test, names)")
    path: str = option("", "root of the data, instead of the `path` of the data set YAML")
    train_split: str = option("train", "split to train on")
    val_split: str = option("val", "split to evaluate on after every epoch")
    image_size: tuple[int, int] = option((640, 640), "network input, px: a multiple of 32, or [height, width] of such")
    letterbox: Literal["center", "corner"] = option(
        "center",
        "where validation, and whoever uses the detector, puts an image into the input: center, shrunk by area averages, or"
        " corner, top left and bilinear, as YOLOX does",
    )
    max_boxes: int | Literal["auto"] = option(
        "auto",
        "most boxes of a training image after mosaic, more are dropped, smallest first; auto = enough for all",
        "1..100000",
    )
    classes: tuple[str, ...] = option((), "keep only these classes, renumbered in this order; empty = all")
    single_class: bool = option(False, "treat every object as one class named 'object'")
    strict_labels: bool = option(True, "stop at the first bad label; false = leave it out and count it")
    cache: Literal["none", "files", "images"] = option(
        "none", "keep in memory, for training: the files as they are, or the images decoded and resized (uint8)"
    )
    cache_gib: float = option(4.0, "most memory that `cache` may take, GiB; more is refused before the first epoch", "above 0")
    fraction: float = option(1.0, "share of the training images that is used, drawn by train.seed", "0..1")
    background_fraction: float = option(
        1.0, "most images without objects, as a share of the training images; more are left out", "0..1"
    )
    image_weights: bool = option(False, "draw images with replacement, those of rare classes more often")
    on_bad_image: Literal["stop", "skip"] = option(
        "stop", "an image that cannot be decoded: stop before the first epoch, or leave it out"
    )
    scan: Literal["remembered", "always"] = option(
        "remembered",
        "decode, before the first epoch, the images that no earlier run found whole or that changed since, or always all",
    )
    workers: int = option(0, "threads that decode training images; 0 = as many as tf.data finds useful", "0..1024")
    service: str = option("", "address of a tf.data service that prepares the training batches, such as grpc://host:5050")

    def __post_init__(self):
        check_options(self, "config.data")
        require_sides(self.image_size, "config.data.image_size")
        require(self.fraction > 0, "config.data.fraction: got 0, which leaves no images. Expected above 0 and at most 1.")
        require(
            len(set(self.classes)) == len(self.classes),
            f"config.data.classes: names repeat in {list(self.classes)}. Expected each once.",
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class AugmentConfig:
    """Training augmentation; names and defaults of YOLOv5's scratch hyperparameters (level low)."""

    level: Literal["none", "low", "med", "high"] = option(
        "low", "preset of the keys here that are left out; med and high are one, as copy-paste, the difference, needs polygons"
    )
    hsv_h: float = option(0.015, "hue gain, fraction of the circle: factor uniform in 1 +- hsv_h", "0 <= x < 1")
    hsv_s: float = option(0.7, "saturation gain: factor uniform in 1 +- hsv_s", "0 <= x < 1")
    hsv_v: float = option(0.4, "value gain: factor uniform in 1 +- hsv_v", "0 <= x < 1")
    degrees: float = option(0.0, "rotation, degrees, uniform in +-")
    translate: float = option(0.1, "translation, fraction of the image side, uniform in +-", "0 <= x < 1")
    scale: float = option(0.5, "zoom: factor uniform in 1 +- scale", "0 <= x < 1")
    shear: float = option(0.0, "shear, degrees, uniform in +-, both axes")
    perspective: float = option(0.0, "perspective, uniform in +-, 0..0.001", "0..0.001")
    flipud: float = option(0.0, "probability of an upside-down flip", "0..1")
    fliplr: float = option(0.5, "probability of a left-right flip", "0..1")
    mosaic: float = option(1.0, "probability of a 4-image mosaic", "0..1")
    mixup: float = option(0.0, "probability that a mosaic is blended with a second one, Beta(32, 32)", "0..1")
    close_mosaic: int = option(
        10, "train the last so many epochs without mosaic and mixup (at most a fifth of the run)", "0 or more"
    )
    close_geometry: bool = option(
        False, "train those last epochs without zoom, translation, rotation, shear and perspective, too; flips and colours stay"
    )
    multi_scale: tuple[int, ...] = option(
        (), "sides, px: each training batch is resized to one of them; empty = always data.image_size"
    )
    device: Literal["auto", "host", "accelerator"] = option(
        "auto", "where images are augmented: in the input pipeline, or inside the training step (auto: there on a single GPU)"
    )
    photometric: dict[str, float] = option({}, "keras-cv layers that move no pixels, by name, with their probability")

    def __post_init__(self):
        check_options(self, "config.augment")
        require_sides(self.multi_scale, "config.augment.multi_scale")
        for name, value in self.photometric.items():
            require(0 <= value <= 1, f"config.augment.photometric.{name}: expected 0..1, got {value}.")
