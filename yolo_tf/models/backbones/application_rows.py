"""The rows of keras.applications networks: where their features leave them, what they cost, what pixels they want.

A feature is the last tensor of its stride, behind the residual sum where there is one. Networks that open a
stride before they normalise (DenseNet, ResNetV2, Xception) are tapped behind that normalisation.
"""

import functools

from yolo_tf.models.backbones.applications import build_application
from yolo_tf.models.backbones.spec import CAFFE_PIXELS, IMAGENET_PIXELS, TF_PIXELS, BackboneSpec, taps_at

# What Keras ported its ImageNet weights from, and the licence of that. Sources: the documents of Keras 2 (the page
# "applications" of its templates), which end before MobileNetV3; the docstrings of keras.applications; the repositories named.
WEIGHTS_LICENCES = {
    "ConvNeXt": "MIT (facebookresearch/ConvNeXt)",
    "DenseNet": "BSD-3-Clause (liuzhuang13/DenseNet)",
    "EfficientNet": "Apache-2.0 (tensorflow/tpu)",
    "EfficientNetV2": "Apache-2.0 (google/automl)",
    "Inception-v3": "Apache-2.0 (tensorflow/models)",
    "Inception-v4": "Apache-2.0 (tensorflow/models)",
    "MobileNet": "Apache-2.0 (tensorflow/models)",
    "MobileNetV2": "Apache-2.0 (tensorflow/models)",
    "MobileNetV3": "see keras.applications",
    "NASNet": "Apache-2.0 (tensorflow/models)",
    "ResNet": "MIT (KaimingHe/deep-residual-networks)",
    "ResNetV2": "BSD (facebook/fb.resnet.torch)",
    "VGG": "CC BY 4.0 (VGG, Oxford)",
    "Xception": "MIT (Keras)",
}


def _application(family, constructor, layers, channels, cost, *, pixels=IMAGENET_PIXELS, **options):
    trainable_params, gflops = cost
    return BackboneSpec(
        family=family,
        build=functools.partial(build_application, constructor=constructor, taps=layers, **options),
        taps=taps_at(layers, channels),
        pixel_scaling=pixels,
        trainable_params=trainable_params,
        gflops=gflops,
        licence="Apache-2.0 (Keras)",
        weights="ImageNet, keras.applications",
        weights_licence=WEIGHTS_LICENCES[family],
        weights_files=(".weights.h5", ".h5"),
        fixed_activation=family == "ConvNeXt",  # GELU behind layer norms, nothing that int8 or a ReLU suits
    )


def _efficientnet(variant, last_blocks, channels, *cost, pixels=IMAGENET_PIXELS):
    """A feature is the output of the last block of its stride, not the six times wider tensor behind it."""
    layers = tuple(f"block{block}" for block in last_blocks)
    family = "EfficientNetV2" if variant.startswith("V2") else "EfficientNet"
    return _application(family, f"EfficientNet{variant}", layers, channels, cost, pixels=pixels)


def _efficientnet_top(variant, last_blocks, channels, *cost):
    layers = (*(f"block{block}" for block in last_blocks), "top_activation")
    return _application("EfficientNet", f"EfficientNet{variant}", layers, channels, cost)


def _convnext(variant, last_blocks, channels, *cost):
    """A feature is the residual sum that ends its stage; `..._identity` would be the branch alone."""
    layers = tuple(
        f"convnext_{variant.lower()}_stage_{stage}_block_{block}_add" for stage, block in enumerate(last_blocks, start=1)
    )
    return _application("ConvNeXt", f"ConvNeXt{variant}", layers, channels, cost)


def _mobilenet(variant, layers, channels, *cost):
    version = variant[:2]  # "", "V2" or "V3"
    return _application(f"MobileNet{version}", f"MobileNet{variant}", layers, channels, cost, pixels=TF_PIXELS)


def _densenet(variant, channels, *cost):
    """A feature is the whole dense block, normalised, before the transition halves it."""
    return _application("DenseNet", f"DenseNet{variant}", ("pool3_relu", "pool4_relu", "relu"), channels, cost)


