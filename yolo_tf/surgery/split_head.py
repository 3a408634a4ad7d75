"""The head for int8: boxes and scores leave through convolutions of their own, so that each gets its own scale."""

import keras

from yolo_tf.errors import InputError
from yolo_tf.surgery.graph import kernel_behind, maker_of


def split_head(network, channel_parts):
    """Gives every head convolution a twin, so that box logits and score logits never share one quantised tensor.

    One int8 tensor has one scale. The logits of scores reach far below those of boxes (the prior of an empty cell
    is about -5 to -15), so in a common tensor boxes would be left with few of its 256 steps.

    Args:
        network: functional keras.Model, batch norms folded, images [B, H, W, 3] -> L raw predictions
            [B, Y, X, A, channels], each made by one convolution and rearranged anchor by anchor behind it.
            It is not changed.
        channel_parts: dict name -> slice of the channels that is to have a scale of its own; {} = they may share one.

    Returns:
        keras.Model with the same input and the same outputs, name by name; `network` where there is nothing to keep apart.

    Raises:
        InputError: an output does not come from a convolution of A * channels filters.
    """
    if not channel_parts:
        return network
    outputs = []
    for raw in network.outputs:
        per_cell, channels = raw.shape[3:]
        head = kernel_behind(raw)
        if type(head) is not keras.layers.Conv2D or head.filters != per_cell * channels:
            raise InputError(
                f"precision: got int8 for a network whose output '{maker_of(raw).name}' comes from '{head.name}'. Expected a"
                f" convolution of {per_cell * channels} filters, whose boxes and scores int8 must keep apart."
                " Use another precision."
            )
        parts = []
        for part, kept in channel_parts.items():
            config = head.get_config() | {"name": f"{head.name}_{part}", "filters": per_cell * len(range(channels)[kept])}
            convolution = head.__class__.from_config(config)
            x = convolution(head.input)
            convolution.set_weights([_of_each_anchor(weight, per_cell, kept) for weight in head.get_weights()])
            parts.append(keras.ops.stack(keras.ops.split(x, per_cell, axis=-1), axis=3))
        outputs.append(keras.ops.concatenate(parts, axis=-1))
    return keras.Model(network.input, outputs, name=network.name)


def _of_each_anchor(weight, per_cell, kept):
    """Picks the channels `kept` of every anchor on the last axis, on which they stand anchor by anchor."""
    by_anchor = weight.reshape(*weight.shape[:-1], per_cell, -1)[..., kept]
    return by_anchor.reshape(*weight.shape[:-1], -1)
