"""Plots as PNG files: history, precision and recall, F1, confusion, labels, network files compared."""

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from yolo_tf.pictures.axes import GRID, INK, NO_BOXES, add_color_bar, add_legend, dress, new_axes, plain, save
from yolo_tf.pictures.palette import class_colors, text_color

BLUES = LinearSegmentedColormap.from_list("blues", ["#ffffff", "#9ecae9", "#0072b2", "#08294a"])
LOSS_PARTS = ("box", "objectness", "class", "distillation")
MOST_NAMED_CLASSES = 12  # more lines than this cannot be told apart: they become one grey bundle
BESIDE = dict(loc="upper left", bbox_to_anchor=(1.01, 1))  # where a legend stands outside, at the right
MOST_NUMBERED_CLASSES = 25  # more cells than this squared cannot be read


def plot_history(rows, path):
    """Draws the loss parts and AP over the epochs.

    Args:
        rows: one dict per epoch: "epoch", LOSS_PARTS, "AP", "AP50". A value that is absent, None or "" is left out (epochs
            without evaluation, runs without a teacher).
        path: PNG file.
    """
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    losses, accuracies = figure.subplots(1, 2)
    dress(losses, "Training loss", "epoch", "loss part")
    dress(accuracies, "Accuracy on the validation split", "epoch", "average precision")
    for axes, names, color_ids in ((losses, LOSS_PARTS, [0, 1, 2, 4]), (accuracies, ("AP", "AP50"), [6, 3])):
        for name, color in zip(names, class_colors(7)[color_ids] / 255, strict=True):
            _draw_series(axes, rows, name, color)
        axes.set_ylim(bottom=0)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        if axes.lines:
            add_legend(axes)
    accuracies.set_ylim(top=1)
    save(accuracies, path)


def plot_learning_rates(rows, rates, path):
    """Draws the loss of a learning rate range test, and the rates found in it.

    Args:
        rows: dicts with "learning_rate", "loss", "smoothed"; rates rise.
        rates: name -> learning rate, marked by a line: suggestion, steepest, minimum.
        path: PNG file.
    """
    axes = new_axes((7, 4.2), "Loss while the learning rate rises", "learning rate", "loss")
    x, raw, smoothed = np.array([[row[key] for key in ("learning_rate", "loss", "smoothed")] for row in rows]).T
    colors = class_colors(7) / 255
    axes.plot(x, raw, color=GRID, linewidth=1)
    axes.plot(x, smoothed, color=colors[0], linewidth=2, label="smoothed")
    for (name, rate), color in zip(rates.items(), colors[[6, 3, 2]], strict=True):
        axes.axvline(rate, color=color, linestyle="--", linewidth=1.5, label=f"{name}  {rate:.2g}")
    axes.set_xscale("log")
    add_legend(axes)
    save(axes, path)


def plot_precision_recall(curves, path):
    """Draws precision over recall at IoU 0.5 from evaluation.curves.Curves, one line per class and their mean."""
    axes = new_axes((8, 5), "Precision and recall at IoU 0.5", "recall", "precision")
    _draw_class_lines(axes, curves, curves.recall_levels, curves.precision_at_recall, "AP50")
    save(axes, path)


def plot_f1(curves, path):
    """Draws F1 over the score threshold from evaluation.curves.Curves, one line per class, their mean and its best point."""
    axes = new_axes((8, 5), "F1 at IoU 0.5", "least score", "F1")
    _draw_class_lines(axes, curves, curves.thresholds, curves.f1, "F1")
    if curves.best is not None:
        threshold = curves.thresholds[curves.best]
        best = curves.f1[curves.has_truths, curves.best].mean()
        axes.axvline(threshold, color=INK, linewidth=1, linestyle=(0, (4, 3)))
        axes.plot(threshold, best, "o", color=INK, markersize=6, clip_on=False)
        side, shift = ("left", 8) if threshold < 0.5 else ("right", -8)
        text = dict(textcoords="offset points", ha=side, va="bottom", color=INK, fontsize=9)
        axes.annotate(f"best {best:.3f}\nat score {threshold:.3f}", (threshold, 0.03), xytext=(shift, 0), **text)
    save(axes, path)


