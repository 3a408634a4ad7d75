"""Every planted damage is found with its file and line, each alone, and the clean twins have no findings."""

import functools
import io
import json
import shutil

import numpy as np
import pytest
from PIL import Image
from planted_sets import (
    BOX,
    HEIGHT,
    SECOND,
    WIDTH,
    change_json,
    clean_coco,
    clean_voc,
    clean_yolo,
    coco_box,
    encoded,
    findings_of,
    picture,
    put,
    row,
    xml,
    xml_object,
)

from yolo_tf.doctor.checks import CHECKS
from yolo_tf.doctor.examination import examine
from yolo_tf.doctor.facts import read_facts
from yolo_tf.doctor.repair.copy import repair
from yolo_tf.sources import read_source

CLEAN = {"yolo": clean_yolo, "voc": clean_voc, "coco": clean_coco}


@pytest.mark.parametrize("format_name", CLEAN)
def test_a_clean_data_set_has_no_findings(tmp_path, format_name):
    assert findings_of(CLEAN[format_name](tmp_path)) == set()


IMAGE, LABEL = "images/train/train1.jpg", "labels/train/train1.txt"
PROGRESSIVE = encoded(picture(2), progressive=True, quality=95)
YAML = "train: images/train\nval: images/val\nnames: [cat, dog]\n"
DEEP = np.full((HEIGHT, WIDTH), 60000, np.uint16)
PNG = encoded(picture(2), "PNG")


def add_row(text, root):
    put(root / LABEL, f"{row(0, BOX)}\n{row(1, SECOND)}\n{text}\n")


def write_all(text_of, root):
    for path in sorted(root.glob("labels/*/*.txt")):
        put(path, text_of(path))


def write_image(contents, root, name=IMAGE):
    put(root / name, contents)


def grey_below(image):
    pixels = image.copy()
    pixels.paste((128, 128, 128), (0, 48, WIDTH, HEIGHT))
    return pixels


def list_with(line, root):
    lines = [f"images/train/train{number}.jpg" for number in range(6)]
    put(root / "train.txt", "\n".join([*lines, line]) + "\n")
    put(root / "data.yaml", YAML.replace("images/train", "train.txt"))


def copy_image(target, root, change=None):
    contents = (root / IMAGE).read_bytes()
    put(root / target, encoded(change(Image.open(io.BytesIO(contents))), quality=90) if change else contents)
    label = root / target.replace("images", "labels").replace(".jpg", ".txt")
    put(label, f"{row(0, BOX)}\n{row(1, SECOND)}\n")


