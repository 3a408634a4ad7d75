"""Writes ONNX files byte by byte, as a protocol buffer is written, and YOLOX networks into them as its authors' export does."""

import numpy as np


def varint(value):
    groups = []
    while value >= 128:
        groups.append(value & 127 | 128)
        value >>= 7
    return bytes([*groups, value])


def field(number, value):
    """Returns one field: of a whole number, of text, or of the bytes of a message inside."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    content = value.encode() if isinstance(value, str) else bytes(value)
    return varint(number << 3 | 2) + varint(len(content)) + content


def tensor(name, array, *, external=False):
    array = np.asarray(array)
    kind = {"float32": 1, "int64": 7}[array.dtype.name]
    sides = b"".join(field(1, side) for side in array.shape)
    where = field(13, field(1, "location") + field(2, "weights.bin")) if external else field(9, array.tobytes())
    return field(5, sides + field(2, kind) + field(8, name) + where)


def node(kind, inputs, output, **numbers):
    """Returns a node; attributes are whole numbers or lists of such."""
    content = b"".join(field(1, name) for name in inputs) + field(2, output) + field(3, f"{kind}_{output}") + field(4, kind)
    for name, value in numbers.items():
        values = field(3, value) if isinstance(value, int) else b"".join(field(8, one) for one in value)
        content += field(5, field(1, name) + values)
    return field(1, content)


def image_input(sides):
    dims = b"".join(field(1, field(1, side) if isinstance(side, int) else field(2, side)) for side in sides)
    return field(11, field(1, "images") + field(2, field(1, field(1, 1) + field(2, dims))))


def write_onnx(path, *parts):
    """Writes a model of nodes, tensors and inputs."""
    path.write_bytes(field(1, 6) + field(2, "pytorch") + field(7, b"".join(parts)) + field(8, field(2, 11)))
    return path


def yolox_parts(network, order, *, sides=(1, 3, 64, 96)):
    """Returns the parts of a graph that computes what a YOLOX network does, batch norms folded.

    Args:
        network: keras.Model of this package.
        order: names of its convolutions, without "_conv", as they are to stand in the file.
        sides: of the input.
    """
    from keras.layers import Concatenate

    from yolo_tf.surgery.graph import maker_of, node_of

    parts, emitted = [image_input(sides)], {id(network.inputs[0]): "images"}

    def emit(keras_tensor):
        if id(keras_tensor) in emitted:
            return emitted[id(keras_tensor)]
        inputs = [emit(source) for source in node_of(keras_tensor).input_tensors]
        layer, output = maker_of(keras_tensor), f"t{len(emitted)}"
        name = layer.name.removesuffix("_conv")
        if name in order:
            kernel, bias, group = _folded(network, layer, name)
            parts.extend([tensor(f"w{output}", kernel), tensor(f"b{output}", bias)])
            parts.append(node("Conv", [*inputs, f"w{output}", f"b{output}"], output, group=group, strides=[1, 1]))
        else:
            kind = "Concat" if isinstance(layer, Concatenate) else "Sigmoid"
            parts.append(node(kind, inputs, output))
        emitted[id(keras_tensor)] = output
        return output

    layers = {layer.name.removesuffix("_conv"): layer for layer in network.layers}
    for name in order:
        emit(layers[name].output)
    return parts


def _folded(network, layer, name):
    """Returns (kernel [out, in, height, width], bias, groups) of a convolution with the batch norm behind it inside."""
    kernel, *bias = layer.get_weights()
    depthwise = name.endswith("depthwise")
    kernel = kernel.transpose((2, 3, 0, 1) if depthwise else (3, 2, 0, 1))
    if name == "backbone_stem":
        kernel = focus_kernel(kernel)
    if bias:
        return kernel, bias[0], 1
    gamma, beta, mean, variance = network.get_layer(f"{name}_batch_norm").get_weights()
    factor = gamma / np.sqrt(variance + 1e-3)
    return kernel * factor[:, None, None, None], beta - mean * factor, len(kernel) if depthwise else 1


def focus_kernel(kernel):
    """Sorts a 6 x 6 kernel [out, 3, 6, 6] for RGB into that of a Focus layer [out, 12, 3, 3] for BGR."""
    filters = len(kernel)
    squares = kernel[:, ::-1].reshape(filters, 3, 3, 2, 3, 2)  # out, channel, y, row, x, column
    return np.ascontiguousarray(squares.transpose(0, 5, 3, 1, 2, 4).reshape(filters, 12, 3, 3))
