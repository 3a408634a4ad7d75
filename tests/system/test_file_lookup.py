"""Suffixes in any case, backslashes, and names that are no text."""

from pathlib import Path

from yolo_tf.system.file_lookup import is_text, shown, suffix_finder, written_path


def test_a_suffix_is_found_in_any_case_and_the_plain_one_first(tmp_path):
    for name in ("a.TXT", "b.txt", "b.TXT", "a.b.Png"):
        (tmp_path / name).touch()
    find = suffix_finder()
    assert find(tmp_path / "a", (".txt",)) == tmp_path / "a.TXT"
    assert find(tmp_path / "b", (".txt",)) == tmp_path / "b.txt"
    assert find(tmp_path / "a.b", (".jpg", ".png")) == tmp_path / "a.b.Png"
    assert find(tmp_path / "c", (".txt",)) is None and find(tmp_path / "none/c", (".txt",)) is None


def test_backslashes_separate_where_nothing_has_them_in_its_name(tmp_path):
    assert written_path(tmp_path, "a\\b.jpg") == tmp_path / "a/b.jpg"
    assert written_path(tmp_path, "a/b.jpg") == tmp_path / "a/b.jpg"
    (tmp_path / "a\\b.jpg").touch()
    assert written_path(tmp_path, "a\\b.jpg") == tmp_path / "a\\b.jpg"


def test_a_name_that_is_no_text_is_shown_by_its_bytes():
    name = b"caf\xe9.jpg".decode("utf-8", "surrogateescape")
    assert not is_text(Path(name)) and is_text("café.jpg")
    assert shown(name) == "caf\\xe9.jpg" and shown("café.jpg") == "café.jpg"
