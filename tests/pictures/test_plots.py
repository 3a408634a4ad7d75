"""Plots: files of a sane size that show the values they were given."""

import threading

import numpy as np
import pytest
from PIL import Image

from yolo_tf.evaluation.curves import detection_curves
from yolo_tf.pictures import plots
from yolo_tf.structures import DetectionDataset, ImageDetections, ImageRecord


def read_png(path):
    with Image.open(path) as image:
        assert image.format == "PNG"
        return np.array(image.convert("RGB"))


def assert_picture(path):
    """The plot has a sane size, a white margin (so nothing is cut off), and something but white in each quarter."""
    pixels = read_png(path)
    height, width = pixels.shape[:2]
    assert 500 < width < 3000 and 400 < height < 3000
    for rows in (slice(height // 2), slice(height // 2, None)):
        for columns in (slice(width // 2), slice(width // 2, None)):
            assert (pixels[rows, columns] < 200).any()
    assert (pixels[:4] == 255).all() and (pixels[-4:] == 255).all()
    assert (pixels[:, :4] == 255).all() and (pixels[:, -4:] == 255).all()
    assert not list(path.parent.glob(".*"))  # nothing left of the temporary file
    return pixels


def count_pixels(pixels, color):
    return (np.abs(pixels.astype(int) - color).max(-1) < 6).sum()


def make_split(num_classes, *, num_images=12, seed=0):
    rng, records, detections = np.random.default_rng(seed), [], []
    for index in range(num_images):
        low = rng.uniform(0, 100, (5, 2))
        boxes = np.concatenate([low, low + rng.uniform(10, 90, (5, 2))], axis=1).astype(np.float32)
        class_ids = rng.integers(0, num_classes, 5).astype(np.int32)
        records.append(
            ImageRecord(
                image_id=str(index), path="", height=200, width=300, boxes=boxes, class_ids=class_ids, is_crowd=np.zeros(5, bool)
            )
        )
        shifted, scores = (boxes + rng.normal(0, 4, (5, 4))).astype(np.float32), rng.random(5).astype(np.float32)
        detections.append(ImageDetections(boxes=shifted, scores=scores, class_ids=class_ids))
    names = tuple(f"class {index}" for index in range(num_classes))
    return DetectionDataset(class_names=names, records=tuple(records)), detections


def make_history(num_epochs):
    return [
        {
            "epoch": epoch,
            "box": 0.1 / (epoch + 1),
            "objectness": 0.08 / (epoch + 1),
            "class": 0.05 / (epoch + 1),
            "AP": 0.01 * epoch if epoch % 2 else None,
            "AP50": 0.02 * epoch if epoch % 2 else "",
        }
        for epoch in range(num_epochs)
    ]


@pytest.mark.parametrize("num_epochs", [1, 30])
def test_history(tmp_path, num_epochs):
    plots.plot_history(make_history(num_epochs), tmp_path / "plots" / "history.png")
    assert_picture(tmp_path / "plots" / "history.png")


def test_history_takes_the_strings_of_a_csv_and_no_rows(tmp_path):
    rows = [{"epoch": "0", "box": "0.5", "AP": ""}, {"epoch": "1", "box": "0.4", "AP": "0.25"}]
    plots.plot_history(rows, tmp_path / "a.png")
    plots.plot_history([{"epoch": 0, "box": 0.5}, {"epoch": 1, "box": 0.4, "AP": 0.25}], tmp_path / "b.png")
    assert (read_png(tmp_path / "a.png") == read_png(tmp_path / "b.png")).all()
    plots.plot_history([], tmp_path / "c.png")
    assert_picture(tmp_path / "c.png")


@pytest.mark.parametrize("draw", [plots.plot_precision_recall, plots.plot_f1])
def test_class_lines_have_the_colors_of_their_classes(tmp_path, draw):
    dataset, detections = make_split(3)
    draw(detection_curves(dataset, detections), tmp_path / "plot.png")
    pixels = assert_picture(tmp_path / "plot.png")
    for color in plots.class_colors(3):
        assert count_pixels(pixels, color) > 100


@pytest.mark.parametrize("draw", [plots.plot_precision_recall, plots.plot_f1])
def test_many_classes_become_a_grey_bundle(tmp_path, draw):
    dataset, detections = make_split(40)
    draw(detection_curves(dataset, detections), tmp_path / "plot.png")
    pixels = assert_picture(tmp_path / "plot.png")
    assert count_pixels(pixels, plots.class_colors(1)[0]) == 0


@pytest.mark.parametrize("draw", [plots.plot_precision_recall, plots.plot_f1])
def test_curves_without_boxes_say_so(tmp_path, draw):
    dataset = DetectionDataset(class_names=("cat",), records=())
    draw(detection_curves(dataset, []), tmp_path / "plot.png")
    assert_picture(tmp_path / "plot.png")


def test_confusion_matrix_shades_the_share_of_a_row(tmp_path):
    confusion = np.array([[50, 0, 0], [0, 0, 7], [0, 0, 0]])
    plots.plot_confusion_matrix(confusion, ("cat", "dog"), tmp_path / "plot.png")
    pixels = assert_picture(tmp_path / "plot.png")
    # Two of nine cells hold their whole row, whatever the counts: the darkest shade, of equal areas.
    dark = np.abs(pixels.astype(int) - (8, 41, 74)).max(-1) < 6
    rows = np.flatnonzero(dark[:, : pixels.shape[1] // 2].any(1))
    assert dark.sum() > 0.1 * dark.size * 2 / 9
    assert 0 < rows[0] < pixels.shape[0] / 2


@pytest.mark.parametrize("num_classes", [1, 80])
def test_confusion_matrix_of_any_number_of_classes(tmp_path, num_classes):
    confusion = np.diag(np.arange(num_classes + 1))
    plots.plot_confusion_matrix(confusion, [f"class {index}" for index in range(num_classes)], tmp_path / "plot.png")
    assert_picture(tmp_path / "plot.png")


def test_evaluation_writes_its_three_plots(tmp_path):
    dataset, detections = make_split(3)
    plots.plot_evaluation(detection_curves(dataset, detections), np.eye(4, dtype=int), dataset.class_names, tmp_path / "plots")
    names = sorted(path.name for path in (tmp_path / "plots").iterdir())
    assert names == ["confusion_matrix.png", "f1.png", "precision_recall.png"]
    for name in names:
        assert_picture(tmp_path / "plots" / name)


@pytest.mark.slow
@pytest.mark.parametrize("num_classes", [1, 3, 80])
def test_labels(tmp_path, num_classes):
    dataset, _ = make_split(num_classes)
    plots.plot_labels(dataset, tmp_path / "plot.png")
    pixels = assert_picture(tmp_path / "plot.png")
    assert count_pixels(pixels, plots.class_colors(1)[0]) > 100  # the bar of class 0


def test_labels_without_boxes(tmp_path):
    plots.plot_labels(DetectionDataset(class_names=("cat", "dog"), records=()), tmp_path / "plot.png")
    assert_picture(tmp_path / "plot.png")


def test_names_are_shown_as_they_are(tmp_path):
    """Neither read as mathematics nor dropped from the legend."""
    dataset, detections = make_split(3)
    awkward = DetectionDataset(class_names=("_a", "cost $5 or $x_{", "c"), records=dataset.records)
    curves = detection_curves(awkward, detections)
    plots.plot_precision_recall(curves, tmp_path / "curve.png")
    plots.plot_confusion_matrix(np.eye(4, dtype=int), awkward.class_names, tmp_path / "matrix.png")
    plots.plot_labels(awkward, tmp_path / "labels.png")
    assert_picture(tmp_path / "curve.png")


def make_comparison(bytes_of_second=9_000_000):
    sizes = (9_000_000, bytes_of_second, 5)
    return [
        {"path": f"model {index}", "AP": ap, "median_ms": 20.0 - 5 * index, "bytes": size}
        for index, (ap, size) in enumerate(zip((0.5, 0.4, None), sizes, strict=True))
    ]


def test_comparison_shows_the_size_as_area_and_leaves_out_what_has_no_accuracy(tmp_path):
    plots.plot_comparison(make_comparison(), tmp_path / "equal.png")
    plots.plot_comparison(make_comparison(3_000_000), tmp_path / "third.png")
    equal, third = assert_picture(tmp_path / "equal.png"), assert_picture(tmp_path / "third.png")
    opaque = [0.85 * color + 0.15 * 255 for color in plots.class_colors(3).astype(float)]
    # 700 square points at 130 dots per inch are 1792 px, less the number in it, and a small disk in the legend
    assert 1600 < count_pixels(equal, opaque[0]) < 2200 and count_pixels(equal, opaque[2]) == 0
    assert 0.25 < count_pixels(third, opaque[1]) / count_pixels(equal, opaque[1]) < 0.45
    assert count_pixels(third, opaque[0]) == count_pixels(equal, opaque[0])


def test_comparison_without_boxes_says_so(tmp_path):
    plots.plot_comparison(make_comparison()[2:], tmp_path / "plot.png")
    assert_picture(tmp_path / "plot.png")


def test_draws_in_a_thread(tmp_path):
    thread = threading.Thread(target=plots.plot_history, args=(make_history(3), tmp_path / "plot.png"))
    thread.start()
    thread.join()
    assert_picture(tmp_path / "plot.png")


def test_confusion_in_percent_of_each_true_class(monkeypatch):
    figures = []
    monkeypatch.setattr(plots, "save", lambda axes, path: figures.append(axes))
    confusion = np.array([[3, 1, 0], [0, 0, 0], [2, 0, 0]])
    for in_percent in (False, True):
        plots.plot_confusion_matrix(confusion, ("cat", "dog"), "confusion.png", in_percent=in_percent)
    assert [[text.get_text() for text in axes.texts] for axes in figures] == [["3", "1", "2"], ["75", "25", "100"]]
    assert plots.has_figures(["class"] * 24) and not plots.has_figures(["class"] * 25)
