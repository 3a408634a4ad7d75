"""What a run's first weights come from: nothing, a detector to train as it is, or weights to start from."""

import dataclasses
from pathlib import Path

import keras
import numpy as np

from yolo_tf.config import ModelConfig
from yolo_tf.config.model import PUBLISHED_WEIGHTS
from yolo_tf.data.pipeline import make_eval_dataset
from yolo_tf.errors import InputError, any_of
from yolo_tf.files import carries_spec, read_spec
from yolo_tf.files.keras import read_detector_network, read_network
from yolo_tf.files.spec import DetectorSpec
from yolo_tf.files.weights import copy_fitting_weights
from yolo_tf.heads import load_head, loss_options
from yolo_tf.models.backbones import STRIDES
from yolo_tf.models.imported.yolox import published_yolox, yolox_model
from yolo_tf.models.network import build_network, network_layout, set_batch_norm_momentum
from yolo_tf.models.parts import part_of
from yolo_tf.surgery.unfold import is_folded, unfold_batch_norm
from yolo_tf.system.atomic import sha256_on_disk
from yolo_tf.terminal import say
from yolo_tf.training.compression import quantizable

SETTLING_IMAGES = 64  # of the training images at most: their cells are millions


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Origin:
    """The file that a run begins with."""

    kind: str = "nothing"  # or the option that names the file: "model.network" | "model.weights"
    path: str = ""
    spec: DetectorSpec | None = None  # None: the file is no detector, or there is no file
    network: keras.Model | None = None  # as it is in the file; with model.network in the precision of the run
    folded: bool = False  # whether its batch norms compute nothing, their statistics being lost


def read_origin(model, *, class_names, precision="float32"):
    """Returns the Origin of a ModelConfig: the detector of `model.network`, or the weights of `model.weights`.

    The detector must find `class_names`; it is read in the dtype policy `precision`.

    Raises:
        InputError: no such file, no network, or with `model.network` no detector of these classes.
    """
    if model.network:
        options = dict(option="config.model.network", class_names=class_names, precision=precision)
        network, spec = read_detector_network(model.network, **options)
        return Origin(kind="model.network", path=model.network, spec=spec, network=network, folded=is_folded(network))
    if model.weights in PUBLISHED_WEIGHTS:
        return _published_origin(model)
    if model.weights:
        path = Path(model.weights)
        if not path.suffix and not path.exists():  # a word
            raise InputError(
                f"{path}: no such file, and no published weights are called {path.name}. Expected a .keras file, or"
                f" {any_of(PUBLISHED_WEIGHTS)}. Check config.model.weights."
            )
        network = read_network(model.weights, option="config.model.weights")
        spec = read_spec(model.weights) if carries_spec(model.weights) else None
        return Origin(kind="model.weights", path=model.weights, spec=spec, network=network, folded=is_folded(network))
    return Origin()


def _published_origin(model):
    """Returns the Origin of the weights that `model.weights` names; says which file they are in."""
    path, checkpoint, network, spec = published_yolox(model.weights)
    wanted, given = yolox_model(checkpoint), model
    for name in ("backbone", "depth", "width", "depthwise"):
        if getattr(wanted, name) != getattr(given, name):
            raise InputError(
                f"config.model.weights: {model.weights} has {name} {getattr(wanted, name)}, while config.model.{name} is"
                f" {getattr(given, name)}. Expected the same network. Begin with configs/models/{model.weights}.yaml."
            )
    say(f"weights: {model.weights}, {path}, SHA-256 {checkpoint.digest}")
    return Origin(kind="model.weights", path=str(path), spec=spec, network=network, folded=checkpoint.folded)


