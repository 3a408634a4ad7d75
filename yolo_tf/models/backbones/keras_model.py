"""Any Keras model as a backbone: where its features are, and its graph under our pixel scaling."""

from __future__ import annotations

from pathlib import Path

import keras

from yolo_tf.errors import InputError, did_you_mean
from yolo_tf.files.keras import read_network
from yolo_tf.models.backbones.spec import IMAGENET_PIXELS, STRIDES, TF_PIXELS, UNIT_PIXELS
from yolo_tf.surgery.graph import maker_of, operations_behind

KERAS_MODEL = "keras_model"  # the value of config.model.backbone that stands for a model of the user's own
# config.model.pixels -> (scale, offset) of pixels 0..255 in front of the model; own = it scales them itself
PIXELS = {"own": (1.0, 0.0), "unit": UNIT_PIXELS, "tf": TF_PIXELS, "imagenet": IMAGENET_PIXELS}
PROBE_SIZE = 256  # px; strides show in the shapes at this size
_MERGES = (keras.layers.Add, keras.layers.Average, keras.layers.Concatenate, keras.layers.Maximum)
_AFTER_MERGE = (  # what still belongs to the block whose merge it follows
    keras.layers.Activation,
    keras.layers.BatchNormalization,
    keras.layers.GroupNormalization,
    keras.layers.LayerNormalization,
    keras.layers.LeakyReLU,
    keras.layers.PReLU,
    keras.layers.ReLU,
)
_OTHER_PARTS = ("adapter", "neck", "head")


def keras_model_backbone(model, *, taps=(), pixels="own"):
    """Makes a backbone of any Keras model.

    Args:
        model: functional keras.Model for RGB images of any size, with its weights; stays as it is.
        taps: names of the layers whose outputs are the features of strides 8, 16, 32; empty = `find_taps`.
        pixels: a key of PIXELS: the values that the model was made for.

    Returns:
        keras.Model, float [B, H, W, 3] of 0..255 -> list of three features, fine to coarse.

    Raises:
        InputError: the model or a tap cannot be used.
    """
    check_model(model)
    taps = tuple(taps) or find_taps(model)
    check_taps(model, taps)
    images = keras.Input((None, None, 3), name="images")
    scale, offset = PIXELS[pixels]
    scaled = keras.layers.Rescaling(scale, offset, dtype="float32", name="pixel_scaling")(images)
    return keras.Model(images, list(build_keras_model(scaled, model=model, taps=taps)), name=model.name)


def read_keras_model(path):
    """Reads the `.keras` file of a model that is to be a backbone.

    Raises:
        InputError: no such file, or Keras cannot open it.
    """
    if not Path(path).is_file():
        raise InputError(
            f"config.model.backbone_file: no file '{path}'. Expected the .keras file of a functional model. Write one with"
            " model.save."
        )
    return read_network(path, option="config.model.backbone_file", also=(".h5", ".hdf5"))


def find_taps(model, layers=None):
    """Finds the features of strides 8, 16 and 32 in a Keras model.

    The feature of a stride is the output of the last block at that stride: the last sum or concatenation, with
    the normalisation and activation right behind it; in a plain chain, which has none, the last layer. Not simply the
    last layer: in EfficientNet or MobileNetV2 that is the widened inside of the next block.

    Args:
        model: functional keras.Model, [B, H, W, 3] -> anything.
        layers: the layers among which to look; None = all.

    Returns:
        tuple of three layer names, fine to coarse.

    Raises:
        InputError: a stride has no map of cells.

    Example: of keras.applications.ResNet50: conv3_block4_out, conv4_block6_out, conv5_block3_out.
    """
    strides = layer_strides(model)
    pyramid = getattr(model, "pyramid_outputs", None)  # KerasHub backbones say it themselves
    if pyramid:
        # by stride, not by key: P3 of its CSPNet has stride 4 where the stem has 1, as that of CSPDarknet53
        ends = [maker_of(tensor).name for tensor in pyramid.values()]
        taps = {strides.get(name): name for name in ends}
        missing = [stride for stride in STRIDES if stride not in taps]
        if missing:
            raise InputError(f"{model.name}: its pyramid_outputs lack stride {missing[0]}. Expected 8, 16 and 32. Name the taps.")
        return tuple(taps[stride] for stride in STRIDES)
    names = []
    for stride in STRIDES:
        here = [layer for layer in (layers or model.layers) if strides.get(layer.name) == stride]
        if not here:
            found = sorted(set(strides.values()))
            raise InputError(
                f"{model.name}: has no feature of stride {stride}; its maps have strides {found}. Expected 8, 16 and 32."
                " Use a model that keeps maps of these strides, or name the taps."
            )
        merges = [layer for layer in here if isinstance(layer, _MERGES)]
        names.append(_end_of_block(merges[-1], strides).name if merges else here[-1].name)
    return tuple(names)


