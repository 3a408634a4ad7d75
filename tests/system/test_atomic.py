"""Files are whole or absent."""

import errno
import hashlib
import json
import os

import pytest

from yolo_tf.system.atomic import (
    atomic_path,
    digest_on_disk,
    json_text,
    naming,
    remove_leftovers,
    sha256_on_disk,
    write_json,
    write_text,
)


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


def test_leftovers_of_others_who_may_be_at_work_stay(tmp_path):
    old, young, deep = (tmp_path / name for name in (".a.x.partial", ".b.x.partial", "deep/.c.x.partial"))
    for path in (old, young, deep):
        path.mkdir(parents=True)
    os.utime(old, (0, 0))
    remove_leftovers(tmp_path, older_than=60)
    assert [path.exists() for path in (old, young, deep)] == [False, True, True]
    remove_leftovers(tmp_path, below=False)
    assert [path.exists() for path in (young, deep)] == [False, True]


def test_a_directory_is_not_replaced_by_a_file(tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "precious").touch()
    with pytest.raises(IsADirectoryError, match="full"):
        write_text(tmp_path / "full", "text")
    assert [path.name for path in tmp_path.rglob("*")] == ["full", "precious"]


def test_an_error_names_the_file_that_a_person_knows(tmp_path):
    """A full disk tells no name, and what is written aside first has one that is gone."""
    with pytest.raises(OSError) as raised, atomic_path(tmp_path / "a.txt"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert raised.value.filename == str(tmp_path / "a.txt")
    with pytest.raises(OSError) as raised:
        write_text(tmp_path / ("n" * 300), "x")
    assert raised.value.errno == errno.ENAMETOOLONG and raised.value.filename == str(tmp_path / ("n" * 300))
    with pytest.raises(FileNotFoundError) as raised, atomic_path(tmp_path / "a.txt"):
        open(tmp_path / "other.txt")
    assert raised.value.filename == str(tmp_path / "other.txt")
    with pytest.raises(BrokenPipeError) as raised, naming(tmp_path / "a.txt"):
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")
    assert raised.value.filename is None


def test_a_name_may_be_as_long_as_the_system_lets_it(tmp_path):
    write_text(tmp_path / ("n" * 255), "whole")
    assert (tmp_path / ("n" * 255)).read_text() == "whole"


def test_text_that_is_no_unicode(tmp_path):
    """The name of a file may be any bytes: as text they come back, in JSON they are escaped."""
    name = os.fsdecode(b"\xff.png")
    write_text(tmp_path / "list.txt", f"é {name}\n")
    assert (tmp_path / "list.txt").read_bytes() == b"\xc3\xa9 \xff.png\n"
    write_json(tmp_path / "a.json", [name])
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == [name]
    assert json_text(["é"]) == '[\n  "é"\n]\n' and json_text(["é"], encoding="ascii") == '[\n  "\\u00e9"\n]\n'


def test_a_link_stays_and_what_it_points_to_is_replaced(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "file.json").symlink_to(tmp_path / "real" / "a.json")  # which is not there yet
    (tmp_path / "folder").symlink_to(tmp_path / "real" / "d")
    for text in ("old", "new"):
        write_text(tmp_path / "file.json", text)
        with atomic_path(tmp_path / "folder") as temporary:
            temporary.mkdir()
            (temporary / text).touch()
    assert (tmp_path / "file.json").is_symlink() and (tmp_path / "real" / "a.json").read_text() == "new"
    assert (tmp_path / "folder").is_symlink() and [path.name for path in (tmp_path / "real" / "d").iterdir()] == ["new"]
    assert sorted(path.name for path in (tmp_path / "real").iterdir()) == ["a.json", "d"]


def test_a_digest_is_that_of_names_and_content(tmp_path):
    digests = set()
    for name, content in (("a", b"12"), ("a", b"21"), ("b", b"12")):
        folder = tmp_path / f"{name}{content.decode()}"
        (folder / "deep").mkdir(parents=True)
        (folder / "deep" / name).write_bytes(content)
        digests.add(digest_on_disk(folder))
    (tmp_path / "x").write_bytes(b"12")
    (tmp_path / "y").write_bytes(b"12")
    assert len(digests) == 3 and digest_on_disk(tmp_path / "x") == digest_on_disk(tmp_path / "y") not in digests


def test_a_file_has_the_sha_256_that_other_programs_print(tmp_path):
    (tmp_path / "a").write_bytes(b"abc" * 2**20)
    assert sha256_on_disk(tmp_path / "a") == hashlib.sha256(b"abc" * 2**20).hexdigest()
    (tmp_path / "a").write_bytes(b"abc")  # FIPS 180-2, appendix B.1
    assert sha256_on_disk(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
