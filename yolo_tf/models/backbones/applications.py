"""Feature taps of keras.applications, as one flat graph without their own pixel scaling and top.

The graphs of keras.applications are rebuilt layer by layer, under their own layer names:

- their pixel scaling is passed over, since ours (`pixel_scaling`) stands before them. EfficientNet's is
  a trap: with random weights it does not normalise at all, and the variance in its ImageNet file is a
  standard deviation that a second layer, absent from a randomly initialised graph, makes up for.
- a `Conv2D` with one group per channel becomes a `DepthwiseConv2D` (ConvNeXt): the same sums, while
  Keras compiles every grouped convolution on its own, which is several times slower on a CPU.
- nested `Sequential` models are unfolded, and ConvNeXt's anonymous residual sums get names
  (`..._block_0_add`), so that every tensor can be found by name.
"""

import functools
import re
import warnings

import keras

from yolo_tf.errors import InputError
from yolo_tf.models.backbones.spec import IMAGENET_PIXELS, BackboneSpec, taps_at


def build_application(pixels, *, constructor, taps, weights):
    """Builds a keras.applications network up to its taps.

    Args:
        pixels: [B, H, W, 3], scaled as this network wants it; depends on one `keras.Input` only.
        constructor: name in `keras.applications` ("EfficientNetB0").
        taps: names of the layers whose outputs are the features, fine to coarse.
        weights: "none", "imagenet", or the path of a .weights.h5 or .h5 file of the whole network
            without its top, as keras.applications publishes it.

    Returns:
        tuple of tensors [B, Y, X, channels], one per tap.

    Raises:
        InputError: the weights cannot be downloaded or read, or belong to another network.
    """
    network = _read_network(constructor, weights)
    [images] = keras.utils.get_source_inputs(pixels)

    def rebuild(operation, *arguments, **keywords):
        if isinstance(operation, (keras.layers.Rescaling, keras.layers.Normalization)):
            return pixels
        if isinstance(operation, keras.Sequential):
            x = arguments[0]
            for layer in operation.layers:
                x = _rebuilt_layer(layer)(x)
            return x
        if not isinstance(operation, keras.Layer):  # `inputs + branch` of a ConvNeXt block
            branch = arguments[1]._keras_history.operation.name
            return keras.layers.Add(name=f"{branch.removesuffix('_identity')}_add")(list(arguments))
        return _rebuilt_layer(operation)(*arguments, **keywords)

    rebuilt = keras.models.clone_model(
        network, input_tensors=images, clone_function=lambda operation: operation, call_function=rebuild
    )
    originals = {layer.name: layer for layer in _unfolded_layers(network)}
    for layer in rebuilt.layers:
        if layer.weights:
            layer.set_weights(_rebuilt_weights(originals[layer.name], layer))
    return tuple(rebuilt.get_layer(tap).output for tap in taps)


def _read_network(constructor, weights):
    """Returns the keras.applications network without its top, with its weights loaded."""
    build = getattr(keras.applications, constructor)
    options = dict(include_top=False, input_shape=(None, None, 3))
    if weights == "imagenet":
        try:
            return build(weights="imagenet", **options)
        except Exception as error:  # keras.utils.get_file raises no narrower class
            url = re.search(r"https?://\S+", str(error))
            if url is None:
                raise
            name = url[0].rstrip(":").rsplit("/", 1)[-1]
            raise InputError(
                f"config.model.backbone_weights: '{name}' of keras.applications cannot be downloaded"
                f" ({_first_line(error)}). Expected it in ~/.keras/models. Put the file there, give its path"
                " as backbone_weights, or use none."
            ) from error
    network = build(weights=None, **options)
    if weights != "none":
        try:
            with warnings.catch_warnings():  # of another network's file, Keras warns before it raises
                warnings.simplefilter("ignore", UserWarning)
                network.load_weights(weights)
        except (ValueError, OSError, KeyError, AttributeError) as error:
            raise InputError(
                f"{weights}: does not hold the weights of {constructor} without its top ({_first_line(error)})."
                f" Expected a file that keras.applications.{constructor}(include_top=False) loads. Check"
                " config.model.backbone_weights."
            ) from error
    return network


