"""A corrected copy passes, says every change, and leaves the original as it was."""

import json
import os

import numpy as np
from PIL import Image
from planted_sets import BOX, SECOND, change_json, clean_coco, clean_voc, clean_yolo, encoded, picture, put, row, xml, xml_object

from yolo_tf import cli
from yolo_tf.sources import read_dataset, read_source


def content_of(root):
    return {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}


def fixed(yaml_path, *words):
    """Returns (exit code, root of the copy, {(kind, place from the root): after}) and holds that the original stayed."""
    root, out = yaml_path.parent, yaml_path.parent.parent / "fixed"
    before = content_of(root)
    code = cli.main(["check-data", str(yaml_path), "--fix", str(out), *words])
    assert content_of(root) == before
    rows = [json.loads(line) for line in (out / "changes.jsonl").read_text().splitlines()]
    return code, out, {(change["kind"], change["place"].removeprefix(f"{root}/")): change["after"] for change in rows}


def test_a_yolo_set_is_mended_row_by_row(tmp_path):
    yaml_path = clean_yolo(tmp_path / "set")
    root = yaml_path.parent
    rows = [
        row(0, BOX),
        "1 0.95 0.5 0.3 0.2",  # reaches outside
        "0 0.5 0.5 -0.25 0.5",  # swapped
        "1 48 36 24 18",  # pixels
        "0 0.2 0.2 0.1 0.1 0.93",  # a score
        "0 0.5 0.5 0.2",  # too few columns
        "7 0.5 0.5 0.2 0.2",  # no such class
        "1 0.5 0.5 0.2 0",  # no area
        row(0, BOX),  # repeated
        "1 0.1 0.7 0.3 0.7 0.3 0.9",  # a polygon, untouched
    ]
    put(root / "labels/train/train1.txt", "\n".join(rows))
    put(root / "images/train/train2.jpg", encoded(picture(3))[:-700])
    put(root / "images/train/train3.jpg", encoded(picture(4), "PNG"))
    put(root / "labels/train/lost.txt", row(0, BOX))
    put(root / "labels/val/val0.txt", b"\xff\xfe0\0")
    put(root / "images/val/val1.jpg", (root / "images/train/train4.jpg").read_bytes())
    code, out, changes = fixed(yaml_path)
    assert code == 0
    label = "labels/train/train1.txt"
    kinds = {place.rpartition(":")[2]: kind for kind, place in changes if place.startswith(label)}
    assert kinds == {
        **{"2": "outside", "3": "swapped", "4": "pixels", "5": "columns"},
        **{"6": "columns", "7": "class", "8": "no_area", "9": "repeated"},
    }
    assert (out / label).read_text().splitlines() == [
        row(0, BOX),
        "1 0.9 0.5 0.2 0.2",
        "0 0.5 0.5 0.25 0.5",
        "1 0.5 0.5 0.25 0.25",
        "0 0.2 0.2 0.1 0.1",
        "1 0.1 0.7 0.3 0.7 0.3 0.9",
    ]
    assert changes["renamed", "images/train/train3.jpg"] == ".png"
    assert os.readlink(out / "images/train/train3.png") == str(root / "images/train/train3.jpg")
    gone = {place for kind, place in changes if kind == "image"}
    assert gone == {"images/train/train2.jpg", "images/val/val0.jpg", "images/train/train4.jpg"}  # the last is in val too
    assert ("orphan", "labels/train/lost.txt") in changes and not (out / "labels/train/lost.txt").exists()
    assert (out / "labels/val/val2.txt").read_bytes() == (root / "labels/val/val2.txt").read_bytes()


def test_ids_that_count_from_one_lose_one(tmp_path):
    yaml_path = clean_yolo(tmp_path / "set")
    for path in yaml_path.parent.glob("labels/*/*.txt"):
        put(path, f"{row(1, BOX)}\n{row(2, SECOND)}\n")
    code, out, _ = fixed(yaml_path)
    assert code == 0
    assert (out / "labels/train/train0.txt").read_text() == f"{row(0, BOX)}\n{row(1, SECOND)}\n"


