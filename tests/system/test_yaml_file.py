"""YAML mappings, and text that YAML would take for numbers."""

import pytest

from yolo_tf.errors import InputError
from yolo_tf.system.yaml_file import parse_yaml, read_yaml

WORDS = ["02146", "1_000", "12:30", "0x1F", "no", "1e3", "2024-01-01", "a"]


def test_texts_are_what_was_written_and_all_else_is_yaml(tmp_path):
    lines = "".join(f"  {index}: {word}\n" for index, word in enumerate(WORDS))
    text = f"n: 010\nnames:\n{lines}data: {{classes: [{', '.join(WORDS)}], n: 010, null: ~}}\n"
    (tmp_path / "a.yaml").write_text(text)
    document = read_yaml(tmp_path / "a.yaml", texts=("names", "data.classes", "none.here"))
    assert document == {"n": 8, "names": dict(enumerate(WORDS)), "data": {"classes": WORDS, "n": 8, None: None}}
    assert read_yaml(tmp_path / "a.yaml")["data"]["classes"][:2] == [1126, 1000]


def test_a_value_alone():
    assert parse_yaml("[007, null]", texts=[""]) == ["007", None]
    assert parse_yaml("007") == 7 and parse_yaml("", texts=[""]) is None


def test_a_key_that_repeats_is_named_with_its_line(tmp_path):
    (tmp_path / "a.yaml").write_text("a: &x {b: 1}\nc: {<<: *x, b: 2}\nnames:\n  0: a\n  0: b\n")
    with pytest.raises(InputError, match=r"a\.yaml:5: is not valid YAML \(key '0' repeats\)\. Expected `key: value` lines"):
        read_yaml(tmp_path / "a.yaml")
    (tmp_path / "a.yaml").write_text("a: &x {b: 1, d: 3}\nc: {<<: *x, b: 2}\ne: *x\n")
    assert read_yaml(tmp_path / "a.yaml") == {"a": {"b": 1, "d": 3}, "c": {"b": 2, "d": 3}, "e": {"b": 1, "d": 3}}


def test_another_encoding_is_named(tmp_path):
    (tmp_path / "a.yaml").write_bytes("a: café".encode("cp1252"))
    with pytest.raises(InputError, match=r"a\.yaml:1: byte 0xe9 is no text in UTF-8"):
        read_yaml(tmp_path / "a.yaml")


@pytest.mark.parametrize(
    "text, problem",
    [
        ("? [x, y]\n: 1", ":1: is not valid YAML \\(a key is no text or number"),
        ("a: 1\nnames: {0: a, [1]: b}", ":2: is not valid YAML \\(a key is no text"),
        ("v: !!int abc", ":1: is not valid YAML \\(a value cannot be read: invalid literal"),
        ("v: !!timestamp abc", ":1: is not valid YAML \\(a value cannot be read"),
        ("v: " + "1" * 5000, ":1: is not valid YAML \\(a value cannot be read: Exceeds the limit"),
        ("v: " + "[" * 5000, ": is not valid YAML \\(.*Expected `key: value` lines"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_line(tmp_path, text, problem):
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(InputError, match=rf"a\.yaml{problem}"):
        read_yaml(tmp_path / "a.yaml")


def test_a_date_is_text():
    assert parse_yaml("v: 2024-13-45\nw: 2023-02-03") == {"v": "2024-13-45", "w": "2023-02-03"}
