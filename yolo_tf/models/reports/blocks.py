"""A network as a table with one row per block: what it reads, its parameters, its channels."""

import dataclasses
import re

from yolo_tf.models.reports.cost import layer_params
from yolo_tf.surgery.graph import maker_of, nodes_of
from yolo_tf.terminal.tables import format_table

# The first that fits the name of a layer gives its block. All layers of one stage of a published backbone are one row.
_BLOCKS = (
    re.compile(r"(backbone|neck)_[a-z]+\d+(_topdown)?_[a-z]+"),  # neck_p3_csp, backbone_stage1_down
    re.compile(r"(backbone|neck|adapter|head)_[a-z0-9]+"),  # backbone_stem, neck_sppf, head_p3
    re.compile(r".*?stem(?=_|$)"),  # stem, convnext_tiny_stem
    re.compile(r".*?(stage|conv)_?\d+(?=_|$)"),  # convnext_tiny_stage_0, resnet18_stage2, conv4 of conv4_block23_out
    re.compile(r".*?block_?\d+"),  # block3 of block3a_add
)
_LAST_WORDS = re.compile(r"(_(conv|depthwise|bn|batch_norm|layernorm|activation|relu|pad|pool|add|concat))+$")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Block:
    """One row of the table."""

    block: str  # its name
    sources: tuple[int, ...]  # numbers of the rows that it reads, ascending
    params: int  # trainable
    channels: int  # of its last layer

    def to_json(self):
        """Returns JSON values; the sources are called "from", as in YOLOv5's tables."""
        return {"block": self.block, "from": list(self.sources), "params": self.params, "channels": self.channels}


def block_rows(network):
    """Counts a network of `build_network`: a list of Block in the order of the blocks' first layers.

    Example: row 2 of YOLOv5n is the block backbone_stem of 1760 parameters and 16 channels, which reads row 1; row 0 is
    the images, row 1 scales their pixels.
    """
    members = {}  # block -> its layers
    for layer in network.layers:
        if layer.name not in network.output_names:  # these give the predictions of a head their shape and type
            members.setdefault(block_of(layer.name), []).append(layer)
    numbers, sources = {block: number for number, block in enumerate(members)}, {block: set() for block in members}
    for node in nodes_of(network):
        block = block_of(node.operation.name)
        if block in members:
            read = {block_of(maker_of(tensor).name) for tensor in node.input_tensors} - {block}
            sources[block] |= {numbers[source] for source in read if source in numbers}
    return [
        Block(
            block=block,
            sources=tuple(sorted(sources[block])),
            params=sum(map(layer_params, layers)),
            channels=layers[-1].output.shape[-1],
        )
        for block, layers in members.items()
    ]


def block_of(name):
    """Returns the block that a layer belongs to, by its name.

    Example: neck_p3_csp_bottleneck0_3x3_conv -> neck_p3_csp; block3a_add -> block3; stem_conv -> stem.
    """
    for pattern in _BLOCKS:
        if found := pattern.match(name):
            return found[0]
    return _LAST_WORDS.sub("", name)


def format_block_rows(rows):
    """Returns the Blocks of a network as lines of text; -1 is the row above, as in YOLOv5's tables."""
    return format_table(
        [
            {
                "row": f"{number}",
                "from": ", ".join("-1" if source == number - 1 else f"{source}" for source in row.sources) or "-",
                "parameters": f"{row.params:,}",
                "channels": f"{row.channels}",
                "block": row.block,
            }
            for number, row in enumerate(rows)
        ]
    )
