"""Feature taps of keras.applications, as one flat graph without their own pixel scaling and top.

The graphs of keras.applications are rebuilt layer by layer, under their own layer names:

- their pixel scaling is passed over, since ours (`pixel_scaling`) stands before them. EfficientNet's is
  a trap: with random weights it does not normalise at all, and the variance in its ImageNet file is a
  standard deviation that a second layer, absent from a randomly initialised graph, makes up for.
- a `Conv2D` with one group per channel becomes a `DepthwiseConv2D` (ConvNeXt): the same sums, while
  Keras compiles every grouped convolution on its own, which is several times slower on a CPU.
- nested `Sequential` models are unfolded, and arithmetic without a layer of its own gets one with a name:
  the residual sums of ConvNeXt (`..._block_0_add`), the constants in the hard sigmoid of MobileNetV3, the
  scaled residual sums of Inception-ResNet.
- with an `activation`, that stands in place of every SiLU, ReLU and their relatives, of layers and inside convolutions.
  Gates (sigmoid, and the hard one of MobileNetV3) stay, and so does every weight, since an activation has none.
- a layer that Keras numbered through the whole process (`conv2d_97`) gets the number it would have in a new
  process, so that its weights are found by name in every file.
"""

import itertools
import re
import warnings

import keras

from yolo_tf.errors import InputError
from yolo_tf.files.weights import describe_fit, stored_tensors
from yolo_tf.surgery.graph import maker_of

# Every multiple of 32 gives the same graph, while NASNet leaves out layers when it is built for an open size.
# Names in keras.activations of what `activation` may stand for: alike near 0 and above, so that weights keep their sense.
REPLACEABLE = ("silu", "swish", "relu", "relu6", "hard_silu", "hard_swish")
BUILD_SIZE = 224  # the multiple of 32 that Keras' ImageNet weights of NASNet are bound to


def build_application(pixels, *, constructor, taps, weights, same_padding=False, bgr=False, activation=None, drop_path=0.0):
    """Builds a keras.applications network up to its taps.

    Args:
        pixels: [B, H, W, 3], scaled as this network wants it; depends on one `keras.Input` only.
        constructor: name in `keras.applications` ("EfficientNetB0"), or a function with the same options.
        taps: names of the layers whose outputs are the features, fine to coarse.
        weights: "none", "imagenet", or the path of a .weights.h5 or .h5 file of the whole network
            without its top, as keras.applications publishes it.
        same_padding: whether windows that are published without padding get it, so that 640 px become
            80, 40 and 20 cells (Inception: 77, 38, 18). Weights stay what they are.
        bgr: whether the published weights are for images in BGR order. `pixels` are in RGB order all the same.
        activation: name in keras.activations for every REPLACEABLE one; None = as published.
        drop_path: ConvNeXt: rate of the last block in stochastic depth, 0 <= rate < 1; see `_drop_rates`.

    Returns:
        tuple of tensors [B, Y, X, channels], one per tap.

    Raises:
        InputError: the weights cannot be downloaded or read, or belong to another network.
    """
    network = _read_network(constructor, weights)
    drop_rates = _drop_rates(network, drop_path) if drop_path else {}
    names = _names_in_a_new_process(network)
    [images] = keras.utils.get_source_inputs(pixels)

    def rebuild(operation, *arguments, **keywords):
        arguments = [pixels if argument is images else argument for argument in arguments]
        if isinstance(operation, (keras.layers.Rescaling, keras.layers.Normalization)):
            return pixels
        if isinstance(operation, keras.Sequential):
            [x] = arguments
            for layer in operation.layers:
                x = _rebuilt_layer(layer, layer.name, same_padding, activation)(x)
            return x
        if type(operation).__name__ == "CustomScaleLayer":  # of Inception-ResNet, no public layer
            first, branch = arguments[0]
            name = maker_of(branch).name
            scaled = keras.layers.Rescaling(operation.scale, name=f"{name}_scale")(branch)
            return keras.layers.Add(name=f"{name}_add")([first, scaled])
        if not isinstance(operation, keras.Layer):
            return _named_arithmetic(operation, *arguments)
        if operation.name in drop_rates:
            name = f"{operation.name.removesuffix('_identity')}_drop_path"
            return keras.layers.Dropout(drop_rates[operation.name], noise_shape=(None, 1, 1, 1), name=name)(*arguments)
        # in the hard sigmoid of MobileNetV3 the sum `x + 3`, no layer, stands before the ReLU
        is_gate = isinstance(operation, keras.layers.ReLU) and not isinstance(maker_of(operation.input), keras.Layer)
        new_activation = None if is_gate else activation
        return _rebuilt_layer(operation, names[operation.name], same_padding, new_activation)(*arguments, **keywords)

    rebuilt = keras.models.clone_model(
        network, input_tensors=images, clone_function=lambda operation: operation, call_function=rebuild
    )
    unfolded = (layer.layers if isinstance(layer, keras.Sequential) else [layer] for layer in network.layers)
    originals = {names.get(layer.name, layer.name): layer for layer in itertools.chain.from_iterable(unfolded)}
    with_weights = [layer for layer in rebuilt.layers if layer.weights]
    for layer in with_weights:
        values = originals[layer.name].get_weights()
        if _is_depthwise(originals[layer.name]):
            values[0] = values[0].transpose(0, 1, 3, 2)  # [k, k, 1, C] of grouped Conv2D -> [k, k, C, 1]
        if bgr and layer is with_weights[0]:
            # The first kernel is turned round once, instead of every image: its channels are summed in any order.
            values[0] = values[0][:, :, ::-1]
        layer.set_weights(values)
    return tuple(rebuilt.get_layer(tap).output for tap in taps)


