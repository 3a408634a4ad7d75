"""Convolution and batch norm with the padding and constants of PyTorch, for backbones that were defined there."""

import keras

from yolo_tf.layers.blocks import depthwise_conv, fan_uniform


def conv_batch_norm(x, filters, kernel=1, stride=1, *, groups=1, activation=None, name):
    """Applies convolution without bias, batch norm and, where one is named, an activation.

    Both sides are padded alike. Keras' "same" would pad the bottom and right only at stride 2, so weights that
    were trained in PyTorch would not fit, and the 1 x 1 and 3 x 3 branches of RepVGG would not be centred on one pixel.

    Args:
        x: [B, Y, X, c].
        filters: output channels.
        kernel: side of the kernel, odd.
        stride: 1 or more.
        groups: of channels that do not mix.
        activation: name in `keras.activations`, or None.
        name: prefix of the layer names `<name>_pad` or `<name>_subsample`, `<name>_conv`, `<name>_batch_norm`,
            `<name>_<activation>`.

    Returns:
        [B, Y / stride, X / stride, filters].
    """
    x, stride = _prepared(x, kernel, stride, name=name)
    x = keras.layers.Conv2D(
        filters,
        kernel,
        stride,
        padding="same" if stride == 1 else "valid",
        groups=groups,
        use_bias=False,
        kernel_initializer=fan_uniform(),
        name=f"{name}_conv",
    )(x)
    return _normalized(x, activation, name=name)


def depthwise_batch_norm(x, kernel, stride=1, *, activation=None, name):
    """Applies a convolution of each channel on its own, batch norm and, where one is named, an activation.

    Args:
        x: [B, Y, X, c].
        kernel, stride, activation, name: as in `conv_batch_norm`, with `<name>_depthwise` for `<name>_conv`.

    Returns:
        [B, Y / stride, X / stride, c].
    """
    x, stride = _prepared(x, kernel, stride, name=name)
    x = depthwise_conv(kernel, stride, name=f"{name}_depthwise")(x)
    return _normalized(x, activation, name=name)


def batch_norm(*, name):
    """Returns a batch norm layer with PyTorch's constants."""
    return keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=name)  # PyTorch counts momentum as 0.1


def _prepared(x, kernel, stride, *, name):
    """Returns (tensor, stride) that a convolution without padding of its own wants; at stride 1 "same" is symmetric."""
    if stride == 1:
        return x, 1
    if kernel > 1:
        return keras.layers.ZeroPadding2D(kernel // 2, name=f"{name}_pad")(x), stride
    # Taking the pixels first gives the same numbers. TensorFlow 2.21 with oneDNN writes beyond its memory in the
    # gradient of a strided 1 x 1 kernel of few input channels, as the first block of RepVGG has: a crash on a CPU.
    return keras.layers.MaxPooling2D(1, stride, name=f"{name}_subsample")(x), 1


def _normalized(x, activation, *, name):
    x = batch_norm(name=f"{name}_batch_norm")(x)
    return x if activation is None else keras.layers.Activation(activation, name=f"{name}_{activation}")(x)
