"""The search over a space of options: its space, and trials chosen by the real KerasTuner over runs that only pretend."""

import importlib.util
import json
import re

import pytest
import yaml

from yolo_tf import cli
from yolo_tf.config.reader import read_config, write_config
from yolo_tf.errors import InputError
from yolo_tf.training import search as search_module
from yolo_tf.training.report import TrainingResult
from yolo_tf.training.search import Dimension, read_space

needs_tuner = pytest.mark.skipif(
    importlib.util.find_spec("keras_tuner") is None, reason="keras-tuner is not installed: pip install 'yolo_tf[search]'"
)
SPACE = """
train.learning_rate: {min: 0.001, max: 0.1, log: true}
augment.mosaic: [0.0, 0.5, 1.0]
train.epochs: {min: 2, max: 9}
"""


@pytest.fixture
def space(tmp_path):
    """The path of a space of three options."""
    (tmp_path / "space.yaml").write_text(SPACE)
    return tmp_path / "space.yaml"


@pytest.fixture
def runs(monkeypatch):
    """The calls of a `train` that only writes the config and knows the best learning rate: 0.01."""
    calls = []

    def train(config, root, *, resume=False):
        calls.append((config, root.name, resume))
        if config.train.learning_rate > 0.07:
            raise InputError("epoch 1, step 2: the loss is not finite. Lower train.learning_rate.")
        root.mkdir(parents=True, exist_ok=True)
        write_config(config, root / "config.yaml")
        quality = 1 / (1 + abs(config.train.learning_rate - 0.01) * 100)
        metrics = {"AP": quality, "AP50": quality}
        return TrainingResult(metrics=metrics, run=root, best_epoch=1, epochs=1, seconds_per_epoch=1.0)

    monkeypatch.setattr(search_module, "train", train)
    return calls


def test_a_space_has_ranges_and_choices(space):
    rate, mosaic, epochs = read_space(space)
    assert rate == Dimension(key="train.learning_rate", low=0.001, high=0.1, log=True)
    assert mosaic == Dimension(key="augment.mosaic", choices=(0.0, 0.5, 1.0))
    assert epochs == Dimension(key="train.epochs", low=2, high=9, whole=True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty. Expected lines such as"),
        ("trian.epochs: [1, 2]", "unknown section of the config 'trian'. Did you mean 'train'"),
        ("train.epoch: [1, 2]", "unknown option of train 'epoch'. Did you mean 'epochs'"),
        ("train.devices: [one, all]", "space.yaml: config.train.devices: has moved to hardware.devices.* --migrate .*space.yaml"),
        ("train.epochs: [3]", r"got \[3\]. Expected {min: A, max: B, log: true or false} or two or more choices"),
        ("train.epochs: {min: 3}", "Expected {min: A, max: B"),
        ("train.momentum: [0.9, true]", "Expected choices of one kind"),
        ("train.momentum: {min: 0.9, max: 0.8}", "got min 0.9, max 0.8. Expected two numbers, min below max"),
        ("train.learning_rate: {min: 0, max: 0.1, log: true}", "Expected two numbers above 0, min below max"),
        ("train.epochs: {min: 1, max: 2.5}", "Expected whole numbers, as the option takes"),
    ],
)
def test_a_space_that_cannot_be_searched_is_refused(tmp_path, text, message):
    (tmp_path / "space.yaml").write_text(text)
    with pytest.raises(InputError, match=message):
        read_space(tmp_path / "space.yaml")


def run_search(space, out, *more, trials=4):
    argv = ["search", "--space", str(space), "--trials", str(trials), "--out", str(out), "--json", str(space.parent / "r.json")]
    return cli.main([*argv, *more])


@pytest.mark.parametrize(
    ("more", "trials", "message"),
    [
        ((), 0, "--trials: got 0. Expected 1 or more"),
        (("--tuner", "grid"), 4, "--tuner: unknown tuner 'grid'.* Expected one of: bayesian, hyperband, random"),
        (("augment.mosaic=2.0",), 4, None),
        (
            ("--tuner", "hyperband"),
            4,
            "--tuner: got hyperband, but the space has train.epochs. .* Take the line out of the space",
        ),
        (("train.warmup=2.0",), 4, "warmup"),
    ],
)
@needs_tuner
def test_bad_input_stops_before_the_first_trial(space, tmp_path, capsys, runs, more, trials, message):
    if message is None:  # a value of the space that no run accepts
        space.write_text("train.momentum: {min: 0.5, max: 1.5}")
        more, message = (), "config.train.momentum: expected 0 <= momentum < 1, got 1.5"
    assert run_search(space, tmp_path / "out", *more, trials=trials) == 2
    err = capsys.readouterr().err
    assert re.search(message, err) and err.count("\n") == 1
    assert not runs and not (tmp_path / "out").exists()


