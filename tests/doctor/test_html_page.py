"""The page names every check that found something, has its pictures in it, and needs nothing else."""

import numpy as np
from html_reader import Reader
from planted_sets import BOX, SECOND, clean_yolo, encoded, picture, put, row

from yolo_tf import cli
from yolo_tf.doctor import worst
from yolo_tf.doctor.checks import CHECKS
from yolo_tf.doctor.examination import examine
from yolo_tf.doctor.facts import read_facts
from yolo_tf.sources import read_source

DRAWN = {"labels.class", "labels.outside", "labels.not_numbers", "splits.leak", "boxes.vanish"}


def damaged(root):
    yaml_path = clean_yolo(root)
    rows = [row(0, BOX), row(1, SECOND), "9 0.5 0.5 0.2 0.2", "0 0.95 0.5 0.3 0.2", "0 nan 0.1 0.1 0.1", "0 0.2 0.9 0.004 0.1"]
    put(root / "labels/train/train1.txt", "\n".join(rows))
    put(root / "images/train/train2.jpg", encoded(picture(3))[:-700])
    put(root / "images/val/val1.jpg", (root / "images/train/train4.jpg").read_bytes())
    return yaml_path


def test_the_page_has_findings_and_pictures(tmp_path, capsys):
    path = tmp_path / "page.html"
    assert cli.main(["check-data", str(damaged(tmp_path)), "--html", str(path)]) == 1
    read = Reader(path.read_text())
    assert {*DRAWN, "files.truncated"} <= set(read.texts)
    assert "1 of 3 val images are in train" in " ".join(read.texts)
    assert len(read.sources) > 10 and all(source.startswith("data:image/") for source in read.sources)
    assert any("images/val/val1.jpg: is in train too" in text for text in read.texts)
    assert f"page: {path}" in capsys.readouterr().out
    assert cli.main(["check-data", str(damaged(tmp_path)), "--html", str(tmp_path)]) == 2


def test_a_clean_set_has_a_page_too(tmp_path):
    assert cli.main(["check-data", str(clean_yolo(tmp_path)), "--html", str(tmp_path / "page.html")]) == 0
    assert "Nothing." in Reader((tmp_path / "page.html").read_text()).texts


def test_findings_are_drawn_with_their_box_or_both_images(tmp_path):
    source = read_source(damaged(tmp_path))
    facts = read_facts(source, ("train", "val"), image_sizes=[(640, 640)])
    drawn = worst.write_worst(facts, examine(facts, CHECKS), tmp_path / "pictures")
    by_id = {one.finding.id: one for one in drawn}
    assert "files.truncated" not in by_id, "it does not decode"
    assert set(by_id) == DRAWN
    assert [one.path.name for one in drawn] == [f"{number:02d}.jpg" for number in range(len(drawn))]
    views = worst._views(facts, [one.finding for one in drawn])
    record, class_ids, boxes = views[by_id["labels.class"].finding.place]
    assert (record.image_id, class_ids.tolist()) == ("train1", [9]) and np.allclose(boxes, [[38.4, 28.8, 57.6, 43.2]], atol=1e-4)
    record, class_ids, _ = views[by_id["labels.not_numbers"].finding.file]
    assert len(class_ids) == 3, "no box of a row that is none, but the good ones of its image"


def test_around_a_small_box_alone_its_surroundings_are_drawn():
    whole = (0, 0, 600, 300)
    assert worst._window(np.array([[300.0, 100, 310, 110]]), (600, 300)) == (245, 45, 365, 165)
    assert worst._window(np.array([[0.0, 0, 4, 4]]), (600, 300)) == (0, 0, 62, 62)
    assert worst._window(np.array([[10.0, 10, 200, 40]]), (600, 300)) == whole
    assert worst._window(np.array([[0.0, 0, 4, 4], [9, 9, 12, 12]]), (600, 300)) == whole
    assert worst._window(np.zeros((0, 4)), (600, 300)) == whole