def layer_strides(model):
    """Returns {layer name: input px per cell} of the layers that give a map of whole strides."""
    layers = [layer for layer in model.layers if not isinstance(layer, keras.layers.InputLayer)]
    outputs = {layer.name: layer.output for layer in layers if isinstance(layer.output, keras.KerasTensor)}
    shapes = keras.Model(model.inputs, list(outputs.values())).compute_output_shape([(1, PROBE_SIZE, PROBE_SIZE, 3)])
    return {
        name: PROBE_SIZE // shape[1]
        for name, shape in zip(outputs, shapes, strict=True)
        if len(shape) == 4 and shape[1] and shape[1] == shape[2] and shape[1] > 1 and PROBE_SIZE % shape[1] == 0
    }


def check_taps(model, taps):
    """Raises InputError unless `taps` are three layers of `model` at strides 8, 16 and 32."""
    if len(taps) != len(STRIDES):
        raise InputError(f"config.model.taps: got {len(taps)} layers {list(taps)}. Expected three, of strides 8, 16 and 32.")
    strides, names = layer_strides(model), [layer.name for layer in model.layers]
    for tap, stride in zip(taps, STRIDES, strict=True):
        if tap not in names:
            raise InputError(
                f"config.model.taps: {model.name} has no layer '{tap}'.{did_you_mean(tap, names)} Expected one of stride"
                f" {stride}."
            )
        if strides.get(tap) != stride:
            shape = tuple(model.get_layer(tap).output.shape)
            raise InputError(
                f"config.model.taps: '{tap}' has stride {strides.get(tap, 'none')} (shape {shape}). Expected {stride}. Name"
                " the layers fine to coarse."
            )


def check_model(model):
    """Raises InputError unless `model` can be a backbone: functional, flat, for images of any size, names of its own."""
    if not isinstance(model, keras.Model) or not getattr(model, "_functional", None) and not hasattr(model, "operations"):
        raise InputError(f"{getattr(model, 'name', model)}: is no functional Keras model. Expected keras.Model(inputs, outputs).")
    shape = tuple(model.inputs[0].shape)
    if len(model.inputs) != 1 or len(shape) != 4 or shape[3] != 3:
        raise InputError(f"{model.name}: takes {shape}. Expected one input of RGB images, (None, None, None, 3).")
    if shape[1:3] != (None, None):
        raise InputError(
            f"{model.name}: takes images of {shape[1]} x {shape[2]} px only. Expected any size. Build it with"
            " input_shape=(None, None, 3); its weights stay valid."
        )
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            raise InputError(f"{model.name}: holds the model '{layer.name}' as a layer. Expected one flat graph. Build it flat.")
        if layer.name.partition("_")[0] in _OTHER_PARTS:
            raise InputError(
                f"{model.name}: its layer '{layer.name}' is named like a part of the detector. Expected no name that begins with"
                " adapter, neck or head. Rename it."
            )


def build_keras_model(pixels, *, model, taps):
    """Rebuilds a Keras model on top of `pixels`, with its weights, up to its taps.

    Args:
        pixels: [B, H, W, 3]; depends on one `keras.Input` only.
        model: functional keras.Model; stays as it is.
        taps: names of three layers, fine to coarse.

    Returns:
        tuple of three features.

    Raises:
        InputError: a layer that cannot be made again from its config.
    """
    [images] = keras.utils.get_source_inputs(pixels)

    def rebuild(operation, *arguments, **keywords):
        arguments = keras.tree.map_structure(lambda tensor: pixels if tensor is images else tensor, arguments)
        if not isinstance(operation, keras.Layer):
            return operation(*arguments, **keywords)
        try:
            copy = operation.__class__.from_config(operation.get_config())
        except Exception as error:  # a layer of the user's own may fail in any way
            raise InputError(
                f"{model.name}: layer '{operation.name}' cannot be made again ({type(error).__name__}: {error}). Expected"
                " layers with get_config and from_config."
            ) from error
        if copy.name != operation.name:  # some blocks of KerasHub: the weights would not find their layer
            raise InputError(
                f"{model.name}: layer '{operation.name}' ({type(operation).__name__}) comes back from its config as"
                f" '{copy.name}'. Expected layers whose get_config tells their name, as those of Keras do."
            )
        return copy(*arguments, **keywords)

    rebuilt = keras.models.clone_model(
        model, input_tensors=images, clone_function=lambda operation: operation, call_function=rebuild
    )
    for layer in rebuilt.layers:
        if layer.weights:
            layer.set_weights(model.get_layer(layer.name).get_weights())
    return tuple(rebuilt.get_layer(tap).output for tap in taps)


def _end_of_block(layer, strides):
    """Follows a merge through the normalisation and activation that nothing else shares its output with."""
    while True:
        behind = operations_behind(layer)
        if len(behind) != 1 or not isinstance(behind[0], _AFTER_MERGE) or strides.get(behind[0].name) != strides[layer.name]:
            return layer
        layer = behind[0]
