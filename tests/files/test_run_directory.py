"""A run directory: history, names, environment."""

import json
import os
from concurrent.futures import ThreadPoolExecutor

import pytest
import tensorflow as tf

from yolo_tf.errors import InputError
from yolo_tf.files.run_directory import new_run_directory, read_history, reserved_directory, write_environment, write_history


def test_a_run_is_never_overwritten(tmp_path):
    run = new_run_directory(tmp_path / "a")
    assert not run.root.exists()
    run.root.mkdir()
    run.config.write_text("x")
    with pytest.raises(InputError, match="holds a run already. Expected a new directory. Go on with `resume`"):
        new_run_directory(tmp_path / "a")


def test_a_name_is_taken_by_creating_it(tmp_path):
    with reserved_directory(tmp_path / "new", "a") as first, reserved_directory(tmp_path / "new", "a") as second:
        assert (first.name, second.name) == ("a", "a-2") and first.is_dir() and second.is_dir()
        (first / "result").touch()
    assert first.is_dir() and not second.exists(), "an empty one is let go"
    with pytest.raises(InputError), reserved_directory(tmp_path / "new", "a") as failed:
        raise InputError("nothing came of it")
    assert failed == second and not failed.exists() and first.is_dir()
    with pytest.raises(InputError), reserved_directory(tmp_path / "runs", "a"):
        raise InputError("nothing came of it")
    assert not (tmp_path / "runs").exists()
    (tmp_path / "link").symlink_to(tmp_path / "gone")
    with pytest.raises(FileExistsError), reserved_directory(tmp_path / "link", "a"):
        pass


def test_many_at_once_never_share(tmp_path, monkeypatch):
    """However the moments between a look and a creation fall: here every look says that the name is free."""
    monkeypatch.setattr(os.path, "exists", lambda path: False)

    def reserve(index):
        with reserved_directory(tmp_path, "predict") as directory:
            (directory / str(index)).touch()
        return directory

    with ThreadPoolExecutor(8) as pool:
        directories = list(pool.map(reserve, range(40)))
    assert len(set(directories)) == 40
    assert sorted(len(list(directory.iterdir())) for directory in directories) == [1] * 40


def test_history_round_trip_and_cut(tmp_path):
    rows = [{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": 0.25, "AP": 0.125}, {"epoch": 3, "loss": 0.2}]
    write_history(tmp_path / "h.csv", rows)
    assert (tmp_path / "h.csv").read_text().splitlines()[:3] == ["epoch,loss,AP", "1,0.5,", "2,0.25,0.125"]
    assert read_history(tmp_path / "h.csv", before_epoch=3) == rows[:2]
    assert read_history(tmp_path / "none.csv", before_epoch=3) == []


def test_the_environment_names_what_figures_depend_on(tmp_path):
    write_environment(tmp_path / "e.json")
    written = json.loads((tmp_path / "e.json").read_text())
    assert written["packages"]["tensorflow"] == tf.__version__ and written["cores"] >= 1 and written["processor"]


@pytest.mark.parametrize("text", ["epoch,loss\n1,x\n", "loss\n1\n", "epoch,loss\n1\n", "epoch\n1,2\n", "epoch\n\xff\n"])
def test_a_damaged_history_is_named_with_the_way_on(tmp_path, text):
    (tmp_path / "history.csv").write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match=r"history\.csv: is no history of a run .* Restore it, or remove it to go on"):
        read_history(tmp_path / "history.csv", before_epoch=9)
