"""A validation split without objects: said before the first epoch, and no number is no number."""

import json

import pytest
from PIL import Image

from yolo_tf.cli import main
from yolo_tf.files.run_directory import RunDirectory, read_history

VERBS = ("evaluate", "predict", "export")  # what the end of a run shows the commands of


@pytest.fixture
def config(tmp_path):
    """A config of four training images with a box each, and three validation images of empty labels."""
    for split, count, row in (("train", 4, "0 0.5 0.5 0.4 0.6\n"), ("val", 3, "")):
        for folder in ("images", "labels"):
            (tmp_path / folder / split).mkdir(parents=True)
        for index in range(count):
            Image.new("RGB", (64, 64), (90, 40 * index, 90)).save(tmp_path / "images" / split / f"{index}.png")
            (tmp_path / "labels" / split / f"{index}.txt").write_text(row)
    (tmp_path / "data.yaml").write_text("train: images/train\nval: images/val\nnames: [a, b]\n")
    path = tmp_path / "config.yaml"
    path.write_text(
        "data: {dataset: data.yaml, image_size: 64}\nmodel: {name: small, neck: fpn, width: 0.05, depth: 0.1}\n"
        "train: {epochs: 3, batch_size: 4, warmup_epochs: 0.0}\nrun: {patience: 1, tensorboard: false}\n"
    )
    return path


@pytest.mark.slow
def test_the_last_epoch_is_kept_and_patience_is_off(config, tmp_path, capsys):
    run = RunDirectory(tmp_path / "run")
    assert main(["train", "--config", str(config), "--run", str(run.root)]) == 0
    lines = capsys.readouterr().out.splitlines()
    (said,) = (line for line in lines if line.startswith("warning: the 3 images of the split val have no object to find"))
    assert lines.index(said) < next(number for number, line in enumerate(lines) if line.startswith("epoch 1/3"))
    assert any(
        line.startswith("best network: ") and line.endswith("(epoch 3, the last: there was nothing to choose it by)")
        for line in lines
    )
    rows = read_history(run.history, before_epoch=9)
    assert [row["epoch"] for row in rows] == [1, 2, 3] and not any("AP" in row or "AP50" in row for row in rows)
    assert not any("AP" in line for line in lines if line.startswith("epoch "))
    metrics = json.loads(run.metrics.read_text())
    assert (metrics["AP"], metrics["AP50"], metrics["best_epoch"], metrics["epochs"]) == (None, None, 3, 3)
    assert run.best.exists() and run.last.exists()
    assert lines[-4] == "go on with:" and all(f"{verb} {run.best}" in line for verb, line in zip(VERBS, lines[-3:]))


@pytest.mark.slow
def test_few_images_do_not_choose_the_epoch(config, tmp_path, capsys):
    for index in range(3):
        (tmp_path / "labels/val" / f"{index}.txt").write_text("0 0.5 0.5 0.4 0.6\n")
    run = RunDirectory(tmp_path / "run")
    assert main(["train", "--config", str(config), "--run", str(run.root), "run.choose_from=4"]) == 0
    lines = capsys.readouterr().out.splitlines()
    (said,) = (line for line in lines if line.startswith("the 3 images of the split val are too few to tell epochs apart"))
    assert "best.keras is the last epoch, and run.patience is off" in said
    metrics = json.loads(run.metrics.read_text())
    assert (metrics["best_epoch"], metrics["epochs"]) == (3, 3) and metrics["AP"] is not None
    main(["train", "--config", str(config), "--run", str(tmp_path / "run2"), "run.choose_from=3", "train.epochs=1"])
    assert "too few to tell epochs apart" not in capsys.readouterr().out


def test_a_search_has_nothing_to_judge_by(config, tmp_path, capsys):
    pytest.importorskip("keras_tuner")
    (tmp_path / "space.yaml").write_text("train.learning_rate: [0.01, 0.02]\n")
    words = ["--config", str(config), "--space", str(tmp_path / "space.yaml"), "--trials", "1", "--out", str(tmp_path / "out")]
    assert main(["search", *words]) == 2
    assert "config.data.val_split: the 3 images of val have no object to find" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
