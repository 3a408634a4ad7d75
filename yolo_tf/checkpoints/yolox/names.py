"""Where each convolution of YOLOX goes: its name in the published files -> the name here, in the order they are computed."""

from __future__ import annotations

import dataclasses

# (depth, width, depthwise) -> name, and side of the input in px that its published AP was measured at
SIZES = {
    (0.33, 0.25, True): ("yolox_nano", 416),
    (0.33, 0.375, False): ("yolox_tiny", 416),
    (0.33, 0.5, False): ("yolox_s", 640),
    (0.67, 0.75, False): ("yolox_m", 640),
    (1.0, 1.0, False): ("yolox_l", 640),
    (1.33, 1.25, False): ("yolox_x", 640),
}
DEPTHS = {1: 0.33, 2: 0.67, 3: 1.0, 4: 1.33}  # bottlenecks of the first stage -> multiple
STEM = "backbone_stem"
BACKBONE, NECK = "backbone.backbone", "backbone"
# block in the neck there -> (kind, its name here), in the order they are computed
NECK_BLOCKS = {
    "lateral_conv0": ("conv", "neck_p5_reduce"),
    "C3_p4": ("csp", "neck_p4_topdown_csp"),
    "reduce_conv1": ("conv", "neck_p4_reduce"),
    "C3_p3": ("csp", "neck_p3_csp"),
    "bu_conv2": ("conv3", "neck_p3_downsample"),
    "C3_n3": ("csp", "neck_p4_csp"),
    "bu_conv1": ("conv3", "neck_p4_downsample"),
    "C3_n4": ("csp", "neck_p5_csp"),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Convolution:
    """One convolution of the network."""

    name: str  # prefix of the layers here: `<name>_conv` and `<name>_batch_norm`; of a prediction the layer itself
    theirs: str  # prefix of its tensors there: `<theirs>.conv.weight` and `<theirs>.bn. ...`; of a prediction `<theirs>.weight`
    predicts: bool = False  # one of the last: with a bias, and no batch norm


@dataclasses.dataclass(frozen=True, kw_only=True)
class Shape:
    """What tells one YOLOX from another."""

    repeats: int  # bottlenecks of the first stage
    width: float
    depthwise: bool

    @property
    def depth(self):
        """The multiple that makes these bottlenecks."""
        return DEPTHS.get(self.repeats, self.repeats / 3)

    @property
    def name(self):
        """ "yolox_nano"; "yolox" for other multiples."""
        return SIZES.get((self.depth, self.width, self.depthwise), ("yolox", 640))[0]

    @property
    def side(self):
        """px of the input that it was trained for."""
        return SIZES.get((self.depth, self.width, self.depthwise), ("yolox", 640))[1]


def convolutions(repeats, depthwise):
    """Lists the Convolutions of a YOLOX of so many bottlenecks in its first stage, in the order they are computed."""

    def conv(name, theirs):
        return [Convolution(name=name, theirs=theirs)]

    def conv3(name, theirs):
        if not depthwise:
            return conv(name, theirs)
        return [*conv(f"{name}_depthwise", f"{theirs}.dconv"), *conv(f"{name}_pointwise", f"{theirs}.pconv")]

    def csp(name, theirs, count):
        found = [*conv(f"{name}_main", f"{theirs}.conv1"), *conv(f"{name}_bypass", f"{theirs}.conv2")]
        for index in range(count):
            found += conv(f"{name}_bottleneck{index}_1x1", f"{theirs}.m.{index}.conv1")
            found += conv3(f"{name}_bottleneck{index}_3x3", f"{theirs}.m.{index}.conv2")
        return [*found, *conv(f"{name}_merge", f"{theirs}.conv3")]

    found = conv(STEM, f"{BACKBONE}.stem.conv")
    for stage, count in enumerate((repeats, 3 * repeats, 3 * repeats, repeats), start=1):
        ours, theirs = f"backbone_stage{stage}", f"{BACKBONE}.dark{stage + 1}"
        found += conv3(f"{ours}_down", f"{theirs}.0")
        if stage == 4:
            found += conv(f"{ours}_pool_reduce", f"{theirs}.1.conv1") + conv(f"{ours}_pool_merge", f"{theirs}.1.conv2")
        found += csp(f"{ours}_csp", f"{theirs}.{2 if stage == 4 else 1}", count)
    for block, (kind, name) in NECK_BLOCKS.items():
        theirs = f"{NECK}.{block}"
        found += csp(name, theirs, repeats) if kind == "csp" else (conv3 if kind == "conv3" else conv)(name, theirs)
    for level in range(3):
        ours = f"head_p{level + 3}"
        found += conv(f"{ours}_stem", f"head.stems.{level}")
        for branch, theirs, predictions in (("class", "cls", ("class",)), ("box", "reg", ("box", "objectness"))):
            for index in range(2):
                found += conv3(f"{ours}_{branch}_branch{index}", f"head.{theirs}_convs.{level}.{index}")
            for part in predictions:
                short = {"class": "cls", "box": "reg", "objectness": "obj"}[part]
                found.append(Convolution(name=f"{ours}_{part}", theirs=f"head.{short}_preds.{level}", predicts=True))
    return found
