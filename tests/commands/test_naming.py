"""`last`, and the commands that go with a run."""

import os
import sys

import pytest

from yolo_tf.cli import build_parser, main
from yolo_tf.commands.naming import commands_of, name_last, program, resolve_last
from yolo_tf.errors import InputError


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """Four runs of rising age: the newest has no network yet, the third lies a level deeper, the last is no run."""
    monkeypatch.chdir(tmp_path)
    for age, (name, files) in enumerate(
        {
            "runs/new": ["config.yaml"],
            "runs/bccd-2": ["config.yaml", "best.keras", "last.keras"],
            "runs/demo/train": ["config.yaml", "best.keras"],
            "runs/predict": ["best.keras"],
        }.items()
    ):
        (tmp_path / name).mkdir(parents=True)
        for file in files:
            (tmp_path / name / file).write_text("")
            os.utime(tmp_path / name / file, (1e9 - 1000 * age, 1e9 - 1000 * age))
    return tmp_path


def test_the_newest_run_that_has_the_file(runs, capsys):
    assert str(resolve_last("last", "best.keras")) == "runs/bccd-2/best.keras"
    assert str(resolve_last("runs/last", "best.keras")) == "runs/bccd-2/best.keras"
    assert str(resolve_last("last/last.keras", "best.keras")) == "runs/bccd-2/last.keras"
    assert str(resolve_last("last", ".")) == "runs/new"
    assert capsys.readouterr().out.splitlines()[0] == "last: runs/bccd-2/best.keras"
    os.utime(runs / "runs/demo/train/config.yaml", (2e9, 2e9))
    assert str(resolve_last("last", "best.keras")) == "runs/demo/train/best.keras"


def test_other_names_stay_and_a_file_of_that_name_comes_first(runs):
    for name in ("best.keras", "runs/bccd-2/last.keras", "elsewhere/last"):
        assert str(resolve_last(name, "best.keras")) == name
    (runs / "last").mkdir()
    assert str(resolve_last("last", "best.keras")) == "last"


@pytest.mark.parametrize("verb", ["evaluate", "predict", "export", "prune", "serve-bundle", "compare", "benchmark"])
def test_every_command_that_takes_a_model_knows_it(runs, verb):
    more = {
        "evaluate": ["--data", "d.yaml"],
        "predict": ["a.jpg"],
        "export": ["--format", "tflite", "--out", "a"],
        "prune": ["--out", "a.keras", "--method", "channels", "--amount", "0.3"],
        "serve-bundle": ["--name", "a", "--out", "b"],
        "compare": ["--data", "d.yaml"],
        "benchmark": [],
    }
    arguments = build_parser(verb).parse_args([verb, "last", *more[verb]])
    assert [str(path) for path in getattr(arguments, "models", None) or [arguments.model]] == ["runs/bccd-2/best.keras"]


def test_options_that_name_a_file(runs):
    words = ["model.weights=last", "compress.teacher=last/last.keras", "train.epochs=3", "model.name=last"]
    assert name_last(words) == [
        "model.weights=runs/bccd-2/best.keras",
        "compress.teacher=runs/bccd-2/last.keras",
        "train.epochs=3",
        "model.name=last",
    ]


def test_without_a_run_it_is_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="last: there is no run below runs/ that has best.keras. Expected one of"):
        resolve_last("last", "best.keras")
    with pytest.raises(SystemExit) as stop:
        main(["predict", "last", "a.jpg"])
    assert stop.value.code == 2 and "last: there is no run below runs/ that has best.keras" in capsys.readouterr().err
    assert main(["train", "--resume", "--run", "last"]) == 2


def test_the_commands_that_go_with_a_run(runs, monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: "/usr/bin/yolo-tf")
    best = runs / "runs" / "bccd-2" / "best.keras"
    assert commands_of(best, runs / "my data.yaml", path=runs / "D", lenient=True) == [
        "go on with:",
        "  yolo-tf evaluate runs/bccd-2/best.keras --data 'my data.yaml' --path D --lenient",
        "  yolo-tf predict runs/bccd-2/best.keras PICTURES",
        "  yolo-tf export runs/bccd-2/best.keras --format tflite --out runs/bccd-2/best.tflite",
    ]
    assert "/elsewhere/b.keras" in commands_of("/elsewhere/b.keras", "d.yaml")[2]


def test_how_a_person_calls_the_program(runs, monkeypatch):
    """As `make demo` calls it, it is not on the path of the shell."""
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setattr(sys, "argv", [str(runs / ".venv" / "bin" / "yolo-tf"), "demo"])
    assert program() == ".venv/bin/yolo-tf"
    monkeypatch.setattr(sys, "argv", [".venv/bin/yolo-tf", "demo"])
    assert program() == ".venv/bin/yolo-tf"
    monkeypatch.setattr(sys, "argv", ["/somewhere/yolo_tf/__main__.py", "demo"])
    monkeypatch.setattr(sys, "executable", "/usr/bin/python3")
    assert program() == "/usr/bin/python3 -m yolo_tf"
