"""scripts/kill_and_resume.py: a run that is killed again and again ends as the one that was left alone."""

import importlib.util
import json
import shutil
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pytest
from places import ROOT

SCRIPT = ROOT / "scripts" / "kill_and_resume.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("kill_and_resume", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def runs(tmp_path):
    """Two run directories with the same content: a network of 10 weights, 6 other variables, 2 rows of history."""
    whole, other = tmp_path / "whole", tmp_path / "other"
    (whole / "checkpoints" / "epoch_0002").mkdir(parents=True)
    keras.utils.set_random_seed(0)
    images = keras.Input((4,))
    network = keras.Model(images, keras.layers.Dense(2, name="dense")(images))
    for name in ("best", "last"):
        network.save(whole / f"{name}.keras")
    np.savez(whole / "checkpoints" / "epoch_0002" / "variables.npz", a=np.zeros([2, 2], np.float32), b=np.array([3, 4]))
    (whole / "history.csv").write_text("epoch,seconds,loss\n1,0.5,0.25\n2,0.5,0.125\n")
    (whole / "metrics.json").write_text(json.dumps({"AP": 0.5, "run": "x", "images_per_second": 3.0}))
    shutil.copytree(whole, other)
    return whole, other


def test_equal_runs_differ_in_nothing_but_what_was_measured(script, runs):
    whole, other = runs
    (other / "history.csv").write_text("epoch,seconds,loss\n1,0.7,0.25\n2,0.9,0.125\n")
    (other / "metrics.json").write_text(json.dumps({"AP": 0.5, "run": "y", "images_per_second": 4.0}))
    rows = {what: (values, different) for what, values, different in script.compare(whole, other)}
    assert rows == {
        "best.keras": (10, 0),
        "last.keras": (10, 0),
        "last checkpoint": (6, 0),
        "history.csv": (4, 0),
        "metrics.json": (1, 0),
        "left-over files": (0, 0),
    }


def test_every_difference_is_counted(script, runs):
    whole, other = runs
    network = keras.models.load_model(other / "last.keras")
    network.layers[1].bias.assign([0.0, np.nextafter(np.float32(0), np.float32(1))])
    network.save(other / "last.keras")
    np.savez(other / "checkpoints" / "epoch_0002" / "variables.npz", a=np.float32([[0, -0.0], [1, 0]]), c=np.arange(3))
    (other / "history.csv").write_text("epoch,seconds,loss\n1,0.5,0.25\n")
    (other / ".history.csv.abc.partial").mkdir()
    different = {what: different for what, _, different in script.compare(whole, other)}
    assert different == {
        "best.keras": 0,
        "last.keras": 1,
        "last checkpoint": 2 + 2 + 3,  # -0 and 1; what is missing; what is new
        "history.csv": 2,
        "metrics.json": 0,
        "left-over files": 1,
    }


def test_the_process_is_killed_with_its_children_and_failures_are_shown(script, tmp_path):
    run, pids = tmp_path / "run", tmp_path / "pids"
    code = f"import os, time; os.fork(); open({str(pids)!r}, 'a').write(f'{{os.getpid()}} '); time.sleep(60)"
    killed = script.train([sys.executable, "-c", code], run, kill_after=3.0)
    assert not killed.ended and killed.seconds >= 3 and killed.first_checkpoint is None
    time.sleep(0.2)
    for pid in map(int, pids.read_text().split()):
        status = Path(f"/proc/{pid}/stat")
        assert not status.exists() or status.read_text().split()[2] == "Z", "killed, if not yet reaped"
    checkpoint = "import pathlib, sys; (pathlib.Path(sys.argv[1]) / 'checkpoints' / 'epoch_0001').mkdir(parents=True); print(5)"
    trained = script.train([sys.executable, "-c", f"{checkpoint}; import time; time.sleep(0.5)"], run, kill_after=60.0)
    assert trained.ended and 0 < trained.first_checkpoint < trained.seconds < 60
    with pytest.raises(SystemExit, match="run.log: the training ended with code 3:\n5\nwrong"):
        script.train([sys.executable, "-c", "print('wrong'); raise SystemExit(3)"], run)


@pytest.mark.slow
def test_a_run_that_is_killed_ten_times_ends_as_the_one_that_was_left_alone(script, tmp_path, capsys):
    assert script.main(["--kills", "10", "--seed", "10", "--out", str(tmp_path)]) == 0
    assert "every value is the same" in capsys.readouterr().out
