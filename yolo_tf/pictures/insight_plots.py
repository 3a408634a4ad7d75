"""Plots of what lies behind the numbers of an evaluation, as PNG files."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from yolo_tf.pictures.axes import GRID, INK, NO_BOXES, add_legend, dress, new_axes, plain, save
from yolo_tf.pictures.palette import class_colors

BLUE, ORANGE, GREEN = class_colors(7)[[6, 3, 2]] / 255
PALE = "#9ecae9"
MOST_BARS = 80  # classes; with more, the best and the worst are shown


def plot_thresholds(curves, path):
    """Draws precision, recall and F1 over the least score from evaluation.curves.Curves: means over the classes with boxes."""
    axes = new_axes((8, 5), "Precision, recall and F1 over the least score, IoU 0.5", "least score", "mean over the classes")
    axes.set(xlim=(0, 1), ylim=(0, 1.02))
    if curves.best is None:
        _write_middle(axes, NO_BOXES)
    else:
        for name, color, label in (("precision", BLUE, "precision"), ("recall", ORANGE, "recall"), ("f1", INK, "F1")):
            mean = getattr(curves, name)[curves.has_truths].mean(axis=0)
            axes.plot(curves.thresholds, mean, color=color, linewidth=2.2, label=f"{mean[curves.best]:.3f}  {label}")
        threshold = curves.thresholds[curves.best]
        axes.axvline(threshold, color=INK, linewidth=1, linestyle=(0, (4, 3)))
        title = f"at score {threshold:.3f}"
        add_legend(axes, loc="upper left", bbox_to_anchor=(1.01, 1), title=title, alignment="left")
    save(axes, path)


def plot_class_accuracy(rows, path):
    """Draws AP and AP50 of each class as bars, the best first.

    Args:
        rows: (name, boxes to find, AP, AP50) of each class; AP None = no boxes, left out.
        path: PNG file.
    """
    rows = sorted((row for row in rows if row[2] is not None), key=lambda row: -row[2])
    title = f"AP of {len(rows)} classes"
    if len(rows) > MOST_BARS:
        rows, title = (
            rows[: MOST_BARS // 2] + rows[-MOST_BARS // 2 :],
            f"AP of {len(rows)} classes: the best and the worst {MOST_BARS // 2}",
        )
    axes = new_axes((8, max(2.2, 1.1 + 0.26 * len(rows))), title, "AP, AP50", "")
    axes.set_xlim(0, 1)
    if not rows:
        _write_middle(axes, NO_BOXES)
    places = np.arange(len(rows))
    axes.barh(places, [row[3] for row in rows], color=PALE, height=0.74, label="AP50")
    axes.barh(places, [row[2] for row in rows], color=BLUE, height=0.74, label="AP")
    for place, (_, boxes, ap, _) in enumerate(rows):
        axes.text(1.015, place, f"{ap:.3f}   {_boxes(boxes)}", va="center", fontsize=9, color=INK)
    axes.set_yticks(places, [plain(row[0]) for row in rows], fontsize=9)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)
    if rows:
        add_legend(axes, loc="upper center", bbox_to_anchor=(0.5, -0.6 / max(2.2, 1.1 + 0.26 * len(rows))), ncols=2)
    save(axes, path)


def plot_slices(partitions, path):
    """Draws AP and AP50 of the slices of each partition, with how many boxes each has.

    Args:
        partitions: insight.slices.Partition, at least one.
        path: PNG file.
    """
    columns = 2
    figure = Figure(figsize=(12, 3.1 * -(-len(partitions) // columns)), layout="constrained")
    grid = figure.subplots(-(-len(partitions) // columns), columns, squeeze=False).ravel()
    for axes in grid[len(partitions) :]:
        axes.set_axis_off()
    for axes, partition in zip(grid, partitions, strict=False):
        rows = [one for one in partition.slices if one.boxes]
        dress(axes, partition.title, "", "")
        axes.set_ylim(0, 1)
        axes.grid(axis="x", visible=False)
        if not rows:
            axes.set_xticks([])
            _write_middle(axes, NO_BOXES)
            continue
        places = np.arange(len(rows))
        axes.bar(places, [one.AP50 for one in rows], color=PALE, width=0.62, label="AP50")
        bars = axes.bar(places, [one.AP for one in rows], color=BLUE, width=0.62, label="AP")
        for bar, one in zip(bars, rows, strict=True):
            middle = bar.get_x() + bar.get_width() / 2
            axes.text(middle, min(one.AP50 + 0.02, 0.93), f"{one.AP:.3f}", ha="center", fontsize=9, color=INK)
        axes.set_xticks(places, [f"{one.name}\n{_boxes(one.boxes)}" for one in rows], fontsize=9)
        axes.set_xlim(-0.6, max(len(rows), 3) - 0.4)
    handles, labels = next((axes.get_legend_handles_labels() for axes in grid if axes.containers), ((), ()))
    if handles:
        figure.legend(handles[::-1], labels[::-1], loc="outside upper right", ncols=2, frameon=False, labelcolor=INK)
    save(grid[0], path)


def plot_errors(errors, path):
    """Draws how many errors of each kind there are, and what AP50 would gain without them.

    Args:
        errors: insight.faults.ErrorSplit.
        path: PNG file.
    """
    figure = Figure(figsize=(12, 3.6), layout="constrained")
    gains, counts = figure.subplots(1, 2)
    kinds = list(errors.count)
    dress(gains, "AP50 that each kind of error costs", "", "")
    dress(counts, f"Errors from score {errors.score_threshold:.3f} on", "", "")
    _draw_bars(counts, kinds, [errors.count[kind] for kind in kinds], "{:.0f}")
    counts.xaxis.set_major_locator(MaxNLocator(integer=True))
    if errors.gain is None:
        _write_middle(gains, NO_BOXES)
        gains.set_yticks([])
    else:
        _draw_bars(gains, list(errors.gain), list(errors.gain.values()), "{:.3f}")
        gains.set_title(
            f"AP50 that each kind of error costs; it is {errors.AP50:.3f}", loc="left", fontsize=12, fontweight="bold"
        )
    save(gains, path)


def plot_calibration(calibration, path):
    """Draws the reliability diagram and how many detections each range of scores has.

    Args:
        calibration: insight.calibration.Calibration.
        path: PNG file.
    """
    figure = Figure(figsize=(6.4, 6.6), layout="constrained")
    shares, counts = figure.subplots(2, 1, height_ratios=(3, 1), sharex=True)
    error = "-" if calibration.error is None else f"{calibration.error:.3f}"
    dress(shares, f"Calibration, mean gap {error}", "", "share right at IoU 0.5")
    dress(counts, "", "score", "detections")
    low, high, number = np.array([(one.low, one.high, one.count) for one in calibration.bins]).T
    filled = [one for one in calibration.bins if one.count]
    shares.plot((0, 1), (0, 1), color=INK, linewidth=1, linestyle=(0, (4, 3)), label="as promised")
    wide = (high - low)[0] * 0.9
    shares.bar([(one.low + one.high) / 2 for one in filled], [one.share_right for one in filled], width=wide, color=PALE)
    points = [(one.mean_score, one.share_right) for one in filled]
    shares.plot(
        *np.array(points).reshape(-1, 2).T, "o-", color=BLUE, linewidth=1.6, label="measured, at the mean score", clip_on=False
    )
    shares.set(xlim=(0, 1), ylim=(0, 1))
    add_legend(shares, loc="upper left")
    counts.bar((low + high) / 2, number, width=wide, color="#9aa4ae")
    counts.set_yscale("log" if number.max() > 100 else "linear")
    counts.tick_params(which="minor", length=0)
    counts.set_ylim(bottom=0.8 if number.max() > 100 else 0)
    save(shares, path)


def _draw_bars(axes, names, values, form):
    """Draws a bar for each name, downwards, with its value behind it."""
    bars = axes.barh(np.arange(len(names)), values, color=BLUE, height=0.7)
    axes.bar_label(bars, [form.format(value) for value in values], padding=4, fontsize=9, color=INK)
    axes.set_yticks(np.arange(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xlim(min(0, 1.2 * min(values)), 1.15 * max(max(values), 1e-3))
    axes.grid(axis="y", visible=False)
    axes.axvline(0, color=GRID, linewidth=1)


def _boxes(number):
    return f"{number} box" if number == 1 else f"{number} boxes"


def _write_middle(axes, text):
    axes.text(0.5, 0.5, text, ha="center", va="center", color=INK, transform=axes.transAxes)
