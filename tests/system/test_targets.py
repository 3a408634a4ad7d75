"""Places are judged before the work, by one rule; a full disk is told from all else."""

import errno
import os

import pytest

from yolo_tf.errors import InputError
from yolo_tf.system.targets import check_target, out_of_room


@pytest.fixture
def place(tmp_path):
    """A folder with one of everything that a path may be."""
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for name in ("file", "folder", "pipe"):
        (tmp_path / f"link_to_{name}").symlink_to(tmp_path / name)
    (tmp_path / "dangling").symlink_to(tmp_path / "new" / "x")
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    return tmp_path


@pytest.mark.parametrize("folder, names", [(False, ["file", "link_to_file", "dangling"]), (True, ["folder", "link_to_folder"])])
def test_what_may_be_written(place, folder, names):
    for name in (*names, "new", "new/deeper/a.json", "folder/a", "link_to_folder/a"):
        check_target(place / name, option="out", folder=folder)
    for name in ("file", "folder", "new"):
        check_target(place / name, option="out")


@pytest.mark.parametrize(
    "name, folder, said",
    [
        ("file", True, "file: is a file. Expected a directory. Change `out`."),
        ("link_to_file", True, "link_to_file: is a file. Expected a directory"),
        ("folder", False, "folder: is a directory. Expected a file to write"),
        ("link_to_folder", False, "link_to_folder: is a directory"),
        ("dangling", True, "dangling: is a link to nothing. Expected a directory"),
        ("pipe", False, "pipe: is no file and no directory. Expected a file to write"),
        ("link_to_pipe", None, "link_to_pipe: is no file and no directory. Expected a file or a directory"),
        ("circle", False, "circle: (leads nowhere|is a link that leads in a circle)"),
        ("file/a.json", False, "a.json: cannot be written in .*/file. Expected a file to write"),
    ],
)
def test_what_may_not(place, name, folder, said):
    with pytest.raises(InputError, match=said):
        check_target(place / name, option="out", folder=folder)


def test_a_folder_that_may_not_be_written(place, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: path != place)  # root may write anywhere
    with pytest.raises(InputError, match=f"a: cannot be written in {place}. Expected a file to write"):
        check_target(place / "a", option="out", folder=False)


def test_a_full_disk_is_told_from_other_errors():
    try:
        try:
            raise OSError(errno.EDQUOT, "over the quota")
        except OSError as error:
            raise ValueError("damaged") from error
    except ValueError as error:
        assert out_of_room(error)
    assert out_of_room(RuntimeError("x; No space left on device [Op:SaveV2]"))
    assert not out_of_room(OSError(errno.EACCES, "Permission denied")) and not out_of_room(MemoryError())