def has_figures(class_names):
    """Returns whether a confusion matrix of these classes is small enough for figures in its cells."""
    return len(class_names) + 1 <= MOST_NUMBERED_CLASSES


def plot_confusion_matrix(confusion, class_names, path, *, in_percent=False):
    """Draws which class was taken for which; the shade is the share of a true class, the figure is the count.

    Args:
        confusion: int [C + 1, C + 1]: [true class, detected class], last = background.
        class_names: C names.
        path: PNG file.
        in_percent: the figure is the share of the true class, too, in percent.
    """
    names = [*map(plain, class_names), "background"]
    numbered = has_figures(class_names)
    side = min(4.5 + 0.45 * len(names), 16)
    text_size = min(10, 32 * side / len(names))  # points; a row is about 58 * side / len(names) high
    shares = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)

    axes = new_axes((side + 0.8, side), "Confusion, % of each true class" if in_percent else "Confusion", "detected as", "truth")
    axes.grid(visible=False)
    axes.set_axisbelow("line")  # the lines between the cells lie on them
    axes.spines[:].set_visible(False)
    picture = axes.imshow(shares, cmap=BLUES, vmin=0, vmax=1)
    axes.set_xticks(range(len(names)), names, rotation=90 if len(names) > 6 else 0, fontsize=text_size)
    axes.set_yticks(range(len(names)), names, fontsize=text_size)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_ticks(np.arange(len(names) + 1) - 0.5, minor=True)
    axes.grid(which="minor", color=GRID, linewidth=1 if numbered else 0.3)
    axes.tick_params(which="minor", length=0)
    if numbered:
        for row, column in zip(*np.nonzero(confusion), strict=True):
            color = "white" if shares[row, column] > 0.5 else INK
            text = f"{100 * shares[row, column]:.0f}" if in_percent else f"{confusion[row, column]}"
            axes.text(column, row, text, ha="center", va="center", color=color, fontsize=text_size)
    add_color_bar(axes, picture, "share of the row")
    save(axes, path)


def plot_evaluation(curves, confusion, class_names, folder):
    """Draws the three pictures of an evaluation into `folder`: precision over recall, F1, confusion matrix."""
    plot_precision_recall(curves, folder / "precision_recall.png")
    plot_f1(curves, folder / "f1.png")
    plot_confusion_matrix(confusion, class_names, folder / "confusion_matrix.png")


def plot_labels(dataset, path):
    """Draws what is in a data set: boxes per class, their sizes, and where their centres lie.

    Args:
        dataset: DetectionDataset.
        path: PNG file.
    """
    records = [record for record in dataset.records if len(record.boxes)]
    # [N, 4] xyxy as fractions of each image's width and height
    boxes = [record.boxes / np.array([record.width, record.height] * 2, np.float32) for record in records]
    boxes = np.concatenate([np.zeros((0, 4), np.float32), *boxes])
    class_ids = np.concatenate([np.zeros(0, np.int32), *(record.class_ids for record in records)])
    counts = np.bincount(class_ids, minlength=len(dataset.class_names))
    colors = class_colors(len(counts)) / 255

    figure = Figure(figsize=(14, max(4.6, 0.11 * len(counts))), layout="constrained")
    classes, sizes, centres = figure.subplots(1, 3)
    dress(classes, f"{len(boxes)} boxes in {len(dataset.records)} images", "boxes", "")
    text_size = 9 if len(counts) <= 25 else 6.5
    bars = classes.barh(range(len(counts)), counts, color=colors)
    classes.bar_label(bars, padding=3, fontsize=text_size, color=INK)
    classes.set_yticks(range(len(counts)), map(plain, dataset.class_names), fontsize=text_size)
    classes.set_ylim(len(counts) - 0.5, -0.5)
    classes.set_xlim(0, max(1, 1.12 * counts.max(initial=0)))
    classes.grid(axis="y", visible=False)

    dress(sizes, "Box sizes", "width / image width", "height / image height")
    size_wh = boxes[:, 2:] - boxes[:, :2]
    sizes.scatter(*size_wh.T, s=8, c=colors[class_ids], alpha=np.clip(300 / max(1, len(boxes)), 0.08, 0.7), linewidths=0)

    dress(centres, "Box centres", "x / image width", "y / image height")
    centre_xy = (boxes[:, :2] + boxes[:, 2:]) / 2
    heat, _, _ = np.histogram2d(*centre_xy.T, bins=32, range=((0, 1), (0, 1)))
    picture = centres.imshow(heat.T, extent=(0, 1, 1, 0), cmap=BLUES, vmin=0, vmax=max(1, heat.max()))
    centres.grid(visible=False)
    add_color_bar(centres, picture, "boxes")
    for axes in (sizes, centres):
        axes.set(xlim=(0, 1), ylim=(0, 1) if axes is sizes else (1, 0), aspect="equal")
    save(classes, path)


