"""Plots of the boxes of a data set: sizes beside anchors, shapes, how many an image has, where they lie."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from yolo_tf.pictures.axes import INK, NO_BOXES, add_color_bar, add_legend, dress, save
from yolo_tf.pictures.palette import class_colors
from yolo_tf.pictures.plots import BLUES

HEAT_CELLS = 64  # in each direction
BARS = 40


def plot_shapes(boxes_wh, counts, anchors, path):
    """Draws box sizes beside anchors, aspects, and how many boxes an image has.

    Args:
        boxes_wh: [N, 2] (width, height), px in the network's input.
        counts: int [R], boxes of each image.
        anchors: {name: [A, 2] (width, height) px}.
        path: PNG file.
    """
    figure = Figure(figsize=(14, 4.6), layout="constrained")
    sizes, aspects, numbers = figure.subplots(1, 3)
    colors = class_colors(7) / 255
    dress(sizes, "Box sizes and anchors", "width in the network's input, px", "height in the network's input, px")
    faint = np.clip(300 / max(1, len(boxes_wh)), 0.08, 0.7)
    sizes.scatter(*np.asarray(boxes_wh).reshape(-1, 2).T, s=8, color=colors[0], alpha=faint, linewidths=0)
    for (name, pairs), color, marker in zip(anchors.items(), colors[[6, 3]], "x+", strict=False):
        sizes.scatter(*np.asarray(pairs).T, s=70, color=color, marker=marker, linewidths=2, label=name)
    if len(boxes_wh):
        sizes.set_xscale("log", base=2)
        sizes.set_yscale("log", base=2)
        for axis in (sizes.xaxis, sizes.yaxis):
            axis.set_major_formatter("{x:g}")
    add_legend(sizes, loc="upper left")

    dress(aspects, "Aspect", "width / height", "boxes")
    dress(numbers, "Boxes in an image", "boxes", "images")
    if len(boxes_wh):
        ratio = np.log2(boxes_wh[:, 0] / boxes_wh[:, 1])
        reach = max(1.0, np.ceil(np.abs(ratio).max()))
        aspects.hist(2**ratio, bins=2 ** np.linspace(-reach, reach, BARS + 1), color=colors[0])
        aspects.set_xscale("log", base=2)
        aspects.xaxis.set_major_formatter(lambda value, _: f"{value:g}" if value >= 1 else f"1/{1 / value:g}")
    else:
        aspects.text(0.5, 0.5, NO_BOXES, transform=aspects.transAxes, ha="center", color=INK)
    most = int(np.max(counts, initial=0))
    width = max(1, -(-(most + 1) // BARS))
    numbers.hist(counts, bins=np.arange(0, most + 1 + width, width) - 0.5, color=colors[0])
    for axes in (aspects, numbers):
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    numbers.xaxis.set_major_locator(MaxNLocator(integer=True))
    save(sizes, path)


def plot_heat(boxes, path):
    """Draws how many boxes cover each place of the images.

    Args:
        boxes: [N, 4] xyxy, fractions of each image.
        path: PNG file.
    """
    figure = Figure(figsize=(5.2, 4.6), layout="constrained")
    axes = figure.subplots()
    dress(axes, "Where boxes lie", "x / image width", "y / image height")
    picture = axes.imshow(covered(boxes), extent=(0, 1, 1, 0), cmap=BLUES, vmin=0)
    axes.grid(visible=False)
    add_color_bar(axes, picture, "boxes")
    save(axes, path)


def covered(boxes):
    """Returns int64 [HEAT_CELLS, HEAT_CELLS], rows down: how many of boxes [N, 4] (xyxy, fractions) cover each cell's middle."""
    middles = (np.arange(HEAT_CELLS) + 0.5) / HEAT_CELLS
    first, last = np.searchsorted(middles, np.asarray(boxes, np.float64).reshape(-1, 2, 2)).swapaxes(0, 1)  # each [N, 2], x y
    steps = np.zeros((HEAT_CELLS + 1, HEAT_CELLS + 1), np.int64)  # summed up both ways they give the counts
    for rows, columns, sign in (
        (first[:, 1], first[:, 0], 1), (first[:, 1], last[:, 0], -1), (last[:, 1], first[:, 0], -1), (last[:, 1], last[:, 0], 1),
    ):  # fmt: skip
        np.add.at(steps, (rows, columns), sign)
    return steps.cumsum(0).cumsum(1)[:-1, :-1]
