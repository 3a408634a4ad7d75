"""Suffixes in any case, backslashes, and names that are no text."""

from pathlib import Path

from yolo_tf.system.file_lookup import is_text, suffix_finder, written_path


def test_a_suffix_is_found_in_any_case_and_the_plain_one_first(tmp_path):
    for name in ("a.TXT", "b.txt", "b.TXT", "a.b.Png"):
        (tmp_path / name).touch()
    find, folder = suffix_finder(), str(tmp_path)
    assert find(f"{folder}/a", (".txt",)) == f"{folder}/a.TXT"
    assert find(f"{folder}/b", (".txt",)) == f"{folder}/b.txt"
    assert find(f"{folder}/a.b", (".jpg", ".png")) == f"{folder}/a.b.Png"
    assert find(f"{folder}/c", (".txt",)) is None and find(f"{folder}/none/c", (".txt",)) is None


def test_backslashes_separate_where_nothing_has_them_in_its_name(tmp_path):
    assert written_path(tmp_path, "a\\b.jpg") == tmp_path / "a/b.jpg"
    assert written_path(tmp_path, "a/b.jpg") == tmp_path / "a/b.jpg"
    (tmp_path / "a\\b.jpg").touch()
    assert written_path(tmp_path, "a\\b.jpg") == tmp_path / "a\\b.jpg"


def test_a_name_in_another_encoding_is_no_text():
    assert not is_text(Path(b"caf\xe9.jpg".decode("utf-8", "surrogateescape"))) and is_text("café.jpg")
    assert not is_text("a\0.jpg") and not is_text("\ud83d.jpg")