def _unfolded_layers(network):
    for layer in network.layers:
        if isinstance(layer, keras.Sequential):
            yield from layer.layers
        else:
            yield layer


def _is_depthwise(layer):
    return isinstance(layer, keras.layers.Conv2D) and layer.groups > 1 and layer.groups == layer.filters


def _rebuilt_layer(layer):
    """Returns a new layer of the same name that computes the same, without its weights."""
    if not _is_depthwise(layer):
        return layer.__class__.from_config(layer.get_config())
    return keras.layers.DepthwiseConv2D(
        layer.kernel_size,
        layer.strides,
        padding=layer.padding,
        use_bias=layer.use_bias,
        dtype=layer.dtype_policy,
        name=layer.name,
    )


def _rebuilt_weights(original, layer):
    values = original.get_weights()
    if _is_depthwise(original):
        values[0] = values[0].transpose(0, 1, 3, 2)  # [k, k, 1, C] of grouped Conv2D -> [k, k, C, 1]
    return values


def _first_line(error):
    return str(error).strip().splitlines()[0].rstrip(".")[:200]


def _application(constructor, layers, channels, trainable_params, gflops):
    return BackboneSpec(
        build=functools.partial(build_application, constructor=constructor, taps=layers),
        taps=taps_at(layers, channels),
        pixel_scaling=IMAGENET_PIXELS,
        trainable_params=trainable_params,
        gflops=gflops,
        licence="Apache-2.0 (Keras)",
        weights="ImageNet, keras.applications",
    )


def _efficientnet(variant, last_blocks, channels, trainable_params, gflops):
    """A feature is the output of the last block of its stride, not the six times wider tensor behind it."""
    layers = tuple(f"block{block}" for block in last_blocks)
    return _application(f"EfficientNet{variant}", layers, channels, trainable_params, gflops)


def _convnext(variant, last_blocks, channels, trainable_params, gflops):
    """A feature is the residual sum that ends its stage; `..._identity` would be the branch alone."""
    layers = tuple(
        f"convnext_{variant.lower()}_stage_{stage}_block_{block}_add" for stage, block in enumerate(last_blocks, start=1)
    )
    return _application(f"ConvNeXt{variant}", layers, channels, trainable_params, gflops)


ROWS = {
    # B0's stage 7 is one block without a residual, hence no add.
    "efficientnetb0": _efficientnet("B0", ("3b_add", "5c_add", "7a_project_bn"), (40, 112, 320), 3_595_388, 5.941),
    "efficientnetb1": _efficientnet("B1", ("3c_add", "5d_add", "7b_add"), (40, 112, 320), 6_101_024, 8.936),
    "efficientnetb2": _efficientnet("B2", ("3c_add", "5d_add", "7b_add"), (48, 120, 352), 7_202_562, 10.320),
    "efficientnetb3": _efficientnet("B3", ("3c_add", "5e_add", "7b_add"), (48, 136, 384), 10_103_336, 15.194),
    "efficientnetb4": _efficientnet("B4", ("3d_add", "5f_add", "7b_add"), (56, 160, 448), 16_742_216, 23.834),
    "efficientnetb5": _efficientnet("B5", ("3e_add", "5g_add", "7c_add"), (64, 176, 512), 27_288_112, 37.527),
    "efficientnetb6": _efficientnet("B6", ("3f_add", "5h_add", "7c_add"), (72, 200, 576), 39_403_992, 53.653),
    "efficientnetb7": _efficientnet("B7", ("3g_add", "5j_add", "7d_add"), (80, 224, 640), 62_143_440, 82.883),
    "convnext_tiny": _convnext("Tiny", (2, 8, 2), (192, 384, 768), 27_818_592, 72.731),
    "convnext_small": _convnext("Small", (2, 26, 2), (192, 384, 768), 49_453_152, 141.762),
    "convnext_base": _convnext("Base", (2, 26, 2), (256, 512, 1024), 87_564_416, 250.673),
    "convnext_large": _convnext("Large", (2, 26, 2), (384, 768, 1536), 196_227_264, 560.978),
    "convnext_xlarge": _convnext("XLarge", (2, 26, 2), (512, 1024, 2048), 348_143_872, 994.596),
}
