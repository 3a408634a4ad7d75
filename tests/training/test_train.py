"""The main job through the real commands, on a generated data set of a few small pictures."""

import contextlib
import dataclasses
import json
import os
import re
import shutil
import signal
from pathlib import Path

import keras
import numpy as np
import pytest
import yaml
from PIL import Image

from yolo_tf import cli
from yolo_tf.config import MOVED
from yolo_tf.config.reader import read_config
from yolo_tf.errors import InputError
from yolo_tf.files import read_spec
from yolo_tf.files.keras import save_network
from yolo_tf.files.run_directory import RunDirectory, read_history
from yolo_tf.files.spec import detector_spec
from yolo_tf.heads.anchor.anchors import COCO_ANCHORS, anchor_set
from yolo_tf.inference.detector import open_detector
from yolo_tf.training.callbacks import KeepCheckpoints
from yolo_tf.training.data_sets import read_splits
from yolo_tf.training.origin import first_layout, first_network, read_origin

CONFIG = """# a test
data: {dataset: shapes.yaml, image_size: 64, max_boxes: 20}
model: {name: small, neck: fpn, width: 0.05, depth: 0.1}
train: {epochs: 2, batch_size: 4, nominal_batch_size: 8, warmup_epochs: 0.0, seed: 3}
augment: {close_mosaic: 0}
"""
SHAPES = "format: shapes\npath: shapes\ntrain: 10\nval: 5\ntest: 2\nimage_size: 96\nmax_objects: 3\n"


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A directory with a config and a data set YAML, and one finished run in `run`, whose output went to files.

    In this process, which has TensorFlow already.
    """
    root = tmp_path_factory.mktemp("project")
    (root / "config.yaml").write_text(CONFIG)
    (root / "shapes.yaml").write_text(SHAPES)
    argv = ["train", "--config", str(root / "config.yaml"), "--run", str(root / "run"), "--json", str(root / "r.json")]
    with open(root / "train.log", "w") as log, open(root / "errors.log", "w") as errors, written_to(log, errors):
        assert cli.main(argv) == 0
    return root


@contextlib.contextmanager
def written_to(*files):
    """Sends standard output and errors to two files, also what is written below Python."""
    kept = [os.dup(number) for number in (1, 2)]
    try:
        with contextlib.redirect_stdout(files[0]), contextlib.redirect_stderr(files[1]):
            for number, file in enumerate(files, start=1):
                os.dup2(file.fileno(), number)
            yield
    finally:
        for number, copy in enumerate(kept, start=1):
            os.dup2(copy, number)
            os.close(copy)


def test_a_log_has_one_plain_line_an_epoch(project):
    log, errors = ((project / name).read_text() for name in ("train.log", "errors.log"))
    assert not re.findall(r"[\x00-\x09\x0b-\x1f]", log + errors)
    lines = log.splitlines()
    assert len(lines) < 60
    parts = r"loss \d\.\d{4} \(box \d\.\d{4}, objectness \d\.\d{4}, class \d\.\d{4}\)  AP \d\.\d{3}  AP50 \d\.\d{3}  \d+\.\d s"
    first, last = (line for line in lines if line.startswith("epoch "))
    assert re.fullmatch(rf"epoch 1/2  {parts}  \d\d:\d\d:\d\d left", first) and re.fullmatch(rf"epoch 2/2  {parts}", last)
    rows = read_history(RunDirectory(project / "run").history, before_epoch=9)
    for line, row in zip((first, last), rows, strict=True):
        assert f"loss {row['loss']:.4f} (box {row['box']:.4f}, " in line and f"AP50 {row['AP50']:.3f}" in line
    assert [lines.index(line) for line in lines if line.startswith("compiled in ")] == [lines.index(first) - 1]


def test_a_run_leaves_everything_that_is_promised(project):
    run = RunDirectory(project / "run")
    names = {str(path.relative_to(run.root)) for path in run.root.rglob("*") if path.is_file()}
    promised = {"config.yaml", "last.keras", "best.keras", "history.csv", "metrics.json", "environment.json"}
    promised.add("swap_report.json")
    plots = ("labels", "train_batch_0", "train_batch_1", "history", "f1", "precision_recall", "confusion_matrix")
    promised |= {f"plots/{name}.png" for name in plots}
    promised |= {"checkpoints/epoch_0002/variables.npz", "checkpoints/epoch_0002/state.json"}
    assert promised <= names
    assert any(name.startswith("events/events.out.tfevents") for name in names)
    rows = read_history(run.history, before_epoch=9)
    assert [row["epoch"] for row in rows] == [1, 2]
    assert all({"loss", "box", "objectness", "class", "AP", "AP50", "learning_rate", "seconds"} <= set(row) for row in rows)
    metrics = json.loads(run.metrics.read_text())
    assert {"schema_version": 1, **metrics} == json.loads((project / "r.json").read_text())
    assert metrics["images"] == 5 and metrics["epochs"] == 2 and set(metrics["per_class"]) >= {"circle", "star"}


def test_the_resolved_config_can_be_trained_from_again(project):
    assert read_config(project / "run" / "config.yaml") == read_config(project / "config.yaml")
    resolved = yaml.safe_load((project / "run" / "config.yaml").read_text())
    assert resolved["data"]["dataset"] == str(project / "shapes.yaml")


@pytest.mark.slow
def test_a_run_of_an_earlier_version_goes_on_after_migration(project, tmp_path, capsys):
    run = RunDirectory(shutil.copytree(project / "run", tmp_path / "old"))
    values = yaml.safe_load(run.config.read_text())
    for place in MOVED.values():
        section, key = place.split(".")
        values["train"][key] = values[section].pop(key)
    run.config.write_text(yaml.safe_dump({section: options for section, options in values.items() if options}, sort_keys=False))
    run.metrics.unlink()  # as if it was killed before its end
    argv = ["train", "--resume", "--run", str(run.root)]
    assert cli.main(argv) == 2
    line = capsys.readouterr().err
    assert f"--migrate {run.config}`" in line and "has moved to" in line and line.count("\n") == 1
    assert cli.main(["show", "config", "--migrate", str(run.config)]) == 0
    assert cli.main(argv) == 0
    assert json.loads(run.metrics.read_text())["AP"] == json.loads((project / "run" / "metrics.json").read_text())["AP"]


@pytest.mark.slow
def test_evaluate_repeats_the_run_s_own_figures(project, capsys):
    argv = ["evaluate", str(project / "run" / "best.keras"), "--data", str(project / "shapes.yaml"), "--batch-size", "4"]
    assert cli.main([*argv, "--json", str(project / "e.json")]) == 0
    assert "precision" in capsys.readouterr().out
    mine, theirs = json.loads((project / "e.json").read_text()), json.loads((project / "run" / "metrics.json").read_text())
    for name in ("AP", "AP50", "AR100", "precision", "recall", "f1"):
        assert mine[name] == pytest.approx(theirs[name], abs=1e-6), name


@pytest.mark.long
def test_a_run_that_was_told_to_stop_goes_on_as_if_it_had_not_been(project, monkeypatch, capsys):
    """SIGTERM in the second step of the second epoch: the step is finished and kept, and the rest comes out the same."""

    def stop(self, batch, logs=None):
        if (self.progress.state.epoch, batch) == (1, 1):
            os.kill(os.getpid(), signal.SIGTERM)

    again = RunDirectory(project / "again")
    with monkeypatch.context() as patch:
        patch.setattr(KeepCheckpoints, "on_train_batch_begin", stop)
        assert cli.main(["train", "--config", str(project / "config.yaml"), "--run", str(again.root)]) == 143
    out = capsys.readouterr().out
    assert f"Go on with: yolo-tf train --resume --run {again.root}" in out
    assert sorted(path.name for path in again.checkpoints.iterdir()) == ["epoch_0001", "epoch_0001_step_000002"]
    shutil.copytree(again.checkpoints / "epoch_0001", again.checkpoints / ".epoch_0002.abc.partial")  # as if killed while writing
    assert cli.main(["train", "--resume", "--run", str(again.root)]) == 0
    assert "epoch 2 of 2 goes on after step 2 of 3" in capsys.readouterr().out
    assert sorted(path.name for path in again.checkpoints.iterdir()) == ["epoch_0001_step_000002", "epoch_0002"]
    assert_same_run(project / "run", again.root)


@pytest.mark.long
def test_a_finished_run_goes_on_with_its_summary_only(project, monkeypatch):
    copy = RunDirectory(project / "finished")
    shutil.copytree(project / "run", copy.root)
    copy.metrics.unlink()
    copy.last.unlink()
    monkeypatch.setattr("yolo_tf.engine.trainer.DetectorTrainer.fit", None)
    assert cli.main(["train", "--resume", "--run", str(copy.root)]) == 0
    assert_same_run(project / "run", copy.root)
    assert json.loads(copy.metrics.read_text())["AP50"] == json.loads((project / "run" / "metrics.json").read_text())["AP50"]


def assert_same_run(whole, parts):
    """Network files and history, all but the seconds, are equal bit by bit."""
    for name in ("last.keras", "best.keras"):
        left, right = (keras.models.load_model(run / name, compile=False) for run in (whole, parts))
        for one, other in zip(left.weights, right.weights, strict=True):
            np.testing.assert_array_equal(one.numpy(), other.numpy(), err_msg=one.path)
    histories = [read_history(run / "history.csv", before_epoch=9) for run in (whole, parts)]
    left, right = ([{key: row[key] for key in row if key != "seconds"} for row in rows] for rows in histories)
    assert left == right and len(left) == 2 and all(row["seconds"] > 0 for row in histories[1])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--run", "run"], "holds a run already"),
        (["model.weights=nowhere.keras"], "nowhere.keras: no such file"),
        (["model.width=0.2", "model.weights={run}/other.keras"], "other.keras: holds the weights of another network: 0 of "),
        (["data.classes=[hexagon]"], "hexagon"),
        (["data.val_split=validation"], "validation"),
        (["data.image_size=100"], "100 is no positive multiple of 32"),
        (["model.backbone=efficientnetb9"], "Did you mean 'efficientnetb"),
        (["augment.photometric={RandomRotation: 0.1}"], "RandomRotation"),
        (["model.backbone=efficientnetb0", "model.backbone_weights=none.h5"], "none.h5"),
    ],
)
def test_bad_input_of_a_training_run(project, capsys, arguments, message):
    images = keras.Input((None, None, 3))
    keras.Model(images, keras.layers.Conv2D(2, 1)(images)).save(project / "run" / "other.keras")
    arguments = [argument.replace("{run}", str(project / "run")) for argument in arguments]
    if "--run" not in arguments:
        arguments = ["--run", "new", *arguments]
    arguments[1] = str(project / arguments[1])
    assert cli.main(["train", "--config", str(project / "config.yaml"), *arguments]) == 2
    err = capsys.readouterr().err
    assert message in err and err.count("\n") == 1
    assert not (project / "new").exists()


@pytest.mark.slow
def test_a_run_starts_from_the_weights_and_anchors_of_another(project, capsys):
    best = RunDirectory(project / "run").best
    config = read_config(project / "config.yaml", [f"model.weights={best}", "data.classes=[star, circle]"])
    own = anchor_set((8, 16, 32), np.arange(18).reshape(3, 3, 2) + 4)
    attached = project / "attached.keras"
    save_network(
        open_detector(best).network, dataclasses.replace(read_spec(best), geometry={"anchors": own.sizes.tolist()}), attached
    )
    given = dataclasses.replace(config.model, weights=str(attached))
    origin = read_origin(given, class_names=("star", "circle"))
    np.testing.assert_array_equal(first_layout(given, origin).sizes, own.sizes)
    stated = dataclasses.replace(given, anchors=COCO_ANCHORS.sizes.tolist())
    np.testing.assert_array_equal(first_layout(stated, origin).sizes, COCO_ANCHORS.sizes)

    spec = dataclasses.replace(read_spec(best), class_names=("star", "circle"))
    origin = read_origin(config.model, class_names=spec.class_names)
    network, _ = first_network(config, origin, spec)
    theirs = open_detector(best).network
    kernels = [one.get_layer("neck_p5_lateral_conv").kernel for one in (network, theirs)]
    np.testing.assert_array_equal(*kernels)
    out = capsys.readouterr().out
    assert "left as initialised: head_p3 (other shape), head_p4 (other shape), head_p5 (other shape)" in out
    assert "new head: initial kernels times 0.1 (model.new_head_scale)" in out
    first_network(config, origin, dataclasses.replace(spec, class_names=tuple("abcde")))
    assert "note: their head was trained on other classes, ['circle', " in capsys.readouterr().out


@pytest.mark.long
def test_a_frozen_backbone_rests_and_then_learns(project, capsys):
    """Two epochs with the backbone frozen in the first: its weights and statistics change in the second only."""
    start = RunDirectory(project / "run").best
    argv = ["train", "--config", str(project / "config.yaml"), f"model.weights={start}", "train.learning_rate=0.05"]
    argv += ["transfer.freeze=backbone", "train.ema_decay=0.0"]
    weights = {}
    for name, more in (("frozen", ["train.epochs=1"]), ("freed", ["transfer.freeze_epochs=1"])):
        assert cli.main([*argv, "--run", str(project / name), *more]) == 0
        weights[name] = open_detector(RunDirectory(project / name).last).network
    before = open_detector(start).network
    for name in ("backbone_stem_conv", "backbone_stage4_csp_merge_batch_norm"):
        three = [network.get_layer(name).get_weights() for network in (before, *weights.values())]
        for old, same, new in zip(*three, strict=True):
            np.testing.assert_array_equal(same, old)
            assert np.abs(new - old).max() > 0
    kernels = [network.get_layer("neck_p3_output_conv").kernel.numpy() for network in (weights["frozen"], before)]
    assert np.abs(kernels[0] - kernels[1]).max() > 0
    out = capsys.readouterr().out
    assert "frozen: " in out and "now learning: " in out


def test_anchors_of_other_levels_are_refused(project, tiny_network):
    spec = detector_spec(class_names=["a"], image_size=(64, 64), anchors=anchor_set((16, 32), [[(9, 9)], [(20, 30)]]))
    save_network(tiny_network(), spec, project / "two_levels.keras")
    config = read_config(project / "config.yaml", [f"model.weights={project / 'two_levels.keras'}"])
    with pytest.raises(InputError, match=r"has levels of strides \(16, 32\). Expected \(8, 16, 32\). Use other weights"):
        first_layout(config.model, read_origin(config.model, class_names=("a",)))


@pytest.mark.slow
def test_going_on_with_other_options_or_data_is_refused(project, capsys):
    argv = ["train", "--resume", "--run", str(project / "run")]
    assert cli.main([*argv, "data.classes=[circle, star]", "train.epochs=3"]) == 2
    err = capsys.readouterr().err
    assert "data.classes [] -> ['circle', 'star'], train.epochs 2 -> 3" in err and err.count("\n") == 1
    shutil.copytree(project / "shapes", project / "other_labels")
    labels = sorted((project / "other_labels" / "labels" / "train").iterdir())[1]
    labels.write_text("0 0.5 0.5 0.25 0.25\n")
    assert cli.main([*argv, f"data.path={project / 'other_labels'}"]) == 2
    err = capsys.readouterr().err
    assert "epoch_0002: was written while training on other images or labels" in err and err.count("\n") == 1


def test_a_network_of_another_class_count_is_not_evaluated(project, capsys):
    argv = ["evaluate", str(project / "run" / "best.keras"), "--data", str(project / "shapes.yaml")]
    assert cli.main([*argv, "--classes", "circle", "star"]) == 2
    assert "finds 5 classes, [" in (line := capsys.readouterr().err) and "the data set has 2, ['circle', 'star']" in line


def test_an_unwritable_run_directory_is_one_line(project, capsys):
    (project / "file").write_text("in the way")
    assert cli.main(["train", "--config", str(project / "config.yaml"), "--run", str(project / "file" / "run")]) == 2
    err = capsys.readouterr().err
    assert "file" in err and err.count("\n") == 1


def test_a_truncated_image_stops_the_run_before_its_first_epoch(project, capsys):
    shutil.copytree(project / "shapes", project / "broken")
    image = sorted((project / "broken" / "images" / "train").iterdir())[0]
    image.write_bytes(image.read_bytes()[:200])
    argv = ["train", f"data.path={project / 'broken'}", "--config", str(project / "config.yaml"), "--run", str(project / "new")]
    assert cli.main(argv) == 2
    err = capsys.readouterr().err
    assert image.name in err and err.count("\n") == 1
    assert not (project / "new").exists()


@pytest.mark.long
def test_a_loss_that_is_no_number_ends_the_run_with_a_picture_of_its_batch(project, capsys):
    run = RunDirectory(project / "diverging")
    argv = ["train", "--config", str(project / "config.yaml"), "--run", str(run.root), "run.checkpoint_every_steps=1"]
    assert cli.main([*argv, "train.learning_rate=1.0e+18", "train.clip_norm=0.0"]) == 2
    err = capsys.readouterr().err
    assert "epoch 1, step 3: the loss is not finite" in err, "the first update is after the second batch of 4: nominal 8"
    assert "start a new run with a lower train.learning_rate" in err and err.count("\n") == 1
    with Image.open(run.plots / "nonfinite_batch.png") as picture:
        assert picture.width > 2 * 64
    places = list(run.checkpoints.iterdir())
    assert len(places) == 2
    for place in places:
        with np.load(place / "variables.npz") as arrays:
            assert all(np.isfinite(arrays[name]).all() for name in arrays.files)


def test_broken_images_are_named_and_left_out_if_so_wished(project, capsys):
    root = project / "broken_some"
    shutil.copytree(project / "shapes", root)
    images = sorted((root / "images" / "train").iterdir())
    content = images[7].read_bytes()
    tables = content.index(b"\xff\xc4") + 4  # Huffman
    undecodable = content[:tables] + b"\xff" * 30 + content[tables + 30 :]
    images[3].write_bytes(content[: len(content) // 2])  # the reader of the labels sees that the end is missing
    images[7].write_bytes(undecodable)  # only decoding shows this one
    config = read_config(project / "config.yaml", [f"data.path={root}", "data.on_bad_image=skip"])
    train_set, val_set = read_splits(config.data)
    left = [image.name for place, image in enumerate(images) if place not in (3, 7)]
    assert [Path(record.path).name for record in train_set.records] == left and len(val_set.records) == 5
    lines = [line for line in capsys.readouterr().out.splitlines() if "left out" in line]
    assert len(lines) == 2
    assert f"train: left out: {images[3]}: is damaged or cut short" in lines[0]
    assert f"train: left out: {images[7]}: the image does not decode" in lines[1]
    for image in images:
        image.write_bytes(undecodable)
    with pytest.raises(InputError, match="train: none of its 10 images can be used. Expected files that decode"):
        read_splits(config.data)
    for image in images:
        image.write_bytes(b"")
    with pytest.raises(InputError, match="the train split .* has no images. Expected one or more"):
        read_splits(config.data)


def test_a_truncated_image_is_named_by_evaluate_too(project, capsys):
    root = project / "broken_val"
    shutil.copytree(project / "shapes", root)
    image = sorted((root / "images" / "val").iterdir())[2]
    content = image.read_bytes()
    image.write_bytes(content[:200] + content[-2:])  # the end marker is there: only decoding shows the damage
    argv = ["evaluate", str(project / "run" / "best.keras"), "--data", str(project / "shapes.yaml"), "--path", str(root)]
    assert cli.main(argv) == 2
    err = capsys.readouterr().err
    assert image.name in err and err.count("\n") == 1
