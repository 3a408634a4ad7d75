"""Where the range of the pixels lies: in what the first convolutions see, or in their kernels."""

import keras
import numpy as np

from yolo_tf.surgery.graph import readers_of

LARGEST = 4.0  # what a first convolution may see; ImageNet's mean and deviation give 2.7


def move_pixel_range(network):
    """Divides what the first convolutions see by its largest value, where that is large, and multiplies their kernels by it.

    The network computes the same, and learns otherwise. Without a batch norm behind it, as after folding, the gradient of a
    kernel grows with its inputs and its weights shrink with them, so pixels of 0..255 make the first step a leap. With one
    behind it, it is the length of the filters that counts (see unfold.py), and they would hardly learn any more.

    Args:
        network: functional keras.Model with a layer `pixel_scaling`, read by convolutions alone, padding in between;
            any other is left as it is. Changed in place.

    Returns:
        What was divided by, float; 1 = nothing was changed.
    """
    readers = readers_of(network)
    scaling = next((layer for layer in network.layers if layer.name == "pixel_scaling"), None)
    if not isinstance(scaling, keras.layers.Rescaling):
        return 1.0
    scale, offset = np.asarray(scaling.scale), np.asarray(scaling.offset)
    largest = float(np.abs([offset + 0 * scale, 255 * scale + offset]).max())
    found, convolutions = [scaling], []
    while found:
        for reader in readers[found.pop().name]:
            (found if isinstance(reader, keras.layers.ZeroPadding2D) else convolutions).append(reader)
    if largest <= LARGEST or not all(type(layer) is keras.layers.Conv2D for layer in convolutions):
        return 1.0
    scaling.scale, scaling.offset = (scale / largest).tolist(), (offset / largest).tolist()
    for layer in convolutions:
        layer.kernel.assign(layer.kernel * largest)
    return largest
