"""A trained detector -> one with fewer channels, or with zeros for its smallest weights (docs/compression.md)."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from yolo_tf.errors import InputError, look_up
from yolo_tf.files.keras import check_out, save_network
from yolo_tf.inference.detector import open_detector
from yolo_tf.models.parts import PARTS, kernels_of, part_of
from yolo_tf.models.reports.cost import count_macs
from yolo_tf.models.reports.sparsity import sparsity
from yolo_tf.pictures.generated_images import generated_images
from yolo_tf.surgery.pruning.channel_flow import follow_channels
from yolo_tf.surgery.pruning.channels import removed_channels, unread_channels, without_channels
from yolo_tf.surgery.pruning.magnitude import zero_smallest_weights
from yolo_tf.system.atomic import size_on_disk

TOLERANCE = 1e-3  # largest difference of a raw prediction, over the largest prediction, that the order of sums explains


def prune_detector(path, out, method, amount):
    """Prunes a detector and writes what is left as a detector file.

    Args:
        path: `.keras` file of a detector. It is only read.
        out: `.keras` file to write, another one.
        method: a row of METHODS.
        amount: share to remove, 0 < amount < 1: of the channels of each group, or of all kernel weights.

    Returns:
        dict of JSON values: path, out, method, amount, image_size, and "before" and "after" with params (trainable) and
        macs for one image, by part and in total, sparsity by part and in total, and bytes of the file; for channels
        also "groups" (in all, made narrower, and those that must stay: reason -> layers).

    Raises:
        InputError: an unknown method, an amount out of range, unfit paths, no `.keras` file of a detector, or a network
            that cannot be pruned. Nothing is written then.
    """
    prune = look_up(METHODS, method, kind="pruning method")
    if not 0 < amount < 1:
        raise InputError(f"--amount: got {amount}. Expected 0 < amount < 1, as 0.3 to remove three tenths. Change it.")
    path, out = Path(path), Path(out)
    check_out(out)
    if out.is_dir():
        raise InputError(f"{out}: is a directory. Expected a new path, or a file to replace. Change --out.")
    if out.resolve() == path.resolve():
        raise InputError(f"{out}: is the file that is to be pruned. Expected another path: it would be lost. Change --out.")
    detector = open_detector(path)
    if detector.network is None:
        raise InputError(f"{path}: is an export. Expected a .keras file. Prune the network that it was made from, then export.")
    image_size = detector.spec.image_size
    before = {**_cost(detector.network, image_size), "bytes": size_on_disk(path)}
    network, details = prune(detector.network, amount, image_size, path)
    save_network(network, detector.spec, out)
    return {
        "path": str(path),
        "out": str(out),
        "method": method,
        "amount": amount,
        "image_size": list(image_size),
        "before": before,
        "after": {**_cost(network, image_size), "bytes": size_on_disk(out)},
        **details,
    }


def _prune_channels(network, amount, image_size, path):
    """Returns (smaller network, {"groups": ...}), once it has answered as the large one does without these channels."""
    flow = follow_channels(network)
    removed = removed_channels(network, flow, amount)
    if not removed:
        raise InputError(
            f"{path}: no channel can go at --amount {amount}: multiples of 8 stay, at least 8 per layer. Expected a larger"
            " amount or a wider network. Raise --amount."
        )
    smaller = without_channels(network, flow, removed)
    images = generated_images(image_size, count=2).astype(np.float32)
    with unread_channels(network, flow, removed):
        expected = network(images)
    difference = _difference(expected, smaller(images))
    if not difference <= TOLERANCE:  # NaN included
        raise InputError(
            f"{path}: without these channels it answers otherwise than the smaller network would ({difference:.2g} of the"
            f" largest prediction). Expected at most {TOLERANCE}. Its layers are not understood: use --method magnitude."
        )
    stay = {}
    for group in flow.groups:
        if group.reason:
            stay.setdefault(group.reason, []).extend(group.layers)
    narrower = sum(bool(removed & set(group.roots.tolist())) for group in flow.groups)
    return smaller, {"groups": {"all": len(flow.groups), "narrower": narrower, "stay": stay}}


def _prune_weights(network, amount, image_size, path):
    """Returns (the network itself with zeros, nothing to add)."""
    zero_smallest_weights(kernels_of(network), amount)
    return network, {}


# name -> function (network, amount, image_size, path) -> (pruned network, further entries of the report)
METHODS = {"channels": _prune_channels, "magnitude": _prune_weights}


def _cost(network, image_size):
    params = dict.fromkeys(PARTS, 0)
    for layer in network.layers:
        params[part_of(layer)] += sum(math.prod(variable.shape) for variable in layer.trainable_variables)
    macs = count_macs(network, image_size=image_size)
    return {
        "params": {**params, "total": sum(params.values())},
        "macs": {**macs, "total": sum(macs.values())},
        "sparsity": sparsity(network),
    }


def _difference(expected, found):
    """Returns the largest difference of two lists of predictions over the largest prediction."""
    largest = max(float(np.abs(one).max()) for one in expected)
    differences = [float(np.abs(np.subtract(one, other)).max()) for one, other in zip(expected, found, strict=True)]
    return float(np.max(differences)) / max(largest, 1e-30)
