"""What a run starts with: data sets, anchors, the network with its first weights."""

import keras

from yolo_tf.anchors import COCO_ANCHORS
from yolo_tf.data.images import check_images
from yolo_tf.detector_file import carries_spec, read_spec
from yolo_tf.errors import InputError
from yolo_tf.models.head import scale_new_head
from yolo_tf.models.network import build_network, network_anchors
from yolo_tf.network_file import load_weights
from yolo_tf.sources import read_dataset, read_source


def read_splits(data):
    """Reads the training and validation split of a DataConfig, and decodes every image once.

    A broken image stops the run here, before its first epoch, not hours later.
    """
    if not data.dataset:
        raise InputError("config.data.dataset: is empty. Expected the path of a data set YAML. Add data.dataset=FILE.")
    source = read_source(data.dataset, path=data.path)
    sets = []
    for split in (data.train_split, data.val_split):
        options = dict(classes=data.classes, single_class=data.single_class, strict=data.strict_labels)
        dataset = read_dataset(source, split, **options)
        if dataset.problems:
            print(f"{split}: {len(dataset.problems)} bad labels left out, the first: {dataset.problems[0]}")
        check_images(dataset)
        sets.append(dataset)
    names = [dataset.class_names for dataset in sets]
    if names[0] != names[1]:
        raise InputError(
            f"{source.yaml_path}: {data.train_split} has the classes {list(names[0])}, {data.val_split} {list(names[1])}."
            " Expected the same. Add `names` to the data set YAML."
        )
    return sets


def start_anchors(model):
    """Returns the anchors of a ModelConfig; those of the detector in `model.weights` where the config states none.

    A head that was trained on other anchors would answer in the wrong units.

    Raises:
        InputError: the detector has other levels than this network.
    """
    if model.anchors or not (model.weights and carries_spec(model.weights)):
        return network_anchors(model)
    anchors = read_spec(model.weights).anchors
    if anchors.strides != COCO_ANCHORS.strides:
        raise InputError(
            f"{model.weights}: has levels of strides {anchors.strides}. Expected {COCO_ANCHORS.strides}. Use other weights,"
            " or state config.model.anchors."
        )
    return anchors


def start_network(config, spec):
    """Builds the network under the precision's policy; loads what fits of `model.weights`, if given.

    Returns:
        (keras.Model, LoadedWeights or None).
    """
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(config.train.precision)
    try:
        network = build_network(config.model, num_classes=len(spec.class_names), anchors=spec.anchors)
    finally:
        keras.config.set_dtype_policy(before)
    loaded = load_weights(network, config.model.weights) if config.model.weights else None
    if loaded:
        print(loaded)
        changed = scale_new_head(network, loaded.loaded, config.model.new_head_scale)
        if changed:
            print(f"new head: initial kernels times {config.model.new_head_scale:g} (model.new_head_scale)")
        theirs = read_spec(config.model.weights).class_names if carries_spec(config.model.weights) else ()
        if len(theirs) == len(spec.class_names) and theirs != spec.class_names:
            print(f"note: their head was trained on {list(theirs)}, in that order")
    return network, loaded
