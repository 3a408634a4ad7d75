"""Suffixes in any case, backslashes, and names that are no text."""

from pathlib import Path

from yolo_tf.system.file_lookup import is_text, real_file_finder, suffix_finder, written_path


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


def test_accents_are_found_together_with_their_letters_and_apart(tmp_path):
    joined, apart = "caf\u00e9", "cafe\u0301"
    (tmp_path / f"{apart}.TXT").touch()
    find = suffix_finder()
    assert find(f"{tmp_path}/{joined}", (".txt",)) == find(f"{tmp_path}/{apart}", (".txt",)) == f"{tmp_path}/{apart}.TXT"
    assert written_path(tmp_path, f"{joined}.TXT").name == written_path(tmp_path, f"{apart}.TXT").name == f"{apart}.TXT"
    assert written_path(tmp_path, f"{joined}.txt").name == f"{joined}.txt"  # nothing is there
    (tmp_path / f"{joined}.TXT").touch()
    find = suffix_finder()
    for stem in (joined, apart):  # each its own
        assert find(f"{tmp_path}/{stem}", (".txt",)) == str(written_path(tmp_path, f"{stem}.TXT")) == f"{tmp_path}/{stem}.TXT"


def test_two_paths_to_one_file(tmp_path):
    (tmp_path / "im").mkdir()
    (tmp_path / "im/a.jpg").touch()
    (tmp_path / "im/b.jpg").hardlink_to(tmp_path / "im/a.jpg")
    (tmp_path / "link").symlink_to("im")
    (tmp_path / "c.jpg").symlink_to("link/a.jpg")
    (tmp_path / "self.jpg").symlink_to("self.jpg")
    real_file = real_file_finder()
    assert {real_file(tmp_path / name) for name in ("im/a.jpg", "link/a.jpg", "c.jpg", "im/../im/a.jpg")} == {
        str((tmp_path / "im/a.jpg").resolve())
    }
    assert real_file(tmp_path / "im/b.jpg") != real_file(tmp_path / "im/a.jpg")
    assert real_file(tmp_path / "self.jpg") and real_file(tmp_path / "gone/x.jpg") == str(tmp_path.resolve() / "gone/x.jpg")