YOLO = {  # id -> (what is done to the clean set, file, line)
    "files.missing": (functools.partial(list_with, "images/train/gone.jpg"), "images/train/gone.jpg", ""),
    "files.listed_twice": (functools.partial(list_with, IMAGE), IMAGE, ""),
    "files.empty": (functools.partial(write_image, b""), IMAGE, ""),
    "files.unreadable": (functools.partial(write_image, b"no picture at all"), IMAGE, ""),
    "files.truncated": (functools.partial(write_image, encoded(picture(2))[:-900]), IMAGE, ""),
    "files.truncated progressive": (
        functools.partial(write_image, PROGRESSIVE[: PROGRESSIVE.rindex(b"\xff\xda")] + b"\xff\xd9"),
        IMAGE,
        "",
    ),
    "files.truncated PNG": (
        functools.partial(write_image, PNG[:400] + bytes([PNG[400] ^ 1]) + PNG[401:], name=IMAGE),
        IMAGE,
        "",
    ),
    "files.grey_edge": (functools.partial(write_image, encoded(grey_below(picture(2)), quality=100)), IMAGE, ""),
    "files.wrong_suffix": (functools.partial(write_image, PNG), IMAGE, ""),
    "files.left_out": (lambda root: put(root / "images/train/x.tiff", b"II*\0"), "", ""),
    "files.same": (functools.partial(copy_image, "images/train/z.jpg"), "images/train/z.jpg", ""),
    "files.alike": (
        functools.partial(copy_image, "images/train/z.jpg", change=lambda image: image.transpose(Image.Transpose.ROTATE_90)),
        "images/train/z.jpg",
        "",
    ),
    "splits.leak": (functools.partial(copy_image, "images/val/z.jpg"), "images/val/z.jpg", ""),
    "splits.near_leak": (
        functools.partial(copy_image, "images/val/z.jpg", change=lambda image: image.resize((60, 45))),
        "images/val/z.jpg",
        "",
    ),
    "images.grey": (functools.partial(write_image, encoded(picture(2).convert("L"))), IMAGE, ""),
    "images.cmyk": (functools.partial(write_image, encoded(picture(2).convert("CMYK"))), IMAGE, ""),
    "images.transparent": (functools.partial(write_image, encoded(picture(2).convert("RGBA"), "PNG")), IMAGE, ""),
    "images.deep": (
        functools.partial(write_image, encoded(Image.fromarray(DEEP), "PNG")),
        IMAGE,
        "",
    ),
    "images.tiny": (functools.partial(write_image, encoded(picture(2, (20, 16)))), IMAGE, ""),
    "images.extreme_aspect": (functools.partial(write_image, encoded(picture(2, (700, 100)))), IMAGE, ""),
    "images.unlabelled": (lambda root: (root / LABEL).unlink(), IMAGE, ""),
    "labels.unreadable": (lambda root: put(root / LABEL, b"0 0.5 0.5 0.2 0.2 \xe9\n"), LABEL, "1"),
    "labels.columns": (functools.partial(add_row, "0 0.5 0.5 0.2"), LABEL, "3"),
    "labels.columns score": (functools.partial(add_row, "0 0.5 0.5 0.2 0.2 0.93"), LABEL, "3"),
    "labels.not_numbers": (functools.partial(add_row, "0 0.5 half 0.2 0.2"), LABEL, "3"),
    "labels.not_numbers nan": (functools.partial(add_row, "0 0.5 nan 0.2 0.2"), LABEL, "3"),
    "labels.pixels": (functools.partial(add_row, "0 48 36 20 20"), LABEL, "3"),
    "labels.outside": (functools.partial(add_row, "0 0.95 0.5 0.3 0.2"), LABEL, "3"),
    "labels.no_area": (functools.partial(add_row, "0 0.5 0.5 0.2 0"), LABEL, "3"),
    "labels.swapped": (functools.partial(add_row, "0 0.5 0.5 -0.2 0.3"), LABEL, "3"),
    "labels.class": (functools.partial(add_row, "2 0.5 0.5 0.2 0.3"), LABEL, "3"),
    "labels.class half": (functools.partial(add_row, "0.5 0.5 0.5 0.2 0.3"), LABEL, "3"),
    "labels.off_by_one": (
        functools.partial(write_all, lambda path: f"{row(1, BOX)}\n{row(2, SECOND)}\n"),
        "labels/train/train0.txt",
        "2",
    ),
    "labels.polygons": (functools.partial(add_row, "0 0.1 0.1 0.4 0.1 0.4 0.5"), LABEL, "3"),
    "labels.keypoints": (functools.partial(add_row, "0 0.5 0.5 0.2 0.2 0.5 0.5 2 0.45 0.5 1"), LABEL, "3"),
    "labels.orphan": (lambda root: put(root / "labels/train/lost.txt", row(0, BOX)), "labels/train/lost.txt", ""),
    "labels.none": (lambda root: shutil.rmtree(root / "labels/val"), "data.yaml", ""),
    "labels.shared": (lambda root: put(root / "images/train/train1.png", encoded(picture(60), "PNG")), LABEL, ""),
    "labels.repeated": (functools.partial(add_row, row(0, BOX)), LABEL, "3"),
    "boxes.nearly_equal": (functools.partial(add_row, row(0, (12, 8, 44, 49))), LABEL, "3"),
    "boxes.two_classes": (functools.partial(add_row, row(1, (12, 8, 44, 49))), LABEL, "3"),
    "boxes.cover_image": (functools.partial(add_row, "0 0.5 0.5 1 1"), LABEL, "3"),
    "boxes.vanish": (functools.partial(add_row, "0 0.5 0.5 0.004 0.2"), LABEL, "3"),
    "boxes.many": (
        lambda root: put(root / LABEL, "\n".join(f"{n % 2} {0.1 + n * 0.004} 0.3 0.08 0.3" for n in range(200))),
        IMAGE,
        "",
    ),
    "classes.unused": (lambda root: put(root / "data.yaml", YAML.replace("dog", "dog, emu")), "data.yaml", ""),
    "classes.absent": (lambda root: [put(path, row(0, BOX)) for path in root.glob("labels/val/*.txt")], "", ""),
    "classes.imbalance": (
        lambda root: [
            put(path, "\n".join(row(int(n == 0 and path.stem == "train0"), (n, 3 * n, n + 30, 3 * n + 9)) for n in range(20)))
            for path in root.glob("labels/train/*.txt")
        ],
        "",
        "",
    ),
    "splits.unreadable": (lambda root: shutil.rmtree(root / "images/val"), "data.yaml", ""),
    "splits.labels_differ": (
        lambda root: (copy_image("images/val/z.jpg", root), put(root / "labels/val/z.txt", row(1, BOX))),
        "images/val/z.jpg",
        "",
    ),
}  # fmt: skip
# What comes along with some damage, as it is damage too.
ALSO = {
    "files.truncated PNG": {"files.wrong_suffix"},
    "images.transparent": {"files.wrong_suffix"},
    "images.deep": {"files.wrong_suffix"},
    "images.tiny": set(),
    "labels.off_by_one": {"labels.class", "classes.unused"},
    "labels.shared": set(),
    "labels.none": {"images.unlabelled", "classes.absent"},
    "labels.columns": set(),
    "splits.labels_differ": {"splits.leak"},
    "boxes.many": {"boxes.nearly_equal", "boxes.two_classes", "labels.outside"},
    "files.empty": set(),
}  # fmt: skip


