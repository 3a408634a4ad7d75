"""The directory of a report: every plot, the worst images, and one page that holds them all."""

import pytest
from html_reader import Reader
from PIL import Image
from planted import dataset, found, measured, record

from yolo_tf.insight.measure import measure_insight
from yolo_tf.insight.report import write_report

A, B = [40, 40, 140, 140], [240, 40, 340, 140]
PLOTS = {
    "calibration",
    "classes",
    "confusion_matrix",
    "confusion_percent",
    "errors",
    "f1",
    "precision_recall",
    "slices",
    "thresholds",
}


@pytest.mark.parametrize("with_boxes", [True, False])
def test_a_report(with_boxes, tmp_path):
    Image.new("RGB", (400, 300)).save(tmp_path / "a<b>.png")
    split = dataset(record([A, B] if with_boxes else [], path=str(tmp_path / "a<b>.png")))
    insight = measure_insight(split, measured(split, [found((A, 0.9, 0), (A, 0.8, 1))]))
    out = tmp_path / "new" / "report"
    write_report(insight, out, "Evaluation of x.keras", ["val of data.yaml", "1 image"])
    assert {path.stem for path in out.glob("*.png")} == PLOTS
    assert [path.name for path in (out / "worst").iterdir()] == ["01.jpg"]
    read = Reader((out / "report.html").read_text())
    assert len(read.sources) == len(PLOTS) + 1 and all(source.startswith("data:image/") for source in read.sources)
    assert {"Evaluation of x.keras", "val of data.yaml", "1 image", "AP", "The worst images"} <= set(read.texts)
    faults = "1 right, 1 wrong, 1 missed" if with_boxes else "0 right, 2 wrong, 0 missed"
    assert any(text.endswith(f"a<b>.png: {faults}") for text in read.texts)
    assert ("cat" in read.texts) == with_boxes, "the table of thresholds"


def test_classes_beyond_the_table_are_counted(monkeypatch, tmp_path):
    monkeypatch.setattr("yolo_tf.insight.report.MOST_THRESHOLDS", 1)
    Image.new("RGB", (400, 300)).save(tmp_path / "a.png")
    split = dataset(record([A, B], path=str(tmp_path / "a.png")))
    write_report(measure_insight(split, measured(split, [found((A, 0.9, 0))])), tmp_path / "report", "x", [])
    read = Reader((tmp_path / "report/report.html").read_text())
    assert f"{len(split.class_names) - 1} more classes: thresholds.json has them all." in read.texts