def test_without_keras_tuner_the_pip_line_is_shown(space, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(search_module.importlib.util, "find_spec", lambda name: None)
    assert run_search(space, tmp_path / "out") == 2
    assert "keras-tuner is not installed. Expected it for --tuner random. Run: pip install" in capsys.readouterr().err


@needs_tuner
@pytest.mark.filterwarnings("ignore::DeprecationWarning:keras_tuner.*")
@pytest.mark.parametrize("tuner", ["random", *(pytest.param(name, marks=pytest.mark.long) for name in ("hyperband", "bayesian"))])
def test_every_trial_is_a_run_and_the_best_config_is_kept(space, tmp_path, capsys, runs, tuner):
    if tuner == "bayesian":
        pytest.importorskip("sklearn", reason="scikit-learn is not installed: pip install 'yolo_tf[search]'")
    if tuner == "hyperband":
        space.write_text("\n".join(SPACE.splitlines()[:-1]))
    assert run_search(space, tmp_path / "out", "--tuner", tuner, "train.seed=3", "train.epochs=9") == 0
    assert [name for _, name, _ in runs] == [f"trial_{number:04d}" for number in range(4)]
    assert len({config.train.learning_rate for config, _, _ in runs}) > 1
    for config, _, _ in runs:
        assert 0.001 <= config.train.learning_rate <= 0.1 and config.augment.mosaic in (0.0, 0.5, 1.0)
        assert (config.train.epochs == 1 if tuner == "hyperband" else 2 <= config.train.epochs <= 9) and config.train.seed == 3
    result = json.loads((tmp_path / "r.json").read_text())
    fine = [row for row in result["trials"] if row["fitness"] != ""]
    best = min(fine, key=lambda row: abs(row["train.learning_rate"] - 0.01))
    assert result["best"] == best and best["fitness"] == pytest.approx(max(row["fitness"] for row in fine))
    assert read_config(tmp_path / "out" / "best.yaml").train.learning_rate == best["train.learning_rate"]
    table = (tmp_path / "out" / "trials.csv").read_text().splitlines()
    assert len(table) == 5 and table[0].startswith("trial,fitness,")
    assert f"best: trial {best['trial']}, fitness {best['fitness']:.4f}" in capsys.readouterr().out


@needs_tuner
@pytest.mark.filterwarnings("ignore::DeprecationWarning:keras_tuner.*")
def test_a_search_goes_on_where_it_was_interrupted(space, tmp_path, capsys, runs, monkeypatch):
    whole = search_module.train

    def interrupted(config, root, *, resume=False):
        if root.name == "trial_0001":
            write_config(config, root / "config.yaml")  # a run that had begun
            raise KeyboardInterrupt
        return whole(config, root, resume=resume)

    monkeypatch.setattr(search_module, "train", interrupted)
    assert run_search(space, tmp_path / "out") == 130
    monkeypatch.setattr(search_module, "train", whole)
    assert run_search(space, tmp_path / "out") == 0
    assert [(name, resume) for _, name, resume in runs] == [
        ("trial_0000", False),
        ("trial_0001", True),
        ("trial_0002", False),
        ("trial_0003", False),
    ]
    assert run_search(space, tmp_path / "out") == 0 and len(runs) == 4  # nothing is left to do
    assert run_search(space, tmp_path / "out", trials=5) == 0 and [name for _, name, _ in runs[4:]] == ["trial_0004"]
    assert run_search(space, tmp_path / "out", "train.seed=5") == 2
    assert "holds another search (config, space or tuner differ)" in capsys.readouterr().err


@needs_tuner
@pytest.mark.filterwarnings("ignore::DeprecationWarning:keras_tuner.*")
def test_trials_that_fail_are_shown_and_a_defect_is_not_hidden(tmp_path, capsys, runs, monkeypatch):
    (tmp_path / "space.yaml").write_text(yaml.safe_dump({"train.learning_rate": [0.01, 0.09], "augment.mosaic": [0.0, 1.0]}))
    assert run_search(tmp_path / "space.yaml", tmp_path / "out") == 0
    table = (tmp_path / "out" / "trials.csv").read_text()
    assert table.count("the loss is not finite") == 2 and capsys.readouterr().out.count("failed") >= 2

    (tmp_path / "space.yaml").write_text("train.learning_rate: [0.08, 0.09]")
    assert run_search(tmp_path / "space.yaml", tmp_path / "none", trials=2) == 2
    assert "none of 2 trials succeeded; the first said: epoch 1, step 2: the loss is not finite" in capsys.readouterr().err

    monkeypatch.setattr(search_module, "train", lambda *arguments, **options: {}["AP"])
    with pytest.raises(Exception, match="AP"):
        run_search(tmp_path / "space.yaml", tmp_path / "defect", trials=2)
