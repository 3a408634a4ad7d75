"""Compound scaling: a base network made deeper and wider and given larger images, all by one number, and its cost.

Source: arXiv:1905.11946, section 3.3: depth alpha^phi, width beta^phi, resolution gamma^phi. With
alpha * beta^2 * gamma^2 near 2 the arithmetic doubles with every step of phi, but for rounding.
"""

import dataclasses
import functools
import math
import string

import keras

from yolo_tf.config import ModelConfig
from yolo_tf.config.plain import plain
from yolo_tf.errors import InputError, look_up
from yolo_tf.models.backbones.applications import BUILD_SIZE, build_application
from yolo_tf.models.backbones.keras_model import KERAS_MODEL
from yolo_tf.models.network import build_network, network_layout
from yolo_tf.models.reports.cost import network_report
from yolo_tf.terminal.tables import format_table

# (depth, width) multiples of the published sizes. EfficientNet's are those of its authors' code, which rounded them.
EFFICIENTNETS = {
    "efficientnetb0": (1.0, 1.0),
    "efficientnetb1": (1.1, 1.0),
    "efficientnetb2": (1.2, 1.1),
    "efficientnetb3": (1.4, 1.2),
    "efficientnetb4": (1.8, 1.4),
    "efficientnetb5": (2.2, 1.6),
    "efficientnetb6": (2.6, 1.8),
    "efficientnetb7": (3.1, 2.0),
}
YOLOV5S = {
    "yolov5n": (0.33, 0.25),
    "yolov5s": (0.33, 0.5),
    "yolov5m": (0.67, 0.75),
    "yolov5l": (1.0, 1.0),
    "yolov5x": (1.33, 1.25),
}
SIZES = {"efficientnet": EFFICIENTNETS, "csp_darknet": YOLOV5S}  # the base is the first of each family
NECK = {"depth": 0.33, "width": 0.5}  # under EfficientNet; under CSPDarknet the neck is scaled with the backbone

# Blocks at depth 1 of the stages that end strides 8, 16 and 32: arXiv:1905.11946, table 1 (which counts the stem too).
_LAST_STAGES = {3: 2, 5: 3, 7: 1}
_DEEPEST = 6.5  # a stage of 4 blocks then has 26, and Keras names them a .. z


@dataclasses.dataclass(frozen=True, kw_only=True)
class CompoundScaling:
    """What one step of phi multiplies: depth, width and resolution, each 1 or more."""

    alpha: float = 1.2
    beta: float = 1.1
    gamma: float = 1.15

    def __post_init__(self):
        for name, value in dataclasses.asdict(self).items():
            if value < 1:
                raise InputError(f"{name}: got {value:g}. Expected 1 or more. Leave it out for {getattr(type(self), name)}.")

    @property
    def growth(self):
        """The factor on the arithmetic per step, before rounding."""
        return self.alpha * self.beta**2 * self.gamma**2


@dataclasses.dataclass(frozen=True, kw_only=True)
class ScaledNetwork:
    """One row of a scaling table: a network and what it costs."""

    phi: float
    depth: float
    width: float
    image_size: int  # side, px
    trainable_params: dict  # by part, and in total
    macs: dict
    flops: dict
    flops_ratio: dict  # of the backbone and in total, to phi 0
    doublings: float  # 2^phi
    nearest: str  # the published size with the nearest multiples
    config: dict  # dotted key -> value of the config that trains it


@dataclasses.dataclass(frozen=True, kw_only=True)
class ScalingTable:
    """A family of networks, scaled step by step."""

    family: str
    scaling: CompoundScaling
    num_classes: int
    rows: list[ScaledNetwork]  # by phi; the first is the base network

    def to_json(self):
        """Returns JSON values, the constants of the scaling and their growth among the others."""
        constants = {**plain(self.scaling), "growth": self.scaling.growth}
        return {"family": self.family, **constants, "num_classes": self.num_classes, "rows": plain(self.rows)}


def scaling_table(family, phis, *, scaling=CompoundScaling(), image_size=640, num_classes=80):
    """Returns a ScalingTable of a family: its base network at phi 0, at every whole step up to the largest phi, and at each phi.

    Multiples are rounded to 4 decimals, sides to multiples of 32 px, so what is printed is what is built.

    Args:
        family: efficientnet (base EfficientNet-B0) | csp_darknet (base YOLOv5n).
        phis: numbers 0..10.
        scaling: CompoundScaling.
        image_size: side of the input at phi 0, px, a multiple of 32.
        num_classes: C of the detector.

    Raises:
        InputError: an unknown family, phi or size out of range, or too deep a network.
    """
    sizes = look_up(SIZES, family, kind="scalable family", where="family")
    for phi in phis:
        if not 0 <= phi <= 10:
            raise InputError(f"phi: got {phi:g}. Expected 0..10. The base network has 0.")
    if image_size <= 0 or image_size % 32:
        raise InputError(f"image_size: got {image_size}. Expected a multiple of 32. Leave it out for 640.")
    base_depth, base_width = next(iter(sizes.values()))
    rows = []
    for phi in sorted({*phis, *range(math.ceil(max(phis, default=0)))} | {0}):
        depth = round(base_depth * scaling.alpha**phi, 4)
        width = round(base_width * scaling.beta**phi, 4)
        side = round(image_size * scaling.gamma**phi / 32) * 32
        network, model = scaled_detector(family, depth, width, num_classes=num_classes)
        report = network_report(network, model=model, num_classes=num_classes, image_size=(side, side))
        base = rows[0].flops if rows else report.flops
        rows.append(
            ScaledNetwork(
                phi=phi,
                depth=depth,
                width=width,
                image_size=side,
                trainable_params=report.trainable_params,
                macs=report.macs,
                flops=report.flops,
                flops_ratio={part: report.flops[part] / base[part] for part in ("backbone", "total")},
                doublings=2**phi,
                nearest=nearest_size(sizes, depth, width),
                config=_config_of(model, side),
            )
        )
    return ScalingTable(family=family, scaling=scaling, num_classes=num_classes, rows=rows)