def _resnet(variant, last_blocks, *cost):
    layers = tuple(f"conv{stage}_block{block}_out" for stage, block in enumerate(last_blocks, start=3))
    return _application("ResNet", f"ResNet{variant}", layers, (512, 1024, 2048), cost, pixels=CAFFE_PIXELS, bgr=True)


def _resnet_v2(variant, last_blocks, *cost):
    """The last block of a stage halves the grid, so the finest tensor of the stage is the one it starts from."""
    stride8, stride16 = last_blocks
    layers = (f"conv3_block{stride8}_preact_relu", f"conv4_block{stride16}_preact_relu", "post_relu")
    return _application("ResNetV2", f"ResNet{variant}V2", layers, (512, 1024, 2048), cost, pixels=TF_PIXELS)


def _vgg(variant, last_conv, *cost):
    layers = (f"block4_conv{last_conv}", f"block5_conv{last_conv}", "block5_pool")
    return _application("VGG", f"VGG{variant}", layers, (512, 512, 512), cost, pixels=CAFFE_PIXELS, bgr=True)


def _tf_application(family, constructor, layers, channels, *cost, **options):
    return _application(family, constructor, layers, channels, cost, pixels=TF_PIXELS, **options)


V2_PIXELS = (1 / 128, -1.0)  # of EfficientNetV2 S, M and L

