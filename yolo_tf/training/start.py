"""What a run decides before it trains: the layout of its head, the network with its first weights, the batch size."""

import dataclasses
import functools

import keras
import tensorflow as tf

from yolo_tf.config import ModelConfig
from yolo_tf.errors import InputError
from yolo_tf.files import carries_spec, read_spec
from yolo_tf.files.keras import read_detector_network
from yolo_tf.files.weights import load_weights
from yolo_tf.heads import load_head
from yolo_tf.models.backbones import STRIDES
from yolo_tf.models.network import build_network, network_layout, set_batch_norm_momentum
from yolo_tf.surgery.fake_quantization import fake_quantized_view
from yolo_tf.system.processor import available_memory
from yolo_tf.training.compression import quantizable
from yolo_tf.training.estimate import fitting_batch_size, largest_batch, step_probe


def start_layout(model):
    """Returns the layout of a ModelConfig; that of the detector in `model.network` or `model.weights`, where there is one.

    A head that was trained on other anchors would answer in the wrong units, so only anchors that the config states
    come before those of `model.weights`.

    Raises:
        InputError: the detector has other levels than this network.
    """
    giver = _layout_giver(model)
    if giver not in ("model.network", "model.weights"):
        return network_layout(model)
    path = model.network or model.weights
    layout = read_spec(path).layout
    if layout.strides != STRIDES:
        remedy = "Use another file." if model.network else "Use other weights, or state config.model.anchors."
        raise InputError(f"{path}: has levels of strides {layout.strides}. Expected {STRIDES}. {remedy}")
    return layout


def start_name(model):
    """Returns the short name of the network: that of the detector in `model.network` where the config gives none."""
    return read_spec(model.network).name if model.network and model.name == ModelConfig.name else model.name


def _layout_giver(model):
    """Returns the option that gives the layout; None = it is the default one of `model.head`."""
    if model.network:
        return "model.network"
    if model.anchors:
        return "model.anchors"
    if model.weights and carries_spec(model.weights) and read_spec(model.weights).head == model.head:
        return "model.weights"
    return None


def state_layout(config, train_set):
    """Returns `config` with a layout fitted to the training boxes in its `model`, where nobody gave one and it helps.

    Anchors that the config states, or that come with a file, are kept, and so are anchors that match enough.
    Prints what was found and done.

    Args:
        config: Config.
        train_set: DetectionDataset.
    """
    model, layout = config.model, start_layout(config.model)
    keep = _layout_giver(model) or (None if model.autoanchor else "model.autoanchor")
    options = dict(image_size=config.data.image_size, loss=config.loss, seed=config.train.seed, keep=keep)
    fitted, text = load_head(layout.head).fit_layout(layout, train_set, **options)
    if text:
        print(text)
    return dataclasses.replace(config, model=dataclasses.replace(model, **fitted))


def start_network(config, spec):
    """Makes the network under the precision's policy: that of `model.network`, or built, with what fits of `model.weights`.

    Returns:
        (keras.Model, LoadedWeights or None).
    """
    if config.model.network:
        return _network_from_file(config, spec), None
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(config.hardware.precision)
    try:
        network = build_network(config.model, num_classes=len(spec.class_names), anchors=spec.layout)
    finally:
        keras.config.set_dtype_policy(before)
    loaded = load_weights(network, config.model.weights) if config.model.weights else None
    if loaded:
        print(loaded)
        changed = load_head(spec.head).scale_new(network, loaded.loaded, config.model.new_head_scale)
        if changed:
            print(f"new head: initial kernels times {config.model.new_head_scale:g} (model.new_head_scale)")
        theirs = read_spec(config.model.weights).class_names if carries_spec(config.model.weights) else ()
        if len(theirs) == len(spec.class_names) and theirs != spec.class_names:
            print(f"note: their head was trained on {list(theirs)}, in that order")
    return network, loaded


def _network_from_file(config, spec):
    """Returns the network of `model.network`, whatever it is built like."""
    network, theirs = read_detector_network(
        config.model.network,
        option="config.model.network",
        class_names=spec.class_names,
        precision=config.hardware.precision,
    )
    if config.compress.quantize_aware:
        network = quantizable(network)
    if config.model.batch_norm_momentum:
        set_batch_norm_momentum(network, config.model.batch_norm_momentum)
    print(f"network: {theirs.name} as it is in {config.model.network}, {network.count_params():,} weights")
    return network


def state_batch_size(config, network, num_images, *, compiled, replicas=1):
    """Returns `config` with the largest power of two that fits as `train.batch_size`, where that is "auto"; prints it.

    At most the training images, and at most the nominal batch: more would change what an update is. On a GPU steps of
    growing batches are run; on a CPU, where an overdrawn memory ends the program, the estimate decides.

    Args:
        config: Config.
        network: the run's network.
        num_images: training images.
        compiled: the run compiles its step.
        replicas: GPUs that share a batch; one is probed.

    Raises:
        InputError: not even one image fits, or the system does not say how much memory there is.
    """
    if config.train.batch_size != "auto":
        return config
    size, most = config.data.image_size, min(config.train.nominal_batch_size, num_images)
    if tf.config.list_physical_devices("GPU"):
        layout, view = start_layout(config.model), None
        if config.compress.quantize_aware:
            view = functools.partial(fake_quantized_view, channel_parts=load_head(layout.head).channel_parts)
        options = dict(image_size=size, train=config.train, loss=config.loss, compiled=compiled, view=view)
        probe = step_probe(network, layout, **options)
        batch_size, how = replicas * largest_batch(probe, most=most // replicas), "by running steps"
    else:
        available = available_memory()
        if available is None:
            raise InputError("config.train.batch_size: auto needs a system that tells its free memory. Give a number instead.")
        batch_size = fitting_batch_size(network, image_size=size, train=config.train, most=most, available=available)
        how = f"by estimate for {available / 1e3:.1f} GB of free memory"
    if not batch_size:
        raise InputError(
            f"config.train.batch_size: not even one image of {size[1]} x {size[0]} px fits in memory ({how})."
            " Expected room for one. Lower data.image_size, or take a smaller model."
        )
    print(f"batch size: {batch_size} ({how}; at most {most}: train.nominal_batch_size or the training images)")
    return dataclasses.replace(config, train=dataclasses.replace(config.train, batch_size=batch_size))
