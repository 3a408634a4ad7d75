"""Insight -> files: plots, the gallery of the worst images, and one page with all of it."""

from yolo_tf.errors import shown
from yolo_tf.evaluation.coco import COCO_NAMES
from yolo_tf.insight.gallery import MISSED, RIGHT, WRONG, write_gallery
from yolo_tf.pictures import insight_plots as plots
from yolo_tf.pictures import page
from yolo_tf.pictures.plots import has_figures, plot_confusion_matrix, plot_evaluation
from yolo_tf.system.atomic import write_text

MOST_THRESHOLDS = 100  # classes in the table


def write_report(insight, out, title, lines):
    """Writes the plots, worst/01.jpg ... and report.html into a directory.

    Args:
        insight: Insight.
        out: directory; it is created, files of the same names are replaced, others stay.
        title: of the page.
        lines: texts below the title: what was measured, on what.
    """
    worst = write_gallery(insight, out / "worst")
    write_plots(insight, out)
    write_text(out / "report.html", page.page(title, list(_sections(insight, out, lines, worst))))


def write_plots(insight, out):
    """Draws all plots of an Insight into a directory."""
    result, names = insight.result, insight.dataset.class_names
    plot_evaluation(result.curves, result.confusion, names, out)
    if has_figures(names):
        plot_confusion_matrix(result.confusion, names, out / "confusion_percent.png", in_percent=True)
    plots.plot_thresholds(result.curves, out / "thresholds.png")
    per_class = result.metrics["per_class"]
    counts = zip(names, result.curves.num_truths.tolist(), strict=True)
    rows = [(name, count, per_class[name]["AP"], per_class[name]["AP50"]) for name, count in counts]
    plots.plot_class_accuracy(rows, out / "classes.png")
    plots.plot_slices(list(insight.partitions.values()), out / "slices.png")
    plots.plot_errors(insight.errors, out / "errors.png")
    plots.plot_calibration(insight.calibration, out / "calibration.png")


def _sections(insight, out, lines, worst):
    """Yields (heading, pieces of HTML)."""
    metrics = insight.result.metrics
    resolution = [page.paragraph(insight.resolution.describe() + ".")] if insight.resolution else []
    cells = [_number(metrics[name]) for name in COCO_NAMES]
    yield "", [*map(page.paragraph, lines), page.table(COCO_NAMES, [cells]), *resolution]
    yield "Classes", [page.picture(out / "classes.png", "AP of each class")]
    yield (
        "Kinds of error",
        [
            page.picture(out / "errors.png", "AP50 that each kind of error costs, and how many there are"),
            page.note(
                "Wrong class: on a box of another class (IoU from 0.5). Badly placed: on a box of its class, IoU 0.1 to 0.5."
                " Found twice: the box has a better detection. Nothing there: IoU below 0.1 with every box. Missed: no wrong"
                " detection accounts for the box. What the kinds cost does not add up: mending one changes what the next costs."
            ),
        ],
    )
    yield "Where it does well", [page.picture(out / "slices.png", "AP of the slices of the data set")]
    yield (
        "Which score to ask for",
        [
            page.picture(out / "thresholds.png", "precision, recall and F1 over the least score"),
            page.picture(out / "f1.png", "F1 of each class over the least score"),
            *_thresholds(insight.thresholds),
        ],
    )
    yield "Precision and recall", [page.picture(out / "precision_recall.png", "precision over recall")]
    yield (
        "What was taken for what",
        [
            *(page.picture(out / f"{name}.png", text) for name, text in _confusion(insight.dataset.class_names)),
            page.note("From score 0.25 on, pairs of IoU 0.45 or more, whatever their classes; background: no box, no detection."),
        ],
    )
    yield (
        "What a score promises",
        [
            page.picture(out / "calibration.png", "share of right detections over the score"),
            page.note(
                "Below the line scores promise more than they hold. The mean gap counts each detection alike, those of low"
                " scores too, which are most."
            ),
        ],
    )
    if worst:
        words = ((f"right (score from {insight.shown_threshold:.3f})", RIGHT), ("wrong", WRONG), ("missed", MISSED))
        shown_pictures = [page.picture(one.path, _describe(one), f"{shown(one.image)}: {_describe(one)}") for one in worst]
        yield "The worst images", [page.key(words), page.gallery(shown_pictures)]


def _confusion(class_names):
    """Returns (name of the file, description) of each confusion matrix."""
    percent = ("confusion_percent", "confusion matrix in percent of each true class")
    return [percent] * has_figures(class_names) + [("confusion_matrix", "confusion matrix, counts")]


def _thresholds(thresholds):
    """Returns the table of the best thresholds, or nothing."""
    if thresholds is None:
        return []
    rows = [
        (name, one.boxes, f"{one.score_threshold:.3f}", *map(_number, (one.f1, one.precision, one.recall)))
        for name, one in list(thresholds.per_class.items())[:MOST_THRESHOLDS]
    ]
    header = ("class", "boxes", "best score", "F1", "precision", "recall")
    rest = len(thresholds.per_class) - len(rows)
    left_out = [page.note(f"{rest} more classes: thresholds.json has them all.")] if rest else []
    return [page.table(header, [("all", "", f"{thresholds.score_threshold:.3f}", "", "", ""), *rows]), *left_out]


def _describe(one):
    faults = one.faults
    return f"{len(faults.right)} right, {len(faults.wrong)} wrong, {len(faults.missed)} missed"


def _number(value):
    return "-" if value is None else f"{value:.3f}"