def test_a_voc_set_keeps_what_is_not_wrong(tmp_path):
    yaml_path = clean_voc(tmp_path / "set")
    root, sides = yaml_path.parent, "<xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax>"
    objects = [f"<object><name>cat</name><pose>Left</pose><bndbox>{sides.format(*box)}</bndbox></object>" for box in (
        (41, 11, 120, 40), (30, 40, 11, 20), (20, 10, 20, 40)
    )]  # fmt: skip
    flagged = xml_object("dog", SECOND, "<difficult>maybe</difficult>")
    put(root / "Annotations/train1.xml", xml([xml_object("cat", BOX), *objects, flagged, xml_object("emu", BOX)]))
    put(root / "Annotations/train2.xml", "<annotation><object>")
    put(root / "Annotations/train3.xml", xml([xml_object("cat", BOX)], (50, 50)))
    exif = Image.Exif()
    exif[0x0112] = 6
    put(root / "JPEGImages/train4.jpg", encoded(picture(105), exif=exif.tobytes()))
    turned = xml([xml_object("cat", (10, 8, 90, 40))]).replace("<width>96</width><height>72</height>", "")
    put(root / "Annotations/train4.xml", turned)
    code, out, changes = fixed(yaml_path)
    assert code == 0
    dataset = read_dataset(read_source(out / "data.yaml"), "train")
    (record,) = [record for record in dataset.records if record.image_id == "train1"]
    assert record.boxes.tolist() == [list(BOX), [40, 10, 96, 40], [10, 19, 30, 40], list(SECOND)]
    text = (out / "Annotations/train1.xml").read_text()
    assert text.count("<pose>Left</pose>") == 2 and "line=" not in text
    gone = {place for kind, place in changes if kind == "image"}
    assert gone == {"JPEGImages/train2.jpg", "JPEGImages/train3.jpg"}
    (record,) = [record for record in dataset.records if record.image_id == "train4"]
    assert (record.height, record.width) == (96, 72) and record.boxes.tolist() == [[32, 10, 64, 90]]


def test_a_coco_set_keeps_its_other_fields(tmp_path):
    yaml_path = clean_coco(tmp_path / "set")

    def damage(document):
        document["info"] = {"year": 2007}
        new = {"image_id": 2, "category_id": 9, "iscrowd": 0, "segmentation": [[1, 2, 3, 4, 5, 6]]}
        for number, (box, changes) in enumerate([
            ([70, 5, 40, 20], {}), ([45, 5, -30, 20], {}), ([5, 5, 0, 20], {}),
            ([5, 50, 20, 20], {"iscrowd": 3}), ([1, 2, 3, 4], {"image_id": 99}),
        ]):  # fmt: skip
            document["annotations"].append(new | {"id": 100 + number, "bbox": box} | changes)
        document["images"][2]["width"] += 7

    change_json(yaml_path.parent / "train.json", damage)
    code, out, changes = fixed(yaml_path)
    assert code == 0
    document = json.loads((out / "annotations/train.json").read_text())
    assert document["info"] == {"year": 2007} and len(document["images"]) == 5
    boxes = [one["bbox"] for one in document["annotations"] if "segmentation" in one]
    assert boxes == [[70, 5, 26, 20], [15, 5, 30, 20], [5, 50, 20, 20]]
    assert changes["no_area", "train.json: annotation 102"] == "" and changes["no_image", "train.json: annotation 104"] == ""