def settle_origin(origin, train_set, data):
    """Gives a network whose batch norms were folded the statistics of training images; any other stays as it is.

    Args:
        origin: Origin.
        train_set: DetectionDataset.
        data: DataConfig.
    """
    if not origin.folded:
        return
    records = train_set.records[:: max(1, -(-len(train_set.records) // SETTLING_IMAGES))]
    some = dataclasses.replace(train_set, records=records)
    batches = make_eval_dataset(some, image_size=data.image_size, batch_size=1, letterbox=data.letterbox)
    unfold_batch_norm(origin.network, np.concatenate([images.numpy() for images, _, _ in batches]))
    say(f"batch norms were folded in {origin.path}: they have the statistics of {len(records)} training images now")


def first_layout(model, origin):
    """Returns the layout of a ModelConfig; that of the detector that it begins with, where there is one.

    A head that was trained on other anchors would answer in the wrong units, so only anchors that the config states
    come before those of `model.weights`.

    Raises:
        InputError: the detector has other levels than this network.
    """
    if origin.kind == "nothing" or _layout_giver(model, origin) != origin.kind:
        return network_layout(model)
    layout = origin.spec.layout
    if layout.strides != STRIDES:
        whole = origin.kind == "model.network"
        remedy = "Use another file." if whole else "Use other weights, or state config.model.anchors."
        raise InputError(f"{origin.path}: has levels of strides {layout.strides}. Expected {STRIDES}. {remedy}")
    return layout


def first_name(model, origin):
    """Returns the short name of the network: that of the detector in `model.network` where the config gives none."""
    return origin.spec.name if origin.kind == "model.network" and model.name == ModelConfig.name else model.name


def _layout_giver(model, origin):
    """Returns the option that gives the layout; None = it is the default one of `model.head`."""
    if origin.kind == "model.network":
        return origin.kind
    if model.anchors:
        return "model.anchors"
    return origin.kind if origin.spec and origin.spec.head == model.head else None


def choose_layout(config, origin, train_set):
    """Returns `config` with a layout fitted to the training boxes in its `model`, where nobody gave one and it helps.

    Anchors that the config states, or that come with a file, are kept, and so are anchors that match enough.
    Says what was found and done.
    """
    model, layout = config.model, first_layout(config.model, origin)
    keep = _layout_giver(model, origin) or (None if model.autoanchor else "model.autoanchor")
    head = load_head(layout.head)
    options = dict(image_size=config.data.image_size, loss=loss_options(head, config), seed=config.train.seed, keep=keep)
    fitted, text = head.fit_layout(layout, train_set, **options)
    if text:
        say(text)
    return dataclasses.replace(config, model=dataclasses.replace(model, **fitted))


def first_network(config, origin, spec):
    """Makes the network under the precision's policy: that of `model.network`, or built, with what fits of `model.weights`.

    Returns:
        (keras.Model, LoadedWeights or None).
    """
    if origin.kind == "model.network":
        return _network_of_file(config, origin), None
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(config.hardware.precision)
    keras.utils.set_random_seed(config.train.seed)  # what the file left unfilled is as random as without one
    try:
        network = build_network(config.model, num_classes=len(spec.class_names), anchors=spec.layout)
    finally:
        keras.config.set_dtype_policy(before)
    if origin.kind == "nothing":
        return network, None
    loaded = copy_fitting_weights(network, origin.network, path=origin.path)
    loaded = dataclasses.replace(loaded, sha256=sha256_on_disk(origin.path))
    say(str(loaded))
    if load_head(spec.head).scale_new(network, loaded.loaded, config.model.new_head_scale):
        say(f"new head: initial kernels times {config.model.new_head_scale:g} (model.new_head_scale)")
    theirs = origin.spec.class_names if origin.spec else ()
    if len(theirs) == len(spec.class_names) and theirs != spec.class_names:
        say(f"note: their head was trained on other classes, {list(theirs)}, and begins with those weights class by class")
    if origin.spec is None and any(part_of(network.get_layer(name)) == "head" for name in loaded.loaded):
        say(f"note: {origin.path} carries no class names: its head is taken to be of {list(spec.class_names)}, in that order")
    return network, loaded


def _network_of_file(config, origin):
    """Returns the network of `model.network`, whatever it is built like."""
    network = quantizable(origin.network) if config.compress.quantize_aware else origin.network
    if config.model.batch_norm_momentum:
        set_batch_norm_momentum(network, config.model.batch_norm_momentum)
    say(f"network: {origin.spec.name} as it is in {origin.path}, {network.count_params():,} weights")
    return network
