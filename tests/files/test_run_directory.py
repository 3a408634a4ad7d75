"""A run directory: history, names, environment."""

import json

import pytest
import tensorflow as tf

from yolo_tf.errors import InputError
from yolo_tf.files.run_directory import new_run_directory, next_free_directory, read_history, write_environment, write_history


def test_a_run_is_never_overwritten(tmp_path):
    run = new_run_directory(tmp_path / "a")
    assert not run.root.exists()
    run.root.mkdir()
    run.config.write_text("x")
    with pytest.raises(InputError, match="holds a run already. Expected a new directory. Go on with `resume`"):
        new_run_directory(tmp_path / "a")
    assert next_free_directory(tmp_path, "a").name == "a-2"
    assert next_free_directory(tmp_path, "b").name == "b"


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
