"""The page of a data set: what is wrong with it, and what is in it, in one file of HTML that needs no network."""

import tempfile
from pathlib import Path

import numpy as np

from yolo_tf.doctor.checks import CHECKS
from yolo_tf.doctor.checks.capacity import HEAD, STRIDES
from yolo_tf.doctor.report import by_check, summary_line
from yolo_tf.doctor.worst import write_worst
from yolo_tf.errors import shown
from yolo_tf.pictures.data_plots import plot_heat, plot_shapes
from yolo_tf.pictures.page import gallery, note, page, paragraph, picture, table
from yolo_tf.pictures.plots import plot_labels
from yolo_tf.system.atomic import write_text


def write_page(path, facts, examination):
    """Writes the page of a data set.

    Args:
        path: HTML file.
        facts: Facts.
        examination: Examination of them.

    Raises:
        InputError: the file cannot be written.
    """
    with tempfile.TemporaryDirectory() as folder:
        sections = [
            ("", [paragraph(summary_line(examination))]),
            ("What was found", _findings(examination)),
            ("What it looks like", _worst(facts, examination, Path(folder))),
            *((f"Boxes of {name}", _boxes(facts, split, Path(folder))) for name, split in facts.splits.items()),
        ]
        write_text(path, page(f"Data set {examination.dataset}", sections))


def _findings(examination):
    by_id = by_check(examination)
    if not by_id:
        return [paragraph("Nothing.")]
    words = {check_id: (check.meaning, check.advice) for check_id, check in CHECKS.items()}
    rows = [(check_id, those[0].severity, len(those), *words.get(check_id, ("", ""))) for check_id, those in by_id.items()]
    sentences = [paragraph(f"{check_id}: {sentence}.") for check_id, sentence in examination.headlines.items()]
    return [*sentences, table(("check", "severity", "findings", "what it means", "what to do"), rows)]


def _worst(facts, examination, folder):
    drawn = write_worst(facts, examination, folder)
    if not drawn:
        return [paragraph("Nothing that was found can be drawn.")]
    pieces = [picture(one.path, f"an image with {one.finding.id}", _caption(one.finding)) for one in drawn]
    return [
        note("The first findings of each check that a picture shows, errors first; the box in question alone."),
        gallery(pieces),
    ]


def _caption(finding):
    return f"{finding.severity} {finding.id}: {shown(finding.place)}: {finding.message}"


def _boxes(facts, split, folder):
    """Returns the plots of a split as pieces of HTML."""
    from yolo_tf.config.model import ModelConfig
    from yolo_tf.heads import load_head

    records, (height, width) = split.reading.records, facts.image_sizes[0]
    scales = [min(height / record.height, width / record.width) for record in records]
    sizes = [(record.boxes[:, 2:] - record.boxes[:, :2]) * scale for record, scale in zip(records, scales, strict=True)]
    parts = [record.boxes / ([record.width, record.height] * 2) for record in records]
    anchors = {"YOLOv5's anchors": load_head(HEAD).make_layout(ModelConfig(), STRIDES).sizes.reshape(-1, 2)}
    names = [folder / f"{split.name}_{number}.png" for number in range(3)]
    plot_labels(split.dataset, names[0])
    plot_shapes(np.concatenate([np.zeros((0, 2)), *sizes]), [len(record.boxes) for record in records], anchors, names[1])
    plot_heat(np.concatenate([np.zeros((0, 4)), *parts]), names[2])
    return [
        picture(names[0], f"boxes of each class, their sizes and centres in {split.name}"),
        picture(
            names[1], f"sizes beside anchors, aspects and numbers of boxes in {split.name}", f"Input of {width} x {height} px."
        ),
        picture(names[2], f"where the boxes of {split.name} lie"),
    ]
