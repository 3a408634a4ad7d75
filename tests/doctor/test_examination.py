"""Which checks look, what is new against a baseline, and that a check that fails is a finding."""

import dataclasses
import json

import pytest
from planted_sets import BOX, clean_yolo, encoded, picture, put, row

from yolo_tf.doctor.checks import CHECKS
from yolo_tf.doctor.examination import against, chosen_checks, examine, read_baseline
from yolo_tf.doctor.facts import read_facts
from yolo_tf.doctor.findings import Found, finding_of
from yolo_tf.doctor.report import format_examination
from yolo_tf.errors import InputError
from yolo_tf.sources import read_source


def examined(yaml_path, checks=CHECKS, image_size=(640, 640)):
    source = read_source(yaml_path)
    return examine(read_facts(source, tuple(source.splits), image_sizes=[image_size]), checks)


def test_words_choose_checks():
    assert set(chosen_checks(only=("files.empty", "classes"))) == {
        "files.empty",
        "classes.unused",
        "classes.absent",
        "classes.imbalance",
    }
    assert set(CHECKS) - set(chosen_checks(skip=("files", "splits.leak"))) == {
        check_id for check_id in CHECKS if check_id.startswith("files.") or check_id == "splits.leak"
    }
    with pytest.raises(InputError, match=r"^only: unknown check 'files\.emty'\. Did you mean 'files\.empty'\?"):
        chosen_checks(only=("files.emty",))
    with pytest.raises(InputError, match="leaves no check"):
        chosen_checks(only=("files",), skip=("files",))


def test_a_check_that_fails_is_a_finding_and_the_others_go_on(tmp_path):
    def fail(facts):
        raise ZeroDivisionError("by nothing")

    put(clean_yolo(tmp_path).parent / "labels/train/train0.txt", "0 0.5 0.5 0.2\n")
    checks = {**CHECKS, "boxes.vanish": dataclasses.replace(CHECKS["boxes.vanish"], find=fail)}
    found = {finding.id: finding for finding in examined(tmp_path / "data.yaml", checks).findings}
    assert found["check.crashed"].severity == "error"
    assert found["check.crashed"].message == "boxes.vanish failed: ZeroDivisionError: by nothing"
    assert found["labels.columns"].line == "1"


def test_a_baseline_leaves_what_is_known_and_tells_what_went(tmp_path):
    yaml_path = clean_yolo(tmp_path)
    put(tmp_path / "labels/train/train0.txt", "0 0.5 0.5 0.2\n0 0.5 0.5 0.2\n")
    put(tmp_path / "labels/val/val0.txt", f"{row(0, BOX)}\n9 0.5 0.5 0.2 0.2\n")
    before = tmp_path / "before.json"
    before.write_text(json.dumps(examined(yaml_path).to_json()))
    put(tmp_path / "labels/train/train0.txt", "0 0.5 0.5 0.2\n")  # the second is mended
    put(tmp_path / "images/train/train3.jpg", b"")  # this is new
    compared = against(examined(yaml_path), read_baseline(before))
    assert [(finding.id, finding.severity) for finding in compared.findings] == [("files.empty", "error")]
    assert [finding.place for finding in compared.gone] == [str(tmp_path / "labels/train/train0.txt:2")]
    assert compared.known == 2
    text = format_examination(compared)
    assert "against the baseline: 2 known findings left out, 1 went" in text
    with pytest.raises(InputError, match="is no result of an earlier check"):
        read_baseline(yaml_path)
    changed = json.loads(before.read_text())
    changed["findings"][0]["line"] = []
    before.write_text(json.dumps(changed))
    with pytest.raises(InputError, match=r"is no result of an earlier check \(\[\] is no text\)"):
        read_baseline(before)


@pytest.mark.parametrize(
    ("place", "file", "line"),
    [
        ("labels/7.txt:3", "labels/7.txt", "3"),
        ("a/instances.json: annotation 500", "a/instances.json", "annotation 500"),
        ("three_images/1.0.0 train: example 4, object 2", "three_images/1.0.0 train", "example 4, object 2"),
        ("C3:PO/x.jpg", "C3:PO/x.jpg", ""),
        ("", "", ""),
    ],
)
def test_a_place_is_a_file_and_a_line(place, file, line):
    finding = finding_of(Found(place=place, message="is odd. Expected less. Mend it."), "x.y", "note")
    assert (finding.file, finding.line, finding.message, finding.expected) == (file, line, "is odd.", "less. Mend it.")
    assert finding.place == place


def test_the_report_names_three_places_of_an_id_and_counts_the_others(tmp_path):
    yaml_path = clean_yolo(tmp_path)
    for number in range(5):
        put(tmp_path / f"labels/train/train{number}.txt", f"{row(0, BOX)}\n7 0.5 0.5 0.2 0.2\n")
    text = format_examination(examined(yaml_path))
    assert text.count("class id 7 is out of range") == 3 and "\n  and 2 more\n" in text
    assert text.splitlines()[-1] == "train 6 images, 7 boxes, val 3 images, 6 boxes: 5 errors, 0 warnings, 0 notes"
    assert "not looked for in this format: images.stated_size, labels.flag, labels.no_image" in text


def test_a_leak_is_said_in_one_sentence(tmp_path):
    yaml_path = clean_yolo(tmp_path)
    for number in range(2):
        put(tmp_path / f"images/val/val{number}.jpg", (tmp_path / f"images/train/train{number}.jpg").read_bytes())
    put(tmp_path / "images/val/val2.jpg", encoded(picture(3).resize((60, 45))))
    text = format_examination(examined(yaml_path))
    assert "\n  2 of 3 val images are in train\n" in text
    assert "\n  1 of 3 val images look as images in train\n" in text


def test_boxes_that_are_nearly_one_name_the_line_of_the_other(tmp_path):
    yaml_path = clean_yolo(tmp_path)
    put(tmp_path / "labels/train/train0.txt", "\n".join(row(class_id, (12, 8, 44, 50 - class_id)) for class_id in (0, 1)))
    (finding,) = examined(yaml_path, {"boxes.two_classes": CHECKS["boxes.two_classes"]}).findings
    assert (finding.line, finding.message) == ("2", "is dog, and line 1 says cat of nearly the same box (IoU 0.98).")


def test_anchors_that_match_too_few_boxes_are_told_with_better_ones(tmp_path):
    yaml_path = clean_yolo(tmp_path)
    for number in range(6):
        put(tmp_path / f"labels/train/train{number}.txt", f"0 0.5 0.5 {0.9 + number / 100} 0.02\n1 0.5 0.2 {0.8} 0.018\n")
    examination = examined(yaml_path, {"anchors.recall": CHECKS["anchors.recall"]})
    (finding,) = examination.findings
    assert "best possible recall 0.000 of 12 training boxes; fitted ones reach 1.000" in finding.message
    assert len(finding.value) == 3 and len(finding.value[0]) == 3


def test_a_label_file_beside_its_image_is_told(tmp_path):
    yaml_path = clean_yolo(tmp_path)
    (tmp_path / "labels/train/train1.txt").rename(tmp_path / "images/train/train1.txt")
    found = {(finding.id, finding.file) for finding in examined(yaml_path).findings}
    assert ("labels.misplaced", str(tmp_path / "images/train/train1.txt")) in found