def test_numbers_that_json_does_not_have_are_null_in_the_copy(tmp_path):
    yaml_path = clean_coco(tmp_path / "set")

    def damage(document):
        document["info"] = {"score": float("inf")}
        document["annotations"][0]["area"] = float("nan")
        document["annotations"][1]["bbox"] = [float("nan"), 5, 20, 20]

    change_json(yaml_path.parent / "train.json", damage)
    code, out, changes = fixed(yaml_path)
    texts = [path.read_text() for path in (out / "annotations/train.json", out / "changes.jsonl")]
    assert code == 0 and not any(word in text for text in texts for word in ("NaN", "Infinity"))
    document = json.loads(texts[0])
    assert document["info"] == {"score": None} and document["annotations"][0]["area"] is None
    assert changes == {("numbers", "train.json: annotation 2"): ""}


def test_a_new_split_leaves_no_leak_and_keeps_films_together(tmp_path):
    root = tmp_path / "set"
    for film in range(12):
        for frame in range(4):
            split = "val" if (film + frame) % 4 == 0 else "train"
            name = f"film{film}_{frame:04d}"
            shifted = picture(film).crop((2 * frame, 0, 90 + 2 * frame, 70))
            put(root / f"images/{split}/{name}.jpg", encoded(shifted))
            put(root / f"labels/{split}/{name}.txt", row(film % 2, BOX))
    put(root / "images/val/again.jpg", encoded(picture(3).crop((0, 0, 90, 70)).transpose(Image.Transpose.ROTATE_90)))
    put(root / "labels/val/again.txt", row(1, BOX))
    put(root / "data.yaml", "train: images/train\nval: images/val\nnames: [cat, dog]\n")
    code, out, _ = fixed(root / "data.yaml", "--resplit", "--strict", "--only", "splits", "classes")
    assert code == 0
    films = {split: {path.name.partition("_")[0] for path in (out / f"images/{split}").iterdir()} for split in ("train", "val")}
    assert not films["train"] & films["val"] and len(films["val"] - {"again.jpg"}) == 3
    split_of_again = next(split for split in films if "again.jpg" in films[split])
    assert "film3" in films[split_of_again]
    dataset = read_dataset(read_source(out / "data.yaml"), "val")
    share = np.mean(np.concatenate([record.class_ids for record in dataset.records]))
    assert 0.25 <= share <= 0.75


def test_a_format_without_label_files_is_refused_and_nothing_is_left(tmp_path, capsys):
    yaml_path = clean_yolo(tmp_path / "set")
    assert cli.main(["pack", str(yaml_path), "--out", str(tmp_path / "packed")]) == 0
    assert cli.main(["check-data", str(tmp_path / "packed/dataset.yaml"), "--fix", str(tmp_path / "fixed")]) == 2
    assert "is of the format tfrecord. Expected yolo, coco, voc" in capsys.readouterr().err
    assert not (tmp_path / "fixed").exists()
    assert cli.main(["check-data", str(yaml_path), "--fix", str(tmp_path / "packed")]) == 2
    put(tmp_path / "file", "")
    capsys.readouterr()
    assert cli.main(["check-data", str(yaml_path), "--fix", str(tmp_path / "file/fixed")]) == 2
    said = capsys.readouterr()
    assert f"file/fixed: cannot be written in {tmp_path / 'file'}. Expected a directory. Change --fix." in said.err
    assert not said.out  # before the examination, not after it
    assert cli.main(["check-data", str(yaml_path), "--resplit"]) == 2
    assert "--resplit: is for a corrected copy. Expected --fix with it." in capsys.readouterr().err


def test_corners_in_pixels_are_told_from_centres_by_all_rows(tmp_path):
    yaml_path = clean_yolo(tmp_path / "set")
    for number, text in enumerate(["0 10 10 20 30\n0 50 20 90 60", "1 30 40 44 50"]):  # the first row alone would fit as centre
        put(yaml_path.parent / f"labels/train/train{number}.txt", text)
    code, out, changes = fixed(yaml_path)
    assert code == 0 and [kind for kind, _ in changes] == ["pixels"] * 3
    boxes = {one.image_id: one.boxes.round(4).tolist() for one in read_dataset(read_source(out / "data.yaml"), "train").records}
    assert boxes["train0"] == [[10, 10, 20, 30], [50, 20, 90, 60]] and boxes["train1"] == [[30, 40, 44, 50]]


