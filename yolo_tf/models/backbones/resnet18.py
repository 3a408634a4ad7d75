"""ResNet18, the smallest of the residual networks; keras.applications starts at 50 layers."""

import keras

from yolo_tf.layers.conv_batch_norm import conv_batch_norm
from yolo_tf.models.backbones.spec import IMAGENET_PIXELS, BackboneSpec, taps_at

STAGES = ((64, 1), (128, 2), (256, 2), (512, 2))  # (channels, stride) of the first of two blocks each


def build_resnet18(pixels):
    """Builds ResNet18 up to its last block.

    Args:
        pixels: [B, H, W, 3], as IMAGENET_PIXELS makes them.

    Returns:
        Three tensors of strides 8, 16, 32 with 128, 256, 512 channels.

    Source: He et al., Deep Residual Learning for Image Recognition, arXiv:1512.03385, table 1, column 18-layer;
    projections where the shape changes (its option B). Padding and constants are torchvision's.
    """
    x = conv_batch_norm(pixels, 64, 7, 2, activation="relu", name="resnet18_stem")
    x = keras.layers.ZeroPadding2D(1, name="resnet18_stem_pool_pad")(x)  # zeros never win: nothing is below 0 here
    x = keras.layers.MaxPooling2D(3, 2, name="resnet18_stem_pool")(x)
    features = []
    for stage, (filters, stride) in enumerate(STAGES, start=1):
        x = basic_block(x, filters, stride, name=f"resnet18_stage{stage}_block1")
        x = basic_block(x, filters, name=f"resnet18_stage{stage}_block2")
        features.append(x)
    return tuple(features[1:])


def basic_block(x, filters, stride=1, *, name):
    """Adds two 3 x 3 convolutions to their input, which a 1 x 1 convolution brings to a new shape where there is one.

    Args:
        x: [B, Y, X, c].
        filters: output channels.
        stride: of the first convolution.
        name: prefix of the layer names; the last layer is `<name>_relu`.

    Returns:
        [B, Y / stride, X / stride, filters].

    Source: arXiv:1512.03385, figure 5, left.
    """
    branch = conv_batch_norm(x, filters, 3, stride, activation="relu", name=f"{name}_first")
    branch = conv_batch_norm(branch, filters, 3, name=f"{name}_second")
    if stride != 1 or x.shape[-1] != filters:
        x = conv_batch_norm(x, filters, 1, stride, name=f"{name}_shortcut")
    x = keras.layers.Add(name=f"{name}_add")([branch, x])
    return keras.layers.Activation("relu", name=f"{name}_relu")(x)


ROWS = {
    # with a classifier of 1000 classes 11,689,512 parameters, as torchvision counts
    "resnet18": BackboneSpec(
        family="ResNet",
        build=build_resnet18,
        taps=taps_at([f"resnet18_stage{stage}_block2_relu" for stage in (2, 3, 4)], (128, 256, 512)),
        pixel_scaling=IMAGENET_PIXELS,
        trainable_params=11_176_512,
        gflops=29.609,
        licence="Apache-2.0 (this project, after arXiv:1512.03385)",
    ),
}
