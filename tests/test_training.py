"""The main job through the real commands, on a generated data set of a few small pictures."""

import dataclasses
import json
import shutil

import keras
import numpy as np
import pytest
import yaml

from yolo_tf import cli
from yolo_tf.anchors import COCO_ANCHORS, anchor_set
from yolo_tf.callbacks import EvaluateAveraged, StopOnNonFiniteLoss, fitness
from yolo_tf.config import TrainConfig
from yolo_tf.config_reader import read_config
from yolo_tf.detector_file import detector_spec, read_spec
from yolo_tf.errors import InputError
from yolo_tf.network_file import save_network
from yolo_tf.run_directory import RunDirectory, read_history
from yolo_tf.runtime import open_detector
from yolo_tf.training_start import start_anchors, start_network

CONFIG = """# a test
data: {dataset: shapes.yaml, image_size: 64, max_boxes: 20}
model: {name: small, width: 0.05, depth: 0.33}
train: {epochs: 2, batch_size: 4, nominal_batch_size: 8, warmup_epochs: 0.0, seed: 3}
augment: {close_mosaic: 0}
"""
SHAPES = "format: shapes\npath: shapes\ntrain: 10\nval: 5\ntest: 2\nimage_size: 96\nmax_objects: 3\n"


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A directory with a config and a data set YAML, and one finished run in `run`."""
    root = tmp_path_factory.mktemp("project")
    (root / "config.yaml").write_text(CONFIG)
    (root / "shapes.yaml").write_text(SHAPES)
    argv = ["train", "--config", str(root / "config.yaml"), "--run", str(root / "run"), "--json", str(root / "r.json")]
    assert cli.main(argv) == 0
    return root


def test_a_run_leaves_everything_that_is_promised(project):
    run = RunDirectory(project / "run")
    names = {str(path.relative_to(run.root)) for path in run.root.rglob("*") if path.is_file()}
    promised = {"config.yaml", "last.keras", "best.keras", "history.csv", "metrics.json", "environment.json"}
    promised.add("swap_report.json")
    plots = ("labels", "train_batch_0", "train_batch_1", "history", "f1", "precision_recall", "confusion_matrix")
    promised |= {f"plots/{name}.png" for name in plots}
    promised |= {"checkpoints/epoch_0002/trainer.weights.h5", "checkpoints/epoch_0002/state.json"}
    assert promised <= names
    assert any(name.startswith("events/events.out.tfevents") for name in names)
    rows = read_history(run.history, before_epoch=9)
    assert [row["epoch"] for row in rows] == [1, 2]
    assert all({"loss", "box", "objectness", "class", "AP", "AP50", "learning_rate", "seconds"} <= set(row) for row in rows)
    metrics = json.loads(run.metrics.read_text())
    assert metrics == json.loads((project / "r.json").read_text())
    assert metrics["images"] == 5 and metrics["epochs"] == 2 and set(metrics["per_class"]) >= {"circle", "star"}


def test_the_resolved_config_can_be_trained_from_again(project):
    assert read_config(project / "run" / "config.yaml") == read_config(project / "config.yaml")
    resolved = yaml.safe_load((project / "run" / "config.yaml").read_text())
    assert resolved["data"]["dataset"] == str(project / "shapes.yaml")


def test_evaluate_repeats_the_run_s_own_figures(project, capsys):
    argv = ["evaluate", str(project / "run" / "best.keras"), "--data", str(project / "shapes.yaml"), "--batch-size", "4"]
    assert cli.main([*argv, "--json", str(project / "e.json")]) == 0
    assert "precision" in capsys.readouterr().out
    mine, theirs = json.loads((project / "e.json").read_text()), json.loads((project / "run" / "metrics.json").read_text())
    for name in ("AP", "AP50", "AR100", "precision", "recall", "f1"):
        assert mine[name] == pytest.approx(theirs[name], abs=1e-6), name


def test_an_interrupted_run_continues_as_if_it_had_not_been(project, monkeypatch, capsys):
    argv = ["train", "--config", str(project / "config.yaml"), "--run", str(project / "again")]

    def interrupt(self, epoch, logs=None):
        if epoch == 1:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(EvaluateAveraged, "on_epoch_begin", interrupt, raising=False)
        assert cli.main(argv) == 130
    assert "interrupted" in capsys.readouterr().err
    assert [path.name for path in (project / "again" / "checkpoints").iterdir()] == ["epoch_0001"]
    assert cli.main(["train", "--resume", "--run", str(project / "again")]) == 0
    for name in ("last.keras", "best.keras"):
        whole, parts = (keras.models.load_model(project / run / name, compile=False) for run in ("run", "again"))
        for left, right in zip(whole.weights, parts.weights, strict=True):
            np.testing.assert_array_equal(left.numpy(), right.numpy(), err_msg=left.path)
    losses = [[row["loss"] for row in read_history(project / run / "history.csv", before_epoch=9)] for run in ("run", "again")]
    assert losses[0] == losses[1] and len(losses[0]) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--run", "run"], "holds a run already"),
        (["model.weights=nowhere.keras"], "nowhere.keras: no such file"),
        (["model.width=0.2", "model.weights={run}/other.keras"], "none of its 1 layers fits small by name and shape"),
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


def test_a_run_starts_from_the_weights_and_anchors_of_another(project, capsys):
    best = RunDirectory(project / "run").best
    config = read_config(project / "config.yaml", [f"model.weights={best}", "data.classes=[star, circle]"])
    own = anchor_set((8, 16, 32), np.arange(18).reshape(3, 3, 2) + 4)
    attached = project / "attached.keras"
    save_network(open_detector(best).network, dataclasses.replace(read_spec(best), anchor_sizes=own.sizes.tolist()), attached)
    np.testing.assert_array_equal(start_anchors(dataclasses.replace(config.model, weights=str(attached))).sizes, own.sizes)
    stated = dataclasses.replace(config.model, weights=str(attached), anchors=COCO_ANCHORS.sizes.tolist())
    np.testing.assert_array_equal(start_anchors(stated).sizes, COCO_ANCHORS.sizes)

    spec = dataclasses.replace(read_spec(best), class_names=("star", "circle"))
    network, _ = start_network(config, spec)
    theirs = open_detector(best).network
    np.testing.assert_array_equal(network.get_layer("neck_p5_reduce_conv").kernel, theirs.get_layer("neck_p5_reduce_conv").kernel)
    out = capsys.readouterr().out
    assert "left as initialised: head_p3 (other shape), head_p4 (other shape), head_p5 (other shape)" in out
    assert "new head: initial kernels times 0.1 (model.new_head_scale)" in out
    start_network(config, dataclasses.replace(spec, class_names=tuple("abcde")))
    assert "note: their head was trained on ['circle', " in capsys.readouterr().out


def test_a_frozen_backbone_rests_and_then_learns(project, capsys):
    """Two epochs with the backbone frozen in the first: its weights and statistics change in the second only."""
    start = RunDirectory(project / "run").best
    argv = ["train", "--config", str(project / "config.yaml"), f"model.weights={start}", "train.learning_rate=0.05"]
    argv += ["train.freeze=backbone", "train.ema_decay=0.0"]
    weights = {}
    for name, more in (("frozen", ["train.epochs=1"]), ("freed", ["train.freeze_epochs=1"])):
        assert cli.main([*argv, "--run", str(project / name), *more]) == 0
        weights[name] = open_detector(RunDirectory(project / name).last).network
    before = open_detector(start).network
    for name in ("backbone_stem_conv", "backbone_stage4_csp_merge_batch_norm"):
        three = [network.get_layer(name).get_weights() for network in (before, *weights.values())]
        for old, same, new in zip(*three, strict=True):
            np.testing.assert_array_equal(same, old)
            assert np.abs(new - old).max() > 0
    kernels = [network.get_layer("neck_p3_csp_merge_conv").kernel.numpy() for network in (weights["frozen"], before)]
    assert np.abs(kernels[0] - kernels[1]).max() > 0
    out = capsys.readouterr().out
    assert "frozen: " in out and "now learning: " in out


def test_anchors_of_other_levels_are_refused(project, tiny_network):
    spec = detector_spec(class_names=["a"], image_size=(64, 64), anchors=anchor_set((16, 32), [[(9, 9)], [(20, 30)]]))
    save_network(tiny_network(), spec, project / "two_levels.keras")
    config = read_config(project / "config.yaml", [f"model.weights={project / 'two_levels.keras'}"])
    with pytest.raises(InputError, match=r"has levels of strides \(16, 32\). Expected \(8, 16, 32\). Use other weights"):
        start_anchors(config.model)


def test_resuming_with_another_class_count_is_refused(project, capsys):
    shutil.copytree(project / "run", project / "copy")
    argv = ["train", "--resume", "--run", str(project / "copy"), "data.classes=[circle, star]", "train.epochs=3"]
    assert cli.main(argv) == 2
    err = capsys.readouterr().err
    assert "does not fit this network" in err and err.count("\n") == 1


def test_a_network_of_another_class_count_is_not_evaluated(project, capsys):
    argv = ["evaluate", str(project / "run" / "best.keras"), "--data", str(project / "shapes.yaml")]
    assert cli.main([*argv, "--classes", "circle", "star"]) == 2
    assert "the detector has 5 classes, the data set 2" in capsys.readouterr().err


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


def test_a_loss_that_is_no_number_stops_with_its_parts():
    callback = StopOnNonFiniteLoss()
    callback.on_epoch_begin(4)
    callback.on_train_batch_end(6, {"loss": 1.0})
    message = r"epoch 5, step 8: the loss is not finite \(box nan, loss nan\).*Lower train.learning_rate"
    with pytest.raises(InputError, match=message):
        callback.on_train_batch_end(7, {"loss": float("nan"), "box": float("nan")})


def test_patience_counts_epochs_without_a_better_fitness(tiny_network):
    class Model:
        stop_training = False

    class Optimizer:
        def swap_averages(self):
            pass

    scores, saved = iter([0.1, 0.3, 0.2, 0.3, 0.1]), []
    callback = EvaluateAveraged(
        Optimizer(),
        evaluate=lambda: dict.fromkeys(("AP", "AP50", "precision", "recall"), next(scores)),
        save_last=lambda: None,
        save_best=lambda: saved.append(1),
        train=TrainConfig(epochs=9, patience=3),
    )
    model = Model()
    callback.set_model(model)
    stops = []
    for epoch in range(5):
        callback.on_epoch_end(epoch, {})
        stops.append(model.stop_training)
    assert stops == [False, False, False, False, True] and len(saved) == 2
    assert callback.best == {"fitness": pytest.approx(0.3), "epoch": 2}


def test_fitness_weighs_ap_nine_to_one():
    assert fitness({"AP": 0.5, "AP50": 0.8}) == pytest.approx(0.53)
    assert fitness({"AP": None, "AP50": None}) == 0
