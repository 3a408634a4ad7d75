"""A network as a table with one row per block: what it reads, its parameters, its channels."""

import math
import re

from yolo_tf.surgery.graph import maker_of, nodes_of

# The first that fits the name of a layer gives its block. All layers of one stage of a published backbone are one row.
_BLOCKS = (
    re.compile(r"(backbone|neck)_[a-z]+\d+(_topdown)?_[a-z]+"),  # neck_p3_csp, backbone_stage1_down
    re.compile(r"(backbone|neck|adapter|head)_[a-z0-9]+"),  # backbone_stem, neck_sppf, head_p3
    re.compile(r".*?stem(?=_|$)"),  # stem, convnext_tiny_stem
    re.compile(r".*?(stage|conv)_?\d+(?=_|$)"),  # convnext_tiny_stage_0, resnet18_stage2, conv4 of conv4_block23_out
    re.compile(r".*?block_?\d+"),  # block3 of block3a_add
)
_LAST_WORDS = re.compile(r"(_(conv|depthwise|bn|batch_norm|layernorm|activation|relu|pad|pool|add|concat))+$")


def block_rows(network):
    """Counts a network block by block.

    Args:
        network: keras.Model of `build_network`.

    Returns:
        list of dicts in the order of the blocks' first layers: block (its name), from (numbers of the rows that it
        reads), params (trainable), channels (of its last layer).

    Example: row 2 of YOLOv5n is {"block": "backbone_stem", "from": [1], "params": 1760, "channels": 16}; row 0 is the
    images, row 1 scales their pixels.
    """
    numbers, rows = {}, []
    for layer in network.layers:
        if layer.name in network.output_names:
            continue  # these give the predictions of a head their shape and type
        block = block_of(layer.name)
        if block not in numbers:
            numbers[block] = len(rows)
            rows.append({"block": block, "from": set(), "params": 0, "channels": 0})
        row = rows[numbers[block]]
        row["params"] += sum(math.prod(variable.shape) for variable in layer.trainable_variables)
        row["channels"] = layer.output.shape[-1]
    for node in nodes_of(network):
        block = block_of(node.operation.name)
        sources = {block_of(maker_of(tensor).name) for tensor in node.input_tensors} - {block}
        if block in numbers:
            rows[numbers[block]]["from"] |= {numbers[source] for source in sources if source in numbers}
    return [{**row, "from": sorted(row["from"])} for row in rows]


def block_of(name):
    """Returns the block that a layer belongs to, by its name.

    Example: neck_p3_csp_bottleneck0_3x3_conv -> neck_p3_csp; block3a_add -> block3; stem_conv -> stem.
    """
    for pattern in _BLOCKS:
        if found := pattern.match(name):
            return found[0]
    return _LAST_WORDS.sub("", name)


def format_block_rows(rows):
    """Returns `block_rows` as lines of text; -1 is the row above, as in YOLOv5's tables."""
    lines = [f"{'row':>3}{'from':>12}{'parameters':>14}{'channels':>10}  block"]
    for number, row in enumerate(rows):
        sources = ", ".join("-1" if source == number - 1 else str(source) for source in row["from"]) or "-"
        lines.append(f"{number:>3}{sources:>12}{row['params']:>14,}{row['channels']:>10}  {row['block']}")
    return "\n".join(lines)