def test_of_two_faults_in_one_label_both_are_mended(tmp_path):
    yaml_path = clean_voc(tmp_path / "set")
    flag = "<difficult>maybe</difficult>"
    objects = [xml_object("cat", (40, 10, 120, 40), flag), xml_object("emu", BOX, flag)]
    put(yaml_path.parent / "Annotations/train1.xml", xml([*objects, xml_object("dog", SECOND)]))
    code, out, _ = fixed(yaml_path)
    assert code == 0
    records = {record.image_id: record for record in read_dataset(read_source(out / "data.yaml"), "train").records}
    assert records["train1"].boxes.tolist() == [[40, 10, 96, 40], list(SECOND)]


def test_the_same_file_with_other_labels_stays_for_a_person_to_decide(tmp_path):
    yaml_path = clean_yolo(tmp_path / "set")
    root = yaml_path.parent
    for name, text in (("same", row(0, BOX) + "\n" + row(1, SECOND)), ("other", row(1, BOX))):
        put(root / f"images/train/{name}.jpg", (root / "images/train/train1.jpg").read_bytes())
        put(root / f"labels/train/{name}.txt", text)
    code, out, changes = fixed(yaml_path)
    gone = {place for kind, place in changes if kind == "image"}
    assert code == 0 and gone == {"images/train/train1.jpg"}  # "other" is the first by its name, "same" the first of its labels
    assert len(list((out / "images/train").iterdir())) == 7


def test_an_empty_split_is_named(tmp_path, capsys):
    yaml_path, out = clean_yolo(tmp_path / "set"), tmp_path / "fixed"
    for path in (tmp_path / "set/images/val").iterdir():
        path.unlink()
    assert cli.main(["check-data", str(yaml_path), "--fix", str(out)]) == 2
    assert "data.yaml: val has no images. Expected one or more. Add some, or remove" in capsys.readouterr().err
    assert not out.exists()


def test_a_set_whose_train_is_its_val_is_split_anew_or_refused(tmp_path, capsys):
    yaml_path = clean_yolo(tmp_path / "set", counts=[("train", 8)])
    put(yaml_path, "train: images/train\nval: images/train\nnames: [cat, dog]\n")
    out = tmp_path / "fixed"
    assert cli.main(["check-data", str(yaml_path), "--fix", str(out)]) == 2
    assert "train would be left without images" in capsys.readouterr().err and not out.exists()
    assert cli.main(["check-data", str(yaml_path), "--fix", str(out), "--resplit"]) == 0
    names = [{path.name for path in (out / f"images/{split}").iterdir()} for split in ("train", "val")]
    assert [len(one) for one in names] == [4, 4] and not names[0] & names[1]


def test_splits_of_other_categories_are_not_mixed(tmp_path, capsys):
    yaml_path = clean_coco(tmp_path / "set")
    words = ["check-data", str(yaml_path), "--fix", str(tmp_path / "fixed"), "--resplit"]
    assert cli.main(words) == 0
    files = [tmp_path / f"fixed/annotations/{split}.json" for split in ("train", "val")]
    assert [json.loads(file.read_text())["categories"] for file in files] == [
        [{"id": 5, "name": "cat"}, {"id": 9, "name": "dog"}]
    ] * 2
    change_json(yaml_path.parent / "val.json", lambda document: document["categories"].reverse())
    change_json(yaml_path.parent / "val.json", lambda document: [one.update(id=14 - one["id"]) for one in document["categories"]])
    put(yaml_path, yaml_path.read_text() + "names: [cat, dog]\n")
    words[3] = str(tmp_path / "again")
    assert cli.main(words) == 2
    assert "--resplit: " in capsys.readouterr().err and not (tmp_path / "again").exists()
