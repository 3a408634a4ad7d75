"""A trained detector -> one with fewer channels, or with zeros for its smallest weights (docs/compression.md)."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from yolo_tf.config.kinds import converted
from yolo_tf.config.plain import plain
from yolo_tf.errors import InputError, look_up
from yolo_tf.files.keras import check_out, save_network
from yolo_tf.inference.detector import open_detector
from yolo_tf.models.parts import kernels_of
from yolo_tf.models.reports.cost import count_macs, count_params
from yolo_tf.models.reports.sparsity import sparsity
from yolo_tf.pictures.generated_images import generated_images
from yolo_tf.surgery.pruning.channel_flow import follow_channels
from yolo_tf.surgery.pruning.channels import removed_channels, unread_channels, without_channels
from yolo_tf.surgery.pruning.magnitude import zero_smallest_weights
from yolo_tf.system.atomic import size_on_disk

TOLERANCE = 1e-3  # largest difference of a raw prediction, over the largest prediction, that the order of sums explains


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cost:
    """What a detector file costs, by part and in "total"; `bytes` of the file."""

    params: dict  # trainable
    macs: dict  # for one image
    sparsity: dict  # share of the kernel weights that are zero, 0..1
    bytes: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class PruneReport:
    """What pruning made of a detector."""

    path: Path
    out: Path
    method: str
    amount: float
    image_size: tuple[int, int]  # (height, width) px
    before: Cost
    after: Cost
    groups: dict | None = None  # of channels: "all", "narrower", and "stay": reason -> layers; None = of another method

    to_json = plain


def prune_detector(path: Path | str, out: Path | str, method: str, amount: float) -> PruneReport:
    """Prunes a detector, writes what is left as a detector file and returns a PruneReport.

    Args:
        path: `.keras` file of a detector. It is only read.
        out: `.keras` file to write, another one.
        method: a row of METHODS.
        amount: share to remove, 0 < amount < 1: of the channels of each group, or of all kernel weights.

    Raises:
        InputError: an unknown method, an amount out of range, unfit paths, no `.keras` file of a detector, or a network
            that cannot be pruned. Nothing is written then.
    """
    prune = look_up(METHODS, method, kind="pruning method", where="method")
    amount = converted(amount, float, "amount")
    if not 0 < amount < 1:
        raise InputError(f"amount: got {amount}. Expected 0 < amount < 1, as 0.3 to remove three tenths. Change it.")
    path, out = Path(path), Path(out)
    check_out(out)
    if out.resolve() == path.resolve():
        raise InputError(f"{out}: is the file that is to be pruned. Expected another path: it would be lost. Change `out`.")
    detector = open_detector(path)
    if detector.network is None:
        raise InputError(f"{path}: is an export. Expected a .keras file. Prune the network that it was made from, then export.")
    image_size = detector.spec.image_size
    before = _cost(detector.network, image_size, path)
    network, groups = prune(detector.network, amount, image_size, path)
    save_network(network, detector.spec, out)
    return PruneReport(
        path=path,
        out=out,
        method=method,
        amount=amount,
        image_size=image_size,
        before=before,
        after=_cost(network, image_size, out),
        groups=groups,
    )


def _prune_channels(network, amount, image_size, path):
    """Returns (smaller network, groups of the report), once it has answered as the large one does without these channels."""
    flow = follow_channels(network)
    removed = removed_channels(network, flow, amount)
    if not removed:
        raise InputError(
            f"{path}: no channel can go at `amount` {amount}: multiples of 8 stay, at least 8 per layer. Expected a larger"
            " amount or a wider network. Raise `amount`."
        )
    smaller = without_channels(network, flow, removed)
    images = generated_images(image_size, count=2).astype(np.float32)
    with unread_channels(network, flow, removed):
        expected = network(images)
    difference = _difference(expected, smaller(images))
    if not difference <= TOLERANCE:  # NaN included
        raise InputError(
            f"{path}: without these channels it answers otherwise than the smaller network would ({difference:.2g} of the"
            f" largest prediction). Expected at most {TOLERANCE}. Its layers are not understood: use `method` magnitude."
        )
    stay = {}
    for group in flow.groups:
        if group.reason:
            stay.setdefault(group.reason, []).extend(group.layers)
    narrower = sum(bool(removed & set(group.roots.tolist())) for group in flow.groups)
    return smaller, {"all": len(flow.groups), "narrower": narrower, "stay": stay}


def _prune_weights(network, amount, image_size, path):
    """Returns (the network itself with zeros, None)."""
    zero_smallest_weights(kernels_of(network), amount)
    return network, None


# name -> function (network, amount, image_size, path) -> (pruned network, groups of the report)
METHODS = {"channels": _prune_channels, "magnitude": _prune_weights}


def _cost(network, image_size, path):
    macs = count_macs(network, image_size=image_size)
    return Cost(params=count_params(network), macs=macs, sparsity=sparsity(network), bytes=size_on_disk(path))


def _difference(expected, found):
    """Returns the largest difference of two lists of predictions over the largest prediction."""
    largest = max(float(np.abs(one).max()) for one in expected)
    differences = [float(np.abs(np.subtract(one, other)).max()) for one, other in zip(expected, found, strict=True)]
    return float(np.max(differences)) / max(largest, 1e-30)
