"""What a network file carries beside its graph."""

import dataclasses
import json
import zipfile

import pytest

from yolo_tf.errors import InputError
from yolo_tf.files import read_spec
from yolo_tf.files.spec import detector_spec, spec_from_json, spec_to_json
from yolo_tf.heads.anchor.anchors import COCO_ANCHORS

SPEC = detector_spec(class_names=["a", "é"], image_size=(96, 160), anchors=COCO_ANCHORS, name="tiny")


def test_another_format_version_is_named(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.keras", "w") as archive:
        archive.writestr("detector.json", '{"format_version": 9}')
    with pytest.raises(
        InputError, match="a.keras: detector.json has format version 9. Expected 1 or 2. Use the yolo_tf that wrote it"
    ):
        read_spec(tmp_path / "a.keras")


def test_a_file_of_version_1_is_of_the_anchor_head(tmp_path):
    """As the first versions wrote it: no head, no run, anchors beside the strides."""
    text = """{"format_version": 1, "class_names": ["a", "\u00e9"], "image_size": [96, 160], "strides": [8, 16, 32],
        "anchor_sizes": [[[10.0, 13.0], [16.0, 30.0], [33.0, 23.0]], [[30.0, 61.0], [62.0, 45.0], [59.0, 119.0]],
        [[116.0, 90.0], [156.0, 198.0], [373.0, 326.0]]], "name": "tiny"}"""
    with zipfile.ZipFile(tmp_path / "a.keras", "w") as archive:
        archive.writestr("detector.json", text)
    spec = read_spec(tmp_path / "a.keras")
    assert spec == SPEC and spec.head == "anchor" and spec.run == ""
    assert spec.anchors.sizes[2, 1].tolist() == [156.0, 198.0] and spec.layout.strides == (8, 16, 32)


def test_class_names_are_text_of_one_line(tmp_path):
    """A number from a tool, a line break and the halves of one character, as JSON escapes them."""
    text = spec_to_json(SPEC).replace('"class_names": [\n  "a",\n  "é"', '"class_names": [2146, "a\\nb", "\\ud83d\\ude97"')
    with zipfile.ZipFile(tmp_path / "a.keras", "w") as archive:
        archive.writestr("detector.json", text)
    assert read_spec(tmp_path / "a.keras").class_names == ("2146", "a b", "\U0001f697")


def test_what_is_written_is_version_2(tmp_path):
    fields = json.loads(spec_to_json(SPEC))
    assert fields["format_version"] == 2 and fields["head"] == "anchor" and fields["strides"] == [8, 16, 32]
    assert fields["geometry"]["anchors"][1] == [[30.0, 61.0], [62.0, 45.0], [59.0, 119.0]]


def test_an_unknown_head_is_named(tmp_path):
    text = spec_to_json(SPEC).replace('"head": "anchor"', '"head": "point"')
    with zipfile.ZipFile(tmp_path / "a.keras", "w") as archive:
        archive.writestr("detector.json", text)
    with pytest.raises(InputError, match="a.keras: detector.json names the head 'point'. Expected anchor, decoupled. Use"):
        read_spec(tmp_path / "a.keras")


WRONG = [
    ("class_names", "abc", r"class_names: abc is no list of names"),
    ("class_names", [], r"class_names: \[\] is no list of names"),
    ("strides", [8, "16"], r"strides: \[8, '16'\] are no whole numbers that rise"),
    ("strides", [16, 8], r"strides: .* are no whole numbers that rise"),
    ("strides", [], r"strides: .* are no whole numbers that rise"),
    ("image_size", [96], r"image_size: \[96\] is no height and width, multiples of the stride 32"),
    ("image_size", [96, 100], r"image_size: \[96, 100\] is no height and width, multiples of the stride 32"),
    ("image_size", 96, r"image_size: 96 is no height and width"),
    ("geometry", [1], r"geometry: got \[1\]"),
    ("name", None, r"name: got None"),
    ("head", ["anchor"], r"names the head \['anchor'\]\. Expected anchor"),
]


@pytest.mark.parametrize(("key", "value", "message"), WRONG)
def test_values_of_the_wrong_kind_are_one_line(tmp_path, key, value, message):
    with zipfile.ZipFile(tmp_path / "a.keras", "w") as archive:
        archive.writestr("detector.json", json.dumps(json.loads(spec_to_json(SPEC)) | {key: value}))
    with pytest.raises(InputError, match=r"a\.keras: detector\.json:? " + message):
        read_spec(tmp_path / "a.keras")


def test_the_letterbox_travels_and_older_files_have_the_centred_one(tmp_path):
    corner = dataclasses.replace(SPEC, letterbox="corner")
    assert spec_from_json(spec_to_json(corner), where="a") == corner
    fields = json.loads(spec_to_json(corner))
    del fields["letterbox"]
    assert spec_from_json(json.dumps(fields), where="a").letterbox == "center"
    with pytest.raises(InputError, match="a: detector.json names the letterbox 'top'. Expected center or corner. Use the"):
        spec_from_json(json.dumps(fields | {"letterbox": "top"}), where="a")
