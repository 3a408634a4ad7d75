"""What a run's first weights come from: nothing, a detector to train as it is, or weights to start from."""

import dataclasses

import keras

from yolo_tf.config import ModelConfig
from yolo_tf.errors import InputError
from yolo_tf.files.keras import read_detector_network, read_network
from yolo_tf.files.spec import DetectorSpec, carries_spec, read_spec
from yolo_tf.files.weights import copy_fitting_weights
from yolo_tf.heads.anchor.anchors import COCO_ANCHORS, ENOUGH_RECALL, best_possible_recall, fit_anchors, fitted_box_sizes
from yolo_tf.heads.anchor.layers import scale_new_head
from yolo_tf.models.network import build_network, network_anchors, set_batch_norm_momentum
from yolo_tf.terminal import say
from yolo_tf.training.compression import quantizable


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Origin:
    """The file that a run begins with."""

    kind: str = "nothing"  # or the option that names the file: "model.network" | "model.weights"
    path: str = ""
    spec: DetectorSpec | None = None  # None: the file is no detector, or there is no file
    network: keras.Model | None = None  # as it is in the file; with model.network in the precision of the run


def read_origin(model, *, class_names, precision="float32"):
    """Reads the detector of `model.network`, or the weights of `model.weights`.

    Args:
        model: ModelConfig.
        class_names: of the data set; the detector of `model.network` must find these.
        precision: dtype policy of the run.

    Returns:
        Origin.

    Raises:
        InputError: no such file, no network, or with `model.network` no detector of these classes.
    """
    if model.network:
        options = dict(option="config.model.network", class_names=class_names, precision=precision)
        network, spec = read_detector_network(model.network, **options)
        return Origin(kind="model.network", path=model.network, spec=spec, network=network)
    if model.weights:
        network = read_network(model.weights, option="config.model.weights")
        spec = read_spec(model.weights) if carries_spec(model.weights) else None
        return Origin(kind="model.weights", path=model.weights, spec=spec, network=network)
    return Origin()


def first_anchors(model, origin):
    """Returns the anchors of a ModelConfig; those of the detector that it begins with, where there is one.

    A head that was trained on other anchors would answer in the wrong units, so only anchors that the config states
    come before those of `model.weights`.

    Raises:
        InputError: the detector has other levels than this network.
    """
    if origin.kind == "nothing" or _anchor_giver(model, origin) != origin.kind:
        return network_anchors(model)
    anchors = origin.spec.anchors
    if anchors.strides != COCO_ANCHORS.strides:
        whole = origin.kind == "model.network"
        remedy = "Use another file." if whole else "Use other weights, or state config.model.anchors."
        raise InputError(f"{origin.path}: has levels of strides {anchors.strides}. Expected {COCO_ANCHORS.strides}. {remedy}")
    return anchors


def first_name(model, origin):
    """Returns the short name of the network: that of the detector in `model.network` where the config gives none."""
    return origin.spec.name if origin.kind == "model.network" and model.name == ModelConfig.name else model.name


def _anchor_giver(model, origin):
    """Returns the option that gives the anchors; None = they are the default ones."""
    if model.anchors and origin.kind != "model.network":
        return "model.anchors"
    return origin.kind if origin.spec else None


def choose_anchors(config, origin, train_set):
    """Returns `config` with anchors fitted to the training boxes as `model.anchors`, where nobody gave any and it helps.

    Anchors that the config states, or that come with a file, are kept, and so are anchors that match enough.
    Says what was found and done.

    Args:
        config: Config.
        origin: Origin of its model.
        train_set: DetectionDataset.
    """
    model, limit = config.model, config.loss.anchor_ratio_limit
    anchors, boxes_wh = first_anchors(model, origin), fitted_box_sizes(train_set, config.data.image_size)
    recall = best_possible_recall(boxes_wh, anchors, ratio_limit=limit)
    line = f"anchors: best possible recall {recall:.3f} of {len(boxes_wh)} training boxes"
    giver = _anchor_giver(model, origin)
    if recall >= ENOUGH_RECALL:
        say(f"{line}, kept")
    elif giver or not model.autoanchor:
        whose = f"those of {giver}" if giver else "YOLOv5's; model.autoanchor=true fits others"
        say(f"{line}, kept", f"warning: they match too few boxes (below {ENOUGH_RECALL}). They are {whose}")
    else:
        fitted = fit_anchors(
            boxes_wh, strides=anchors.strides, per_cell=anchors.per_cell, ratio_limit=limit, seed=config.train.seed
        )
        better = best_possible_recall(boxes_wh, fitted, ratio_limit=limit)
        if better > recall:
            sizes = " | ".join(" ".join(f"{w:.1f}x{h:.1f}" for w, h in level) for level in fitted.sizes)
            say(f"{line}; fitted ones reach {better:.3f} and are used: {sizes}")
            stated = tuple(tuple((round(float(w), 1), round(float(h), 1)) for w, h in level) for level in fitted.sizes)
            return dataclasses.replace(config, model=dataclasses.replace(model, anchors=stated))
        say(f"{line}; fitted ones reach {better:.3f}: kept")
    return config


def first_network(config, origin, spec):
    """Makes the network under the precision's policy: that of `model.network`, or built, with what fits of `model.weights`.

    Args:
        config: Config.
        origin: Origin of its model.
        spec: DetectorSpec of the run.

    Returns:
        (keras.Model, LoadedWeights or None).
    """
    if origin.kind == "model.network":
        return _network_of_file(config, origin), None
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(config.hardware.precision)
    keras.utils.set_random_seed(config.train.seed)  # what the file left unfilled is as random as without one
    try:
        network = build_network(config.model, num_classes=len(spec.class_names), anchors=spec.anchors)
    finally:
        keras.config.set_dtype_policy(before)
    if origin.kind == "nothing":
        return network, None
    loaded = copy_fitting_weights(network, origin.network, path=origin.path)
    say(str(loaded))
    if scale_new_head(network, loaded.loaded, config.model.new_head_scale):
        say(f"new head: initial kernels times {config.model.new_head_scale:g} (model.new_head_scale)")
    theirs = origin.spec.class_names if origin.spec else ()
    if len(theirs) == len(spec.class_names) and theirs != spec.class_names:
        say(f"note: their head was trained on {list(theirs)}, in that order")
    return network, loaded


def _network_of_file(config, origin):
    """Returns the network of `model.network`, whatever it is built like."""
    network = quantizable(origin.network) if config.compress.quantize_aware else origin.network
    if config.model.batch_norm_momentum:
        set_batch_norm_momentum(network, config.model.batch_norm_momentum)
    say(f"network: {origin.spec.name} as it is in {origin.path}, {network.count_params():,} weights")
    return network
