"""Where each layer of a YOLOv5 checkpoint goes: row of the PyTorch model -> layers of this package."""

from __future__ import annotations

import dataclasses

# Rows from the pyramid's first 1 x 1 convolution to the head are the same in all versions.
_TOP = {
    10: ("conv", "neck_p5_reduce"),
    13: ("csp", "neck_p4_topdown_csp"),
    14: ("conv", "neck_p4_reduce"),
    17: ("csp", "neck_p3_csp"),
    18: ("conv", "neck_p3_downsample"),
    20: ("csp", "neck_p4_csp"),
    21: ("conv", "neck_p4_downsample"),
    23: ("csp", "neck_p5_csp"),
    24: ("head", "head"),
}
_STAGES = {
    1: ("conv", "backbone_stage1_down"),
    2: ("csp", "backbone_stage1_csp"),
    3: ("conv", "backbone_stage2_down"),
    4: ("csp", "backbone_stage2_csp"),
    5: ("conv", "backbone_stage3_down"),
    6: ("csp", "backbone_stage3_csp"),
    7: ("conv", "backbone_stage4_down"),
}
_TOP_CLASSES = ("Conv", "Upsample", "Concat", "C3", "Conv", "Upsample", "Concat", "C3", "Conv", "Concat", "C3", "Conv", "Concat")
_TOP_CLASSES += ("C3", "Detect")
_STAGE_CLASSES = ("Conv", "C3", "Conv", "C3", "Conv", "C3", "Conv")


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Layout:
    """One generation of the architecture."""

    versions: str
    classes: tuple[str, ...]  # class of each row
    blocks: dict  # row -> (kind of block, its name here); rows without weights are absent
    backbone: str  # the row of BACKBONES that has the same layers
    neck: str  # the row of NECKS
    shortcuts: tuple[int, ...]  # rows whose bottlenecks add their input
    pools: tuple[int, ...]  # sides of the max poolings, px of their map


LAYOUTS = (
    Layout(
        versions="v6.0 to v7.0",
        classes=("Conv", *_STAGE_CLASSES, "C3", "SPPF", *_TOP_CLASSES),
        blocks={
            0: ("conv", "backbone_stem"),
            **_STAGES,
            8: ("csp", "backbone_stage4_csp"),
            9: ("pool", "neck_sppf"),
            **_TOP,
        },
        backbone="csp_darknet",
        neck="csp_pan",
        shortcuts=(2, 4, 6, 8),
        pools=(5,),  # applied three times
    ),
    Layout(
        versions="v4.0 and v5.0",
        classes=("Focus", *_STAGE_CLASSES, "SPP", "C3", *_TOP_CLASSES),
        blocks={
            0: ("focus", "backbone_stem"),
            **_STAGES,
            8: ("pool", "backbone_stage4_pool"),
            9: ("csp", "backbone_stage4_csp"),
            **_TOP,
        },
        backbone="csp_darknet_v5",
        neck="csp_pan_unpooled",
        shortcuts=(2, 4, 6),
        pools=(5, 9, 13),  # side by side: the same maxima
    ),
)


def block_convolutions(kind, name, prefix, *, repeats=0):
    """Lists the convolutions (each with its batch norm) of one block.

    Args:
        kind: conv | focus | csp | pool.
        name: prefix of the layers here.
        prefix: prefix of the tensors there, such as "model.2".
        repeats: bottlenecks of a csp block.

    Returns:
        list of (name here, prefix there): `<here>_conv` and `<here>_batch_norm` take `<there>.conv` and `<there>.bn`.
    """
    if kind == "conv":
        return [(name, prefix)]
    if kind == "focus":
        return [(name, f"{prefix}.conv")]
    if kind == "pool":
        return [(f"{name}_reduce", f"{prefix}.cv1"), (f"{name}_merge", f"{prefix}.cv2")]
    pairs = [(f"{name}_main", f"{prefix}.cv1"), (f"{name}_bypass", f"{prefix}.cv2"), (f"{name}_merge", f"{prefix}.cv3")]
    for index in range(repeats):
        pairs.append((f"{name}_bottleneck{index}_1x1", f"{prefix}.m.{index}.cv1"))
        pairs.append((f"{name}_bottleneck{index}_3x3", f"{prefix}.m.{index}.cv2"))
    return pairs