def plot_comparison(rows, path):
    """Draws AP over latency, one numbered disk per network file, its area the size on disk.

    Args:
        rows: dicts with "path", "AP" 0..1 (None = no boxes to find, left out), "median_ms", "bytes".
        path: PNG file.
    """
    axes = new_axes((9.5, 4.6), "Accuracy over latency", "median latency, ms", "AP")
    largest = max(row["bytes"] for row in rows)
    for number, (row, color) in enumerate(zip(rows, class_colors(len(rows)), strict=True), 1):
        if row["AP"] is None:
            continue
        point, share = (row["median_ms"], row["AP"]), row["bytes"] / largest
        label = f"{number}  {plain(row['path'])}  {row['bytes'] / 1e6:.1f} MB"
        axes.scatter(*point, s=700 * share, color=color / 255, alpha=0.85, linewidths=0, label=label, zorder=3 - share)
        ink = np.array(text_color(color)) / 255
        axes.annotate(number, point, ha="center", va="center", fontsize=8, color=ink)
    if axes.collections:
        axes.set_xlim(0, 1.15 * max(row["median_ms"] for row in rows))
        axes.margins(y=0.15)
        axes.set_ylim(max(0, axes.get_ylim()[0] - 0.02), min(1, axes.get_ylim()[1] + 0.02))
        add_legend(axes, **BESIDE, markerscale=0.4)
    else:
        axes.text(0.5, 0.5, NO_BOXES, ha="center", va="center", color=INK)
    save(axes, path)


def _draw_series(axes, rows, name, color):
    """Draws one column of the history; a dot marks the last value."""
    points = [(row.get("epoch", index), row.get(name)) for index, row in enumerate(rows)]
    points = np.array([(float(x), float(y)) for x, y in points if y not in (None, "")]).reshape(-1, 2)
    if len(points):
        label = f"{name}  {points[-1, 1]:.3f}"
        axes.plot(*points.T, color=color, linewidth=2, label=label, marker="o", markevery=[-1], markersize=5, clip_on=False)


def _draw_class_lines(axes, curves, x, rows, value_name):
    """Draws one line per class that has boxes, and their mean; the legend gives the value of each.

    Args:
        axes, curves: to draw on; the Curves.
        x, rows: [T], and [C, T] over it.
        value_name: "AP50" = mean of a row, "F1" = value at the best threshold.
    """
    axes.set(xlim=(0, 1), ylim=(0, 1.02))
    drawn = np.flatnonzero(curves.has_truths)
    if not len(drawn):
        axes.text(0.5, 0.5, NO_BOXES, ha="center", va="center", color=INK)
        return
    values = rows.mean(axis=1) if value_name == "AP50" else rows[:, curves.best]
    colors = class_colors(len(rows)) / 255
    named = len(drawn) <= MOST_NAMED_CLASSES
    mean = f"{values[drawn].mean():.3f}  all {len(drawn)} classes"
    axes.plot(x, rows[drawn].mean(axis=0), color=INK, linewidth=2.8, label=mean, zorder=3)
    for index in drawn[np.argsort(-values[drawn], kind="stable")]:
        # the number comes first: matplotlib drops legend entries that begin with an underscore
        label = f"{values[index]:.3f}  {plain(curves.class_names[index])}" if named else None
        style = dict(color=colors[index], linewidth=1.6) if named else dict(color="#9aa4ae", linewidth=0.6, alpha=0.6)
        axes.plot(x, rows[index], label=label, **style)
    add_legend(axes, **BESIDE, title=value_name, alignment="left", title_fontproperties={"weight": "bold"})
