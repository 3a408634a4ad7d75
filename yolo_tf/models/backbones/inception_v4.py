"""InceptionV4 with padding, so that its features lie on the grids of a detector.

As published it pads hardly anywhere: 640 px give grids of 77, 38 and 18 cells, whose strides are neither 8, 16, 32
nor the same at every image size. With "same" padding the weights keep their shapes and the grids are 80, 40 and 20.
A strided 3 x 3 window then starts on the same pixel as without padding, so inner cells see what they saw.
"""

import keras

from yolo_tf.models.backbones.spec import TF_PIXELS, BackboneSpec, taps_at

# Each module is a list of branches side by side, each branch a chain of convolutions (height, width, channels)
# behind a pooling where its first entry names one; "fork" ends a branch in the two convolutions of FORK.
BLOCK_A = (
    [(1, 1, 96)],
    [(1, 1, 64), (3, 3, 96)],
    [(1, 1, 64), (3, 3, 96), (3, 3, 96)],
    ["average", (1, 1, 96)],
)
BLOCK_B = (
    [(1, 1, 384)],
    [(1, 1, 192), (1, 7, 224), (7, 1, 256)],
    [(1, 1, 192), (7, 1, 192), (1, 7, 224), (7, 1, 224), (1, 7, 256)],
    ["average", (1, 1, 128)],
)
BLOCK_C = (
    [(1, 1, 256)],
    [(1, 1, 384), "fork"],
    [(1, 1, 384), (3, 1, 448), (1, 3, 512), "fork"],
    ["average", (1, 1, 256)],
)
FORK = ((1, 3, 256), (3, 1, 256))
# The last convolution of each branch and the pooling have stride 2.
REDUCTION_A = ([(3, 3, 384)], [(1, 1, 192), (3, 3, 224), (3, 3, 256)], ["maximum"])
REDUCTION_B = ([(1, 1, 192), (3, 3, 192)], [(1, 1, 256), (1, 7, 256), (7, 1, 320), (3, 3, 320)], ["maximum"])
STEM_1 = (["maximum"], [(3, 3, 96)])
STEM_2 = ([(1, 1, 64), (3, 3, 96)], [(1, 1, 64), (1, 7, 64), (7, 1, 64), (3, 3, 96)])
STEM_3 = ([(3, 3, 192)], ["maximum"])
REPEATS = {"a": 4, "b": 7, "c": 3}


def build_inception_v4(pixels):
    """Builds InceptionV4 up to its last module.

    Args:
        pixels: [B, H, W, 3], -1..1.

    Returns:
        Three tensors of strides 8, 16, 32 with 384, 1024, 1536 channels.

    Source: Szegedy et al., Inception-v4, Inception-ResNet and the Impact of Residual Connections on Learning,
    arXiv:1602.07261, figures 3 to 9.
    """
    x = _unit(pixels, (3, 3, 32), 2, name="inception_v4_stem_conv1")
    x = _unit(x, (3, 3, 32), name="inception_v4_stem_conv2")
    x = _unit(x, (3, 3, 64), name="inception_v4_stem_conv3")
    x = inception_module(x, STEM_1, 2, name="inception_v4_stem_module1")
    x = inception_module(x, STEM_2, name="inception_v4_stem_module2")
    x = inception_module(x, STEM_3, 2, name="inception_v4_stem_module3")
    features = []
    for kind, branches, reduction in (("a", BLOCK_A, None), ("b", BLOCK_B, REDUCTION_A), ("c", BLOCK_C, REDUCTION_B)):
        if reduction:
            x = inception_module(x, reduction, 2, name=f"inception_v4_{kind}_reduction")
        for index in range(1, REPEATS[kind] + 1):
            x = inception_module(x, branches, name=f"inception_v4_{kind}{index}")
        features.append(x)
    return tuple(features)


def inception_module(x, branches, stride=1, *, name):
    """Joins the channels of branches that all read the same input.

    Args:
        x: [B, Y, X, c].
        branches: lists as in BLOCK_A: an optional pooling, then convolutions, and "fork" for the two of FORK.
        stride: of the last step of every branch.
        name: prefix of the layer names; the last layer is `<name>_concat`.

    Returns:
        [B, Y / stride, X / stride, channels of all branches].
    """
    ends = []
    for number, steps in enumerate(branches, start=1):
        branch = x
        for index, step in enumerate(steps, start=1):
            prefix = f"{name}_branch{number}_step{index}"
            step_stride = stride if index == len(steps) else 1
            if step == "fork":
                ends += [_unit(branch, side, name=f"{prefix}_{side[0]}x{side[1]}") for side in FORK]
            elif step == "average":  # over the cells inside the map only, at its rim too
                branch = keras.layers.AveragePooling2D(3, step_stride, padding="same", name=f"{prefix}_pool")(branch)
            elif step == "maximum":
                branch = keras.layers.MaxPooling2D(3, step_stride, padding="same", name=f"{prefix}_pool")(branch)
            else:
                branch = _unit(branch, step, step_stride, name=prefix)
        if steps[-1] != "fork":
            ends.append(branch)
    return keras.layers.Concatenate(name=f"{name}_concat")(ends)


def _unit(x, step, stride=1, *, name):
    """Applies convolution (height, width, channels) without bias, batch norm and ReLU to [B, Y, X, c]."""
    height, width, filters = step
    x = keras.layers.Conv2D(
        filters,
        (height, width),
        stride,
        padding="same",
        use_bias=False,
        kernel_initializer=keras.initializers.HeNormal(),
        name=f"{name}_conv",
    )(x)
    x = keras.layers.BatchNormalization(epsilon=1e-3, name=f"{name}_batch_norm")(x)
    return keras.layers.Activation("relu", name=f"{name}_relu")(x)


ROWS = {
    # with a classifier of 1000 classes 42,679,816 parameters, as timm counts
    "inception_v4": BackboneSpec(
        family="Inception-v4",
        build=build_inception_v4,
        taps=taps_at([f"inception_v4_{kind}{REPEATS[kind]}_concat" for kind in "abc"], (384, 1024, 1536)),
        pixel_scaling=TF_PIXELS,
        trainable_params=41_142_816,
        gflops=132.917,
        licence="Apache-2.0 (this project, after arXiv:1602.07261)",
    ),
}