@pytest.mark.parametrize("damage", YOLO)
def test_damage_of_a_yolo_data_set_is_found_and_nothing_else(tmp_path, damage):
    yaml_path = clean_yolo(tmp_path)
    change, file, line = YOLO[damage]
    change(tmp_path)
    found, check_id = findings_of(yaml_path), damage.partition(" ")[0]
    assert (check_id, file, line) in found
    others = {finding[0] for finding in found} - {check_id} - ALSO.get(damage, set()) - {"anchors.recall"}
    assert not others


def annotate(objects, root, size=(WIDTH, HEIGHT)):
    put(root / "Annotations/train1.xml", xml([xml_object("cat", BOX), xml_object("dog", SECOND), *objects], size))


SIDES = "<xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax>"
XML = "Annotations/train1.xml"


def bare(*sides):
    return f"<object><name>cat</name><bndbox>{SIDES.format(*sides)}</bndbox></object>"


def turn(exif_size, stated, box, root):
    exif = Image.Exif()
    exif[0x0112] = 6
    put(root / "JPEGImages/train1.jpg", encoded(picture(102), exif=exif.tobytes()))
    text = xml([xml_object("cat", box), xml_object("dog", (20, 12, 60, 40))], stated)
    put(root / XML, text if stated else text.replace("<width>0</width><height>0</height>", ""))


VOC = {
    "labels.unreadable": (lambda root: put(root / XML, "<annotation><object>"), XML, "1"),
    "labels.unreadable missing": (lambda root: (root / XML).unlink(), XML, ""),
    "labels.not_numbers": (functools.partial(annotate, [bare(1, "two", 30, 40)]), XML, "5"),
    "labels.no_area": (functools.partial(annotate, [bare(20, 10, 20, 40)]), XML, "5"),
    "labels.swapped": (functools.partial(annotate, [bare(40, 10, 20, 40)]), XML, "5"),
    "labels.outside": (functools.partial(annotate, [bare(40, 10, 120, 40)]), XML, "5"),
    "labels.class": (functools.partial(annotate, [xml_object("emu", (5, 5, 30, 30))]), XML, "5"),
    "labels.flag": (
        functools.partial(annotate, [xml_object("cat", (5, 5, 30, 30), "<difficult>maybe</difficult>")]),
        XML,
        "5",
    ),
    "labels.repeated": (functools.partial(annotate, [xml_object("cat", BOX)]), XML, "5"),
    "images.stated_size": (functools.partial(annotate, [], size=(WIDTH, HEIGHT + 3)), XML, ""),
    "images.rotated": (functools.partial(turn, None, (WIDTH, HEIGHT), (10, 8, 50, 40)), "JPEGImages/train1.jpg", ""),
    "images.rotated_labels": (functools.partial(turn, None, (0, 0), (10, 8, 90, 40)), "JPEGImages/train1.jpg", ""),
    "files.missing": (lambda root: (root / "JPEGImages/train1.jpg").unlink(), "JPEGImages/train1.jpg", ""),
    "boxes.nearly_equal": (functools.partial(annotate, [xml_object("cat", (12, 8, 44, 49))]), XML, "5"),
}  # fmt: skip
VOC_ALSO = {"images.rotated_labels": {"images.rotated", "labels.outside"}}


@pytest.mark.parametrize("damage", VOC)
def test_damage_of_a_voc_data_set_is_found_and_nothing_else(tmp_path, damage):
    yaml_path = clean_voc(tmp_path)
    change, file, line = VOC[damage]
    change(tmp_path)
    found, check_id = findings_of(yaml_path), damage.partition(" ")[0]
    assert (check_id, file, line) in found
    assert not {finding[0] for finding in found} - {check_id} - VOC_ALSO.get(damage, set()) - {"anchors.recall"}


