"""What really happened when a backbone was put in: printed before the first epoch, kept with the run.

A detector on another backbone can fail in silence: weights that were not found, pixels in the wrong range, batch
norms that never settle, a neck so large that the backbone hardly counts. This says what is the case.
"""

import dataclasses
import math

import keras
import numpy as np

from yolo_tf.config.plain import plain
from yolo_tf.models.parts import PARTS, part_of
from yolo_tf.models.reports.cost import NetworkReport, format_report, sum_by_part

BYTES_PER_VALUE = 4  # float32
LEAST_MOMENTUM = 0.5  # that is advised; in so few steps nothing is learned anyway
SETTLED = 5  # a moving average has forgotten its start to e^-5 after this many times 1 / (1 - momentum) steps
_NORMALIZATIONS = (keras.layers.BatchNormalization, keras.layers.LayerNormalization, keras.layers.GroupNormalization)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Normalization:
    """Normalisation layers that are alike."""

    kind: str  # name of their class
    momentum: float | None  # of Keras; None = they keep no average
    epsilon: float
    layers: int
    frozen: int  # of them


@dataclasses.dataclass(frozen=True, kw_only=True)
class StartReport:
    """The state that a network starts training in."""

    network: NetworkReport  # its initial weights are those that were really found
    pixel_scaling: dict | None  # scale, offset: a pixel p of 0..255 is seen as p * scale + offset; None = no layer says so
    normalization: dict[str, list[Normalization]]  # by part
    activation_megabytes: dict  # part, "total" -> float32 outputs of all layers for one image
    loaded: dict | None  # part -> (tensors of the file that were loaded, tensors in all); None = no file
    weights_sha256: str | None  # of that file; None = no file
    frozen_layers: int
    warnings: list[str]

    def to_json(self):
        """Returns JSON values: those of the network and, beside them, the others."""
        own = plain(self)
        return own.pop("network") | own


def start_report(network, report, *, loaded=None, frozen=(), steps=None):
    """Returns a StartReport: the state a network starts training in.

    Args:
        network: keras.Model of `build_network`.
        report: its NetworkReport.
        loaded: LoadedWeights of `model.weights`; None = no such file.
        frozen: layers that do not learn at first.
        steps: batches of the whole run; None = not known.
    """
    names = {layer.name for layer in frozen}
    tensors = None if loaded is None else _loaded_tensors(network, loaded)
    if tensors:
        found = {part: str(loaded.path) if count else "random" if total else "absent" for part, (count, total) in tensors.items()}
        report = dataclasses.replace(report, initial_weights=found)
    normalization = _normalization(network, names)
    return StartReport(
        network=report,
        pixel_scaling=_pixel_scaling(network),
        normalization=normalization,
        activation_megabytes=activation_megabytes(network, report.image_size),
        loaded=tensors,
        weights_sha256=loaded.sha256 or None if loaded else None,
        frozen_layers=len(names),
        warnings=_warnings(report, normalization, steps),
    )


def format_start(start):
    """Returns a StartReport as lines of text, the cost of the network first."""
    scaling = start.pixel_scaling
    pixels = "scaled as the network's own layers do"
    if scaling:
        pixels = f"value * {_numbers(scaling['scale'])} + {_numbers(scaling['offset'])}"
    memory = ", ".join(f"{part} {size:.1f}" for part, size in start.activation_megabytes.items() if size)
    lines = [format_report(start.network), "", f"pixels: {pixels}", f"activations of one image, MB: {memory}"]
    for part, rows in start.normalization.items():
        for row in rows:
            momentum = "" if row.momentum is None else f" momentum {row.momentum:g},"
            frozen = f", {row.frozen} frozen (inference mode)" if row.frozen else ""
            lines.append(f"{part}: {row.layers} {row.kind},{momentum} epsilon {row.epsilon:g}{frozen}")
    for part, (count, total) in (start.loaded or {}).items():
        if total:
            lines.append(f"{part}: {count} of {total} tensors from model.weights")
    return "\n".join([*lines, *(f"warning: {warning}" for warning in start.warnings)])


def _pixel_scaling(network):
    for layer in network.layers:
        if layer.name == "pixel_scaling":
            return {key: np.ravel(getattr(layer, key)).astype(float).tolist() for key in ("scale", "offset")}
    return None


def _numbers(values):
    rounded = [f"{value:.4g}" for value in values]
    return rounded[0] if len(set(rounded)) == 1 else f"({', '.join(rounded)})"


def _normalization(network, frozen):
    """Returns part -> Normalization of all its normalisation layers that are alike."""
    found = {part: {} for part in PARTS}
    for layer in network.layers:
        if isinstance(layer, _NORMALIZATIONS):
            alike = (type(layer).__name__, getattr(layer, "momentum", None), layer.epsilon)
            found[part_of(layer)].setdefault(alike, []).append(layer.name in frozen)
    return {
        part: [
            Normalization(kind=kind, momentum=momentum, epsilon=epsilon, layers=len(layers), frozen=sum(layers))
            for (kind, momentum, epsilon), layers in rows.items()
        ]
        for part, rows in found.items()
        if rows
    }


def activation_megabytes(network, image_size):
    """Returns {part: megabytes of the float32 outputs of its layers for one image of (height, width) px} with "total"."""
    layers = [layer for layer in network.layers if not isinstance(layer, keras.layers.InputLayer)]
    layers = [layer for layer in layers if isinstance(layer.output, keras.KerasTensor)]
    shapes = keras.Model(network.inputs, [layer.output for layer in layers]).compute_output_shape([(1, *image_size, 3)])
    sizes = (math.prod(side or 1 for side in shape) * BYTES_PER_VALUE / 1e6 for shape in shapes)
    return sum_by_part(zip(layers, sizes, strict=True))


def _loaded_tensors(network, loaded):
    given = sum_by_part((layer, len(layer.weights) * (layer.name in loaded.loaded)) for layer in network.layers)
    in_all = sum_by_part((layer, len(layer.weights)) for layer in network.layers)
    return {part: (given[part], in_all[part]) for part in PARTS}


def _warnings(report, normalization, steps):
    warnings = []
    share = report.trainable_params["neck"] / report.trainable_params["total"]
    if share > 0.5:
        warnings.append(f"the neck is {share:.0%} of the parameters: this comparison hides the backbone")
    if report.initial_weights["backbone"] == "random":
        warnings.append("the backbone starts from random weights; model.backbone_weights or model.weights gives it better ones")
    parts = {}  # momentum -> the parts in whose layers it does not settle, as keys
    for part, rows in normalization.items():
        for row in rows if report.initial_weights[part] == "random" else ():  # the averages of others were settled before
            if steps and row.momentum and row.frozen < row.layers and steps * (1 - row.momentum) < SETTLED:
                parts.setdefault(row.momentum, {})[part] = True
    for momentum, names in parts.items():
        settling = max(LEAST_MOMENTUM, math.floor(100 * (1 - SETTLED / steps)) / 100)
        if settling >= momentum:  # nothing smaller would help
            continue
        warnings.append(
            f"batch norm momentum {momentum:g} of {' and '.join(names)} does not settle in {steps} steps; set"
            f" model.batch_norm_momentum={settling:g}"
        )
    return warnings
