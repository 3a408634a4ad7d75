"""A view of a network for training that rounds as int8 does: the same variables, kernels and activations fake-quantised.

A saved network must open with Keras alone, so the view holds no variables of its own: the range of an activation is that
of the batch at hand, and the plain network is what gets saved.
"""

import contextlib

import keras
import tensorflow as tf

from yolo_tf.surgery.graph import kernel_behind, kernel_names, maker_of, readers_of

ROUNDED = (  # layers whose output is a tensor with a scale of its own in an int8 file; those not here pass theirs on
    keras.layers.Activation,
    keras.layers.Add,
    keras.layers.Average,
    keras.layers.BatchNormalization,
    keras.layers.Concatenate,
    keras.layers.GlobalAveragePooling2D,
    keras.layers.LayerNormalization,
    keras.layers.LeakyReLU,
    keras.layers.Multiply,
    keras.layers.Normalization,
    keras.layers.PReLU,
    keras.layers.ReLU,
    keras.layers.Rescaling,
    keras.layers.Subtract,
)
SIGMOID_LARGEST = 255 / 256  # int8 files hold a sigmoid in steps of 1 / 256 from 0


def fake_quantized_view(network, channel_parts):
    """Returns a functional model that shares every variable of `network` and computes as an int8 file of it would, nearly.

    Kernels are rounded to 255 steps per output channel, symmetrically; outputs to 256 steps per tensor, over the range
    of the batch. Rounding has the gradient 1. As in an int8 file, a ReLU has no rounding in front of it where it is part
    of the operation that it follows, SiLU is rounded twice (its sigmoid in fixed steps), and of raw predictions boxes and
    scores have ranges of their own; what is made of them stays in float. Batch norms that are left (those that
    cannot be folded) keep their statistics. Rounded are layers: operations of keras.ops in between pass on what they get.

    Args:
        network: functional keras.Model in float32, its batch norms folded, images -> L raw predictions
            [..., channels].
        channel_parts: dict name -> slice of these channels that has a range of its own; {} = each prediction has one.

    Returns:
        keras.Model with the same inputs, outputs and variables. Training it trains `network`.

    Source: Jacob et al., Quantization and Training of Neural Networks, arXiv:1712.05877, section 3.
    """
    makers = [kernel_behind(raw) for raw in network.outputs]
    view = _with_rounded_layers(network, in_float={made.name for made in makers if kernel_names(made)})
    parts, rounded = tuple(channel_parts.values()) or (slice(None),), keras.layers.Lambda(fake_quantize, dtype="float32")
    outputs = [keras.ops.concatenate([rounded(raw[..., part]) for part in parts], -1) for raw in view.outputs]
    return keras.Model(view.inputs, outputs, name=network.name)


def _with_rounded_layers(network, in_float):
    """Returns a model that shares the layers of `network`, all rounded but for what the layers named `in_float` give."""
    in_float = in_float | _names_before_relu(network)

    def clone(layer):
        if isinstance(layer, keras.Model):
            return _with_rounded_layers(layer, set())
        kernels = kernel_names(layer)
        linear = isinstance(layer, keras.layers.Activation) and layer.activation is keras.activations.linear
        if not kernels and (linear or not isinstance(layer, ROUNDED)):
            return layer
        return FakeQuantized(layer, kernels=kernels, round_output=layer.name not in in_float)

    return keras.models.clone_model(network, clone_function=clone)


def fake_quantize(x):
    """Rounds a tensor to 256 steps over its own range, which always holds 0; the gradient passes through."""
    low = tf.minimum(tf.stop_gradient(tf.reduce_min(x)), 0.0)
    high = tf.maximum(tf.stop_gradient(tf.reduce_max(x)), tf.maximum(low + 1e-6, 0.0))
    return tf.quantization.fake_quant_with_min_max_vars(x, low, high)


def fake_quantize_kernel(kernel, *, depthwise=False):
    """Rounds a kernel to 255 steps per output channel, symmetrically around 0; the gradient passes through.

    Args:
        kernel: float32 [..., outputs], or depthwise [height, width, channels, multiplier], whose outputs are
            channels * multiplier.
        depthwise: which of the two.
    """
    shape = tf.shape(kernel)
    flat = tf.reshape(kernel, [-1, shape[-2] * shape[-1]] if depthwise else [-1, shape[-1]])
    largest = tf.reduce_max(tf.abs(tf.stop_gradient(flat)), 0)
    largest = tf.maximum(largest * (1 + 1e-6), 1e-8)  # a hair more, or the largest weight might lie outside and not learn
    rounded = tf.quantization.fake_quant_with_min_max_vars_per_channel(flat, -largest, largest, narrow_range=True)
    return tf.reshape(rounded, shape)


class FakeQuantized(keras.layers.Layer):
    """Computes what `plain` computes, on its variables, rounded.

    Args:
        plain: built keras layer.
        kernels: names of its kernels.
        round_output: round what it gives, too.
    """

    def __init__(self, plain, *, kernels=(), round_output=True):
        super().__init__(name=f"rounded_{plain.name}", dtype="float32")
        self.plain = plain
        self.kernels = tuple(kernels)
        self.round_output = round_output
        self.built = True

    def call(self, inputs, training=False, mask=None):
        """Runs the layer with rounded kernels and rounds its output; `mask` is part of the call that is taken over."""
        if getattr(self.plain, "activation", None) is keras.activations.silu and not self.kernels:
            sigmoid = tf.quantization.fake_quant_with_min_max_args(tf.sigmoid(inputs), min=0.0, max=SIGMOID_LARGEST)
            return fake_quantize(inputs * sigmoid)
        values = []
        for name in self.kernels:
            depthwise = name == "depthwise_kernel" or isinstance(self.plain, keras.layers.DepthwiseConv2D)
            variable = getattr(self.plain, name)
            values.append((variable, fake_quantize_kernel(tf.convert_to_tensor(variable.value), depthwise=depthwise)))
        # Statistics stay as they are: an int8 file has constants in their place.
        options = {"training": False} if isinstance(self.plain, keras.layers.BatchNormalization) else {}
        with keras.StatelessScope(state_mapping=values) if values else contextlib.nullcontext():
            outputs = self.plain(inputs, **options)
        return fake_quantize(outputs) if self.round_output else outputs

    def compute_output_shape(self, input_shape):
        """Returns that of the plain layer."""
        return self.plain.compute_output_shape(input_shape)


def _is_relu(operation):
    if isinstance(operation, keras.layers.ReLU):
        return not operation.negative_slope and not operation.threshold
    relu = getattr(operation, "activation", None) in (keras.activations.relu, keras.activations.relu6)
    return relu and not kernel_names(operation)


def _names_before_relu(network):
    """Returns the names of the layers that a ReLU alone reads."""
    outputs = {maker_of(tensor).name for tensor in network.outputs}
    return {name for name, found in readers_of(network).items() if len(found) == 1 and _is_relu(found[0])} - outputs