# Sources: EfficientNet arXiv:1905.11946, table 1; EfficientNetV2 arXiv:2104.00298, table 4; ConvNeXt arXiv:2201.03545,
# section 3; MobileNet arXiv:1704.04861, table 1; V2 arXiv:1801.04381, table 2; V3 arXiv:1905.02244, tables 1 and 2;
# DenseNet arXiv:1608.06993, table 1; ResNet arXiv:1512.03385, table 1; ResNetV2 arXiv:1603.05027, section 3;
# Xception arXiv:1610.02357, figure 5; Inception arXiv:1512.00567, section 6; Inception-ResNet arXiv:1602.07261,
# section 3.2; NASNet arXiv:1707.07012, section 3; VGG arXiv:1409.1556, table 1.
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
    # The coarsest feature behind the 1 x 1 convolution that stands before the classifier.
    "efficientnetb0_top": _efficientnet_top("B0", ("3b_add", "5c_add"), (40, 112, 1280), 4_007_548, 6.269),
    "efficientnetb1_top": _efficientnet_top("B1", ("3c_add", "5d_add"), (40, 112, 1280), 6_513_184, 9.264),
    "efficientnetb2_top": _efficientnet_top("B2", ("3c_add", "5d_add"), (48, 120, 1408), 7_700_994, 10.717),
    "efficientnetb3_top": _efficientnet_top("B3", ("3c_add", "5e_add"), (48, 136, 1536), 10_696_232, 15.666),
    "efficientnetb4_top": _efficientnet_top("B4", ("3d_add", "5f_add"), (56, 160, 1792), 17_548_616, 24.476),
    "efficientnetb5_top": _efficientnet_top("B5", ("3e_add", "5g_add"), (64, 176, 2048), 28_340_784, 38.366),
    "efficientnetb6_top": _efficientnet_top("B6", ("3f_add", "5h_add"), (72, 200, 2304), 40_735_704, 54.715),
    "efficientnetb7_top": _efficientnet_top("B7", ("3g_add", "5j_add"), (80, 224, 2560), 63_786_960, 84.194),
    "efficientnetv2b0": _efficientnet("V2B0", ("3b_add", "5e_add", "6h_add"), (48, 112, 192), 5_610_384, 11.492),
    "efficientnetv2b1": _efficientnet("V2B1", ("3c_add", "5f_add", "6i_add"), (48, 112, 192), 6_611_732, 16.351),
    "efficientnetv2b2": _efficientnet("V2B2", ("3c_add", "5f_add", "6j_add"), (56, 120, 208), 8_391_406, 18.804),
    "efficientnetv2b3": _efficientnet("V2B3", ("3c_add", "5g_add", "6l_add"), (56, 136, 232), 12_461_982, 25.942),
    "efficientnetv2s": _efficientnet("V2S", ("3d_add", "5i_add", "6o_add"), (64, 160, 256), 19_847_248, 46.193, pixels=V2_PIXELS),
    "efficientnetv2m": _efficientnet("V2M", ("3e_add", "5n_add", "7e_add"), (80, 176, 512), 52_200_436, 86.860, pixels=V2_PIXELS),
    "efficientnetv2l": _efficientnet(
        "V2L", ("3g_add", "5s_add", "7g_add"), (96, 224, 640), 116_412_512, 198.700, pixels=V2_PIXELS
    ),
    "convnext_tiny": _convnext("Tiny", (2, 8, 2), (192, 384, 768), 27_818_592, 72.731),
    "convnext_small": _convnext("Small", (2, 26, 2), (192, 384, 768), 49_453_152, 141.762),
    "convnext_base": _convnext("Base", (2, 26, 2), (256, 512, 1024), 87_564_416, 250.673),
    "convnext_large": _convnext("Large", (2, 26, 2), (384, 768, 1536), 196_227_264, 560.978),
    "convnext_xlarge": _convnext("XLarge", (2, 26, 2), (512, 1024, 2048), 348_143_872, 994.596),
    "mobilenet": _mobilenet("", ("conv_pw_5_relu", "conv_pw_11_relu", "conv_pw_13_relu"), (256, 512, 1024), 3_206_976, 9.269),
    "mobilenetv2": _mobilenet("V2", ("block_5_add", "block_12_add", "block_16_project_BN"), (32, 96, 320), 1_811_712, 4.562),
    "mobilenetv3small": _mobilenet(
        "V3Small", ("expanded_conv_2_add", "expanded_conv_7_add", "expanded_conv_10_add"), (24, 48, 96), 870_560, 0.845
    ),
    "mobilenetv3large": _mobilenet(
        "V3Large", ("expanded_conv_5_add", "expanded_conv_11_add", "expanded_conv_14_add"), (40, 112, 160), 2_816_432, 3.351
    ),
    "densenet121": _densenet(121, (512, 1024, 1024), 6_953_856, 46.255),
    "densenet169": _densenet(169, (512, 1280, 1664), 12_484_480, 54.827),
    "densenet201": _densenet(201, (512, 1792, 1920), 18_092_928, 70.032),
    "resnet50": _resnet(50, (4, 6, 3), 23_534_592, 62.954),
    "resnet101": _resnet(101, (4, 23, 3), 42_552_832, 123.562),
    "resnet152": _resnet(152, (8, 36, 3), 58_219_520, 184.169),
    "resnet50v2": _resnet_v2(50, (4, 6), 23_519_360, 56.820),
    "resnet101v2": _resnet_v2(101, (4, 23), 42_528_896, 117.427),
    "resnet152v2": _resnet_v2(152, (8, 36), 58_187_904, 178.035),
    "xception": _tf_application(
        "Xception",
        "Xception",
        ("block4_sepconv1_act", "block13_sepconv1_act", "block14_sepconv2_act"),
        (256, 728, 2048),
        20_806_952,
        74.744,
    ),
    "inceptionv3": _tf_application(
        "Inception-v3", "InceptionV3", ("mixed2", "mixed7", "mixed10"), (288, 768, 2048), 21_768_352, 61.987, same_padding=True
    ),
    "inceptionresnetv2": _tf_application(
        "Inception-v4",
        "InceptionResNetV2",
        ("block35_10_ac", "block17_20_ac", "conv_7b_ac"),
        (320, 1088, 1536),
        54_276_192,
        144.699,
        same_padding=True,
    ),
    "nasnetmobile": _tf_application(
        "NASNet", "NASNetMobile", ("normal_concat_3", "normal_concat_8", "normal_concat_12"), (264, 528, 1056), 4_232_978, 9.188
    ),
    "vgg16": _vgg(16, 3, 14_714_688, 250.557),
    "vgg19": _vgg(19, 4, 20_024_384, 318.505),
}