def _read_network(constructor, weights):
    """Returns the keras.applications network without its top, with its weights loaded."""
    build = constructor if callable(constructor) else getattr(keras.applications, constructor)
    options = dict(include_top=False, input_shape=(BUILD_SIZE, BUILD_SIZE, 3))
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
                f"{weights}: {_misfit(weights, network)} ({_first_line(error)}). Expected a file that"
                f" keras.applications.{constructor}(include_top=False) loads. Check config.model.backbone and backbone_weights."
            ) from error
    return network


def _drop_rates(network, highest):
    """Returns {name of the layer that ends a block's branch: rate at which the branch of an image is dropped}.

    The rate rises from 0 at the first block to `highest` at the last, linearly. What is kept is divided by 1 - rate.

    Source: stochastic depth, arXiv:1603.09382, section 3; linear over the blocks as in ConvNeXt, arXiv:2201.03545, appendix A.
    """
    branches = [layer.name for layer in network.layers if layer.name.endswith("_identity")]
    if not branches:
        raise ValueError(f"drop_path {highest} for {network.name}, which has no blocks of ConvNeXt")
    last = max(len(branches) - 1, 1)
    return {name: highest * index / last for index, name in enumerate(branches) if index}


def _misfit(weights, network):
    """Says what is wrong with a file of weights that Keras did not load into `network`."""
    try:
        stored = stored_tensors(weights)
    except OSError:
        return "cannot be read as weights of a Keras network"
    return f"holds the weights of another network: {describe_fit(stored, network, _names_in_a_new_process(network))}"


def _names_in_a_new_process(network):
    """Returns {name of a layer or operation: its name, automatic numbers counted from this network's first}."""
    automatic = {}
    for operation in network.operations:
        kind, number = re.fullmatch(r"(.*?)(?:_(\d+))?", operation.name).groups()
        if kind.replace("_", "") == type(operation).__name__.lower():  # "zero_padding2d_3" of a ZeroPadding2D
            automatic.setdefault(kind, {})[operation.name] = int(number or 0)
    names = {operation.name: operation.name for operation in network.operations}
    for kind, numbers in automatic.items():
        first = min(numbers.values())
        names.update({name: f"{kind}_{number - first}" if number > first else kind for name, number in numbers.items()})
    return names


def _is_depthwise(layer):
    return isinstance(layer, keras.layers.Conv2D) and layer.groups > 1 and layer.groups == layer.filters


def _rebuilt_layer(layer, name, same_padding, activation=None):
    """Returns a new layer of this name that computes the same but for its activation, without its weights."""
    if activation and isinstance(layer, keras.layers.ReLU):
        return keras.layers.Activation(activation, dtype=layer.dtype_policy, name=name)
    if not _is_depthwise(layer):
        config = layer.get_config() | {"name": name}
        if activation and config.get("activation") in REPLACEABLE:
            config["activation"] = activation
        if same_padding and config.get("padding") == "valid":
            # At stride 2 and an even size the padding is at the bottom and right: windows start where they did.
            config["padding"] = "same"
        return layer.__class__.from_config(config)
    return keras.layers.DepthwiseConv2D(
        layer.kernel_size,
        layer.strides,
        padding=layer.padding,
        use_bias=layer.use_bias,
        dtype=layer.dtype_policy,
        name=name,
    )


def _named_arithmetic(operation, first, second):
    """Computes `first + second` or `first * second` by a layer whose name says where it stands."""
    if isinstance(second, keras.KerasTensor):  # `inputs + branch` of a ConvNeXt block
        block = maker_of(second).name.removesuffix("_identity").removesuffix("_drop_path")
        return keras.layers.Add(name=f"{block}_add")([first, second])
    kind = type(operation).__name__  # `relu6(x + 3) * (1 / 6)`, the hard sigmoid of MobileNetV3
    scale, offset = {"Add": (1.0, second), "Multiply": (second, 0.0)}[kind]
    return keras.layers.Rescaling(scale, offset, name=f"{maker_of(first).name}_{kind.lower()}")(first)


def _first_line(error):
    return str(error).strip().splitlines()[0].rstrip(".:")[:200]