def format_scaling(table, *, kind="text"):
    """Returns a ScalingTable as lines of text, kind one of TABLE_FORMATS: the table, then what trains its last row."""
    rows = [
        {
            "phi": f"{row.phi:g}",
            "depth": f"{row.depth:g}",
            "width": f"{row.width:g}",
            "px": str(row.image_size),
            "backbone": f"{row.trainable_params['backbone']:,}",
            "GMACs": f"{row.macs['backbone'] / 1e9:.3f}",
            "GFLOPs": f"{row.flops['backbone'] / 1e9:.3f}",
            "ratio": f"{row.flops_ratio['backbone']:.2f}",
            "2^phi": f"{row.doublings:.2f}",
            "detector": f"{row.trainable_params['total']:,}",
            "its GMACs": f"{row.macs['total'] / 1e9:.3f}",
            "its GFLOPs": f"{row.flops['total'] / 1e9:.3f}",
            "nearest": "{} ({:g}, {:g})".format(row.nearest, *SIZES[table.family][row.nearest]),
        }
        for row in table.rows
    ]
    last = table.rows[-1]
    scales_neck = table.family == "csp_darknet"
    neck = "neck scaled along" if scales_neck else f"neck at depth {NECK['depth']:g}, width {NECK['width']:g}"
    options = last.config if scales_neck else {"model.backbone_file": "FILE", **last.config}
    texts = {key: f"[{','.join(value)}]" if isinstance(value, list) else str(value) for key, value in options.items()}
    command = " ".join(f"{key}={text}" for key, text in texts.items())
    return "\n".join(
        [
            format_table(rows, kind=kind),
            "",
            f"Trainable parameters and arithmetic of one image; detector: {table.num_classes} classes, {neck}. ratio: of the"
            f" backbone's GFLOPs to phi 0; the constants alone give {table.scaling.growth:.3f}^phi, rounding does the rest.",
            f"Train phi {last.phi:g}: {command}",
        ]
    )


def scaled_detector(family, depth, width, *, num_classes):
    """Builds the detector of a scaled backbone, with random weights: (keras.Model of `build_network`, its ModelConfig).

    `family` is a key of SIZES; depth and width are multiples of EfficientNet-B0, or of CSPDarknet at depth and width 1.
    """
    if family == "csp_darknet":
        model, backbone = ModelConfig(name=f"csp_darknet_{depth:g}_{width:g}", depth=depth, width=width), None
    else:
        backbone = scaled_efficientnet(depth, width)
        name, taps = f"efficientnet_{depth:g}_{width:g}", efficientnet_taps(depth)
        model = ModelConfig(name=name, backbone=KERAS_MODEL, taps=taps, pixels="imagenet", **NECK)
    return build_network(model, num_classes=num_classes, anchors=network_layout(model), backbone=backbone), model


def scaled_efficientnet(depth, width):
    """Builds EfficientNet up to its last block, with random weights, at any multiples of the depth and width of B0.

    Blocks of a stage are rounded up, channels to the nearest multiple of 8 (not below 0.9 of the exact number).

    Returns:
        keras.Model, pixels [B, H, W, 3] scaled by ImageNet's mean and deviation -> features of strides 8, 16, 32.
        Its file is a `model.backbone_file` with `model.pixels: imagenet` and the taps `efficientnet_taps(depth)`.

    Raises:
        InputError: deeper than 6.5.

    Source: arXiv:1905.11946, section 3.3; rounding as in the authors' code, which keras.applications follows.
    """
    # Keras publishes B0 .. B7 only; this is the function that they call.
    from keras.src.applications.efficientnet import EfficientNet

    if depth > _DEEPEST:
        raise InputError(f"phi: makes EfficientNet {depth:g} times as deep. Expected at most {_DEEPEST}. Lower phi or alpha.")
    images = keras.Input((None, None, 3), name="images")
    constructor = functools.partial(EfficientNet, width, depth, BUILD_SIZE)
    features = build_application(images, constructor=constructor, taps=efficientnet_taps(depth), weights="none")
    return keras.Model(images, list(features), name="efficientnet")


def efficientnet_taps(depth):
    """Returns the names of the layers that end the last block of strides 8, 16 and 32 at this depth multiple."""
    taps = []
    for stage, repeats in _LAST_STAGES.items():
        blocks = math.ceil(depth * repeats)
        # The first block of a stage changes the channels, so it has no residual sum.
        taps.append(f"block{stage}{string.ascii_lowercase[blocks - 1]}_{'add' if blocks > 1 else 'project_bn'}")
    return tuple(taps)


def nearest_size(sizes, depth, width):
    """Returns the name of the size whose (depth, width) is nearest by ratio: least squared logarithms."""
    return min(sizes, key=lambda name: math.log(sizes[name][0] / depth) ** 2 + math.log(sizes[name][1] / width) ** 2)


def _config_of(model, side):
    """Returns {dotted key: value} of the config that trains this network."""
    options = {"model.depth": model.depth, "model.width": model.width, "data.image_size": side}
    if model.backbone == KERAS_MODEL:
        options = {"model.backbone": KERAS_MODEL, "model.taps": list(model.taps), "model.pixels": model.pixels, **options}
    return options
