"""Files are whole or absent."""

import json

import pytest

from yolo_tf.system.atomic import atomic_path, remove_leftovers, write_json, write_text


def test_a_file_appears_whole_and_keeps_its_suffix(tmp_path):
    with atomic_path(tmp_path / "new" / "a.keras") as temporary:
        assert temporary.suffix == ".keras"
        temporary.write_text("half")
        assert not (tmp_path / "new" / "a.keras").exists()
    assert (tmp_path / "new" / "a.keras").read_text() == "half"
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.keras"]


def test_a_failure_leaves_what_was_there_and_nothing_else(tmp_path):
    write_text(tmp_path / "a.txt", "old")
    with pytest.raises(RuntimeError), atomic_path(tmp_path / "a.txt") as temporary:
        temporary.write_text("new")
        raise RuntimeError
    assert (tmp_path / "a.txt").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_a_directory_replaces_a_full_directory(tmp_path):
    for text in ("old", "new"):
        with atomic_path(tmp_path / "d") as temporary:
            temporary.mkdir()
            (temporary / text).write_text(text)
    assert [path.name for path in (tmp_path / "d").iterdir()] == ["new"]


def test_json_that_is_not_json_is_refused_and_nothing_is_written(tmp_path):
    with pytest.raises(ValueError):
        write_json(tmp_path / "a.json", {"x": float("nan")})
    assert not list(tmp_path.iterdir())
    write_json(tmp_path / "a.json", {"x": 1.5})
    assert json.loads((tmp_path / "a.json").read_text()) == {"x": 1.5}


def test_what_a_killed_process_left_is_removed_and_nothing_else(tmp_path, monkeypatch):
    monkeypatch.setattr("yolo_tf.system.atomic.shutil.rmtree", lambda *arguments, **options: None)  # killed before it could clean
    with pytest.raises(RuntimeError), atomic_path(tmp_path / "deep" / "a.json") as temporary:
        temporary.write_text("half")
        raise RuntimeError
    monkeypatch.undo()
    write_text(tmp_path / "deep" / ".hidden.json", "the user's")
    assert len(list((tmp_path / "deep").iterdir())) == 2
    remove_leftovers(tmp_path)
    assert [path.name for path in (tmp_path / "deep").iterdir()] == [".hidden.json"]


def test_a_directory_is_not_replaced_by_a_file(tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "precious").touch()
    with pytest.raises(IsADirectoryError, match="full"):
        write_text(tmp_path / "full", "text")
    assert [path.name for path in tmp_path.rglob("*")] == ["full", "precious"]