def annotation(**changes):
    whole = {"id": 77, "image_id": 2, "category_id": 5, "bbox": [5, 5, 30, 30], "iscrowd": 0} | changes
    return lambda document: document["annotations"].append(whole)


def image_entry(**changes):
    return lambda document: document["images"][1].update(changes)


COCO = {
    "labels.no_image": (annotation(image_id=99), "train.json", "annotation 77"),
    "labels.class": (annotation(category_id=6), "train.json", "annotation 77"),
    "labels.not_numbers": (annotation(bbox=[5, 5, 30]), "train.json", "annotation 77"),
    "labels.no_area": (annotation(bbox=[5, 5, 30, 0]), "train.json", "annotation 77"),
    "labels.swapped": (annotation(bbox=[45, 5, -30, 20]), "train.json", "annotation 77"),
    "labels.outside": (annotation(bbox=[70, 5, 40, 20]), "train.json", "annotation 77"),
    "labels.flag": (annotation(iscrowd=3), "train.json", "annotation 77"),
    "labels.repeated": (annotation(bbox=coco_box(BOX)), "train.json", "annotation 77"),
    "boxes.two_classes": (annotation(category_id=9, bbox=coco_box((12, 8, 44, 49))), "train.json", "annotation 77"),
    "images.stated_size": (image_entry(height=HEIGHT + 5), "train.json", "image 2"),
    "files.missing": (image_entry(file_name="gone.jpg"), "train/gone.jpg", ""),
    "files.left_out": (lambda d: d["images"].append(d["images"][0] | {"id": 70}), "", ""),
    "splits.unreadable": (lambda d: d.pop("images"), "train.json", ""),
    "classes.absent": (lambda d: d.update(annotations=d["annotations"][::2]), "", ""),
}  # fmt: skip


@pytest.mark.parametrize("damage", COCO)
def test_damage_of_a_coco_data_set_is_found_and_nothing_else(tmp_path, damage):
    yaml_path = clean_coco(tmp_path)
    change, file, line = COCO[damage]
    change_json(tmp_path / "train.json", change)
    found = findings_of(yaml_path)
    assert (damage, file, line) in found
    assert not {finding[0] for finding in found} - {damage, "anchors.recall"}


def change_train(change, root):
    change_json(root / "train.json", change)


# What a person alone can mend: nobody else knows what the rows or the splits are meant to be.
UNFIXABLE = ("labels.keypoints", "labels.none", "splits.unreadable")
FIXABLE = [
    *((clean_yolo, damage, what[0]) for damage, what in YOLO.items()),
    *((clean_voc, damage, what[0]) for damage, what in VOC.items()),
    *((clean_coco, damage, functools.partial(change_train, what[0])) for damage, what in COCO.items()),
]  # fmt: skip


@pytest.mark.parametrize(("clean", "damage", "change"), [one for one in FIXABLE if one[1] not in UNFIXABLE])
def test_a_corrected_copy_has_no_errors(tmp_path, clean, damage, change):
    source = read_source(clean(tmp_path / "set"))
    change(tmp_path / "set")
    source = read_source(source.yaml_path)
    repair(read_facts(source, tuple(source.splits), image_sizes=[(640, 640)]), tmp_path / "fixed")
    copy = read_source(tmp_path / "fixed/data.yaml")
    findings = examine(read_facts(copy, tuple(copy.splits), image_sizes=[(640, 640)]), CHECKS).findings
    assert [finding for finding in findings if finding.severity == "error"] == []


def test_the_planted_kinds_are_many():
    assert len({*YOLO} | {*VOC} | {*COCO}) >= 55
    planted = {damage.partition(" ")[0] for damage in (*YOLO, *VOC, *COCO)}
    assert set(CHECKS) - planted == {"anchors.recall", "labels.misplaced"}  # these have tests of their own


def test_json_of_an_examination_holds_every_finding(tmp_path):
    yaml_path = clean_yolo(tmp_path)
    add_row("0 0.5 0.5 0.2", tmp_path)
    source = read_source(yaml_path)
    examination = examine(read_facts(source, ("train",), image_sizes=[(640, 640)]), CHECKS)
    document = json.loads(json.dumps(examination.to_json()))
    (finding,) = [one for one in document["findings"] if one["severity"] == "error"]
    assert finding["line"] == "3" and finding["message"] == "4 columns."
    assert finding["expected"].startswith("5 (class x y width height)")
