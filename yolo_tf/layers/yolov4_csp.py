"""The CSP blocks of YOLOv4-CSP: in each, two paths are joined before a common batch norm and activation.

The path that bypasses the bottlenecks is a bare 1 x 1 convolution: what it computes is normalised after the join.
"""

import keras

from yolo_tf.layers.blocks import activation_layer, batch_norm, bottleneck, conv_block, pointwise_conv, with_pooled_maps


def bottleneck_csp(x, filters, *, repeats, activation="silu", name):
    """Splits the channels in two paths, sends one through bottlenecks with shortcuts, and merges them.

    Args:
        x: [B, Y, X, c].
        filters: output channels; each path has half of them.
        repeats: number of bottlenecks.
        activation: a row of ACTIVATIONS.
        name: prefix of the layer names; the last layer is `<name>_merge_activation`.

    Returns:
        [B, Y, X, filters].

    Source: CSPNet, arXiv:1911.11929, section 3.2; Scaled-YOLOv4, arXiv:2011.08036, section 3.1.
    """
    half = filters // 2
    main = conv_block(x, half, activation=activation, name=f"{name}_main")
    for index in range(repeats):
        main = bottleneck(main, half, shortcut=True, activation=activation, name=f"{name}_bottleneck{index}")
    main = _bare_conv(main, half, name=f"{name}_main_end")
    bypass = _bare_conv(x, half, name=f"{name}_bypass")
    return _merge(main, bypass, filters, activation=activation, name=name)


def bottleneck_csp2(x, filters, *, repeats, activation="silu", name):
    """Reduces the channels, then splits in two equal paths, one through bottlenecks without shortcuts, and merges them.

    Args:
        x, repeats, activation, name: as in `bottleneck_csp`.
        filters: output channels, and those of each path.

    Returns:
        [B, Y, X, filters].

    Source: Scaled-YOLOv4, arXiv:2011.08036, section 3.1 (CSP-ized PAN).
    """
    x = main = conv_block(x, filters, activation=activation, name=f"{name}_reduce")
    for index in range(repeats):
        main = bottleneck(main, filters, shortcut=False, activation=activation, name=f"{name}_bottleneck{index}")
    bypass = _bare_conv(x, filters, name=f"{name}_bypass")
    return _merge(main, bypass, filters, activation=activation, name=name)


def spp_csp(x, filters, *, activation="silu", name):
    """Splits in two equal paths, one of them through pyramid pooling between convolutions, and merges them.

    Args:
        x, activation, name: as in `bottleneck_csp`.
        filters: output channels, and those of each path.

    Returns:
        [B, Y, X, filters].

    Source: Scaled-YOLOv4, arXiv:2011.08036, section 3.1 (SPP in the CSP-ized neck); SPP, arXiv:1406.4729.
    """
    main = conv_block(x, filters, activation=activation, name=f"{name}_reduce")
    main = conv_block(main, filters, 3, activation=activation, name=f"{name}_before_3x3")
    main = conv_block(main, filters, activation=activation, name=f"{name}_before_1x1")
    main = conv_block(with_pooled_maps(main, name=f"{name}_pyramid"), filters, activation=activation, name=f"{name}_after_1x1")
    main = conv_block(main, filters, 3, activation=activation, name=f"{name}_after_3x3")
    bypass = _bare_conv(x, filters, name=f"{name}_bypass")
    return _merge(main, bypass, filters, activation=activation, name=name)


def _bare_conv(x, filters, *, name):
    return pointwise_conv(filters, fan_in=x.shape[-1], use_bias=False, name=f"{name}_conv")(x)


def _merge(main, bypass, filters, *, activation, name):
    x = keras.layers.Concatenate(name=f"{name}_concat")([main, bypass])
    x = batch_norm(name=f"{name}_joint_batch_norm")(x)
    x = activation_layer(activation, name=f"{name}_joint_activation")(x)
    return conv_block(x, filters, activation=activation, name=f"{name}_merge")
