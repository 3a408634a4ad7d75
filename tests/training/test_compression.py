"""Runs with a teacher, and runs that get a network ready for int8."""

import dataclasses
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf

from yolo_tf import cli
from yolo_tf.config.reader import read_config
from yolo_tf.errors import InputError
from yolo_tf.files import read_spec
from yolo_tf.files.keras import save_network
from yolo_tf.files.run_directory import RunDirectory, read_history
from yolo_tf.files.spec import detector_spec
from yolo_tf.heads.anchor.anchors import COCO_ANCHORS
from yolo_tf.training.compression import check_quantize_aware, read_teacher
from yolo_tf.training.prepare import prepare

CLASSES = ("circle", "square", "triangle", "star", "cross")  # of the shapes
SHAPES = "format: shapes\npath: shapes\ntrain: 8\nval: 3\ntest: 1\nimage_size: 96\nmax_objects: 3\n"
CONFIG = """data: {dataset: shapes.yaml, image_size: 64, max_boxes: 20}
train: {epochs: 2, batch_size: 4, nominal_batch_size: 4, warmup_epochs: 0.0, learning_rate: 0.01}
run: {tensorboard: false}
augment: {close_mosaic: 0}
"""

pytestmark = pytest.mark.slow  # the run that they look at


@pytest.fixture(scope="module")
def project(tiny_network, tmp_path_factory):
    """A directory with a config, a data set, two networks, and a finished run of both kinds at once."""
    root = tmp_path_factory.mktemp("compressed")
    (root / "config.yaml").write_text(CONFIG)
    (root / "shapes.yaml").write_text(SHAPES)
    spec = detector_spec(class_names=CLASSES, image_size=(64, 64), anchors=COCO_ANCHORS, name="own")
    for name, seed in (("own", 0), ("teacher", 1)):
        save_network(tiny_network(len(CLASSES), 3, seed), spec, root / f"{name}.keras")
    assert cli.main(train_arguments(root, "run")) == 0
    return root


def train_arguments(root, run):
    argv = ["train", "--config", str(root / "config.yaml"), "--run", str(root / run), f"model.network={root / 'own.keras'}"]
    return [*argv, "compress.quantize_aware=true", f"compress.teacher={root / 'teacher.keras'}", "compress.distillation=0.5"]


def open_network(path):
    return keras.models.load_model(path, compile=False)


def test_the_network_that_is_kept_is_plain_and_has_its_batch_norms_folded(project):
    run = RunDirectory(project / "run")
    network = open_network(run.best)
    kinds = {type(layer) for layer in network.layers}
    assert keras.layers.BatchNormalization not in kinds and all(kind.__module__.startswith("keras.src.layers") for kind in kinds)
    assert len(network.weights) == 16, "8 convolutions with a bias"
    assert all(layer.trainable for layer in network.layers)
    with np.load(sorted(run.checkpoints.iterdir())[-1] / "variables.npz") as arrays:
        assert sum(name.startswith("network_") for name in arrays.files) == 16, "nothing of the teacher, no ranges"


def test_the_teacher_is_a_part_of_the_loss_that_is_kept(project):
    rows = read_history(project / "run" / "history.csv", before_epoch=9)
    assert [row["epoch"] for row in rows] == [1, 2] and all(row["distillation"] > 0 for row in rows)
    for row in rows:
        assert row["loss"] == pytest.approx(sum(row[name] for name in ("box", "objectness", "class", "distillation")), rel=1e-4)


@pytest.mark.long
def test_such_a_run_goes_on_as_if_it_had_not_been_stopped(project):
    """It is one of model.network too: the network is made from the file again, then filled from the checkpoint."""
    whole, again = RunDirectory(project / "run"), RunDirectory(project / "again")
    shutil.copytree(whole.root, again.root)
    shutil.rmtree(again.checkpoints / "epoch_0002")
    assert cli.main(["train", "--resume", "--run", str(again.root)]) == 0
    for one, other in zip(open_network(whole.last).weights, open_network(again.last).weights, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy(), err_msg=one.path)


def test_a_run_begins_with_the_answers_of_the_file_and_evaluates_them_rounded(project, capsys):
    setup = prepare(read_config(project / "run" / "config.yaml"), tf.distribute.get_strategy())
    images = tf.random.stateless_uniform([2, 64, 96, 3], (1, 2), 0, 255)
    theirs = open_network(project / "own.keras")(images)
    for folded, rounded, raw in zip(setup.trainer.network(images), setup.trainer.forward(images), theirs, strict=True):
        np.testing.assert_allclose(folded, raw, atol=1e-4)
        assert 1e-4 < np.abs(rounded - raw).max() < 0.2 * np.ptp(raw)
        assert len(np.unique(rounded[..., :4])) <= 256 and len(np.unique(rounded[..., 4:])) <= 256
    out = capsys.readouterr().out
    assert "quantisation-aware: batch norms are folded" in out and "in training and in the evaluation after each epoch" in out
    assert f"teacher: own in {project / 'teacher.keras'}" in out and "distillation 0.5" in out


def test_a_teacher_gives_its_answers_with_its_batch_norms_folded(project):
    config = read_config(project / "run" / "config.yaml")
    teacher = read_teacher(config.compress, read_spec(project / "own.keras"), precision="float32")
    images = tf.random.stateless_uniform([1, 96, 64, 3], (1, 2), 0, 255)
    for ours, theirs in zip(teacher(images, training=False), open_network(project / "teacher.keras")(images), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-4)
    assert not teacher.trainable_variables
    assert not any(isinstance(layer, keras.layers.BatchNormalization) for layer in teacher.layers)
    half = read_teacher(config.compress, read_spec(project / "own.keras"), precision="mixed_bfloat16")
    assert half.get_layer("head_p4").compute_dtype == "bfloat16"


def test_a_teacher_of_other_anchors_is_refused_with_the_anchors_to_take(project):
    compress = read_config(project / "run" / "config.yaml").compress
    spec = dataclasses.replace(
        read_spec(project / "own.keras"), geometry={"anchors": (np.arange(18.0).reshape(3, 3, 2) + 6).tolist()}
    )
    with pytest.raises(InputError, match=r"has other anchors .* Set 'model.anchors=\[\[\[10.0,13.0\],\[16.0,30.0\],") as caught:
        read_teacher(compress, spec, precision="float32")
    override = str(caught.value).split("'")[1]
    assert read_config(None, [override]).model.anchors[0][0] == (10.0, 13.0), "the line can be copied"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["compress.teacher=nowhere.keras"],
            "nowhere.keras: no such file. Expected a .keras file. Check config.compress.teacher",
        ),
        (
            ["compress.teacher={root}/teacher.keras", "data.classes=[star]"],
            "teacher.keras: finds the classes ['circle', 'square'",
        ),
        (
            ["compress.distillation=0.5"],
            "config.compress.distillation: got 0.5, but compress.teacher names no file. Set both or neither",
        ),
        (
            ["compress.teacher={root}/teacher.keras", "compress.distillation=-1"],
            "config.compress.distillation: expected 0 or more",
        ),
        (["compress.quantize_aware=true"], "is no trained network to fine-tune. Expected one. Add model.network=best.keras"),
        (
            ["compress.quantize_aware=true", "hardware.precision=mixed_bfloat16"],
            "does not go with hardware.precision=mixed_bfloat16",
        ),
    ],
)
def test_what_cannot_work_is_one_line(project, capsys, arguments, message):
    arguments = [argument.replace("{root}", str(project)) for argument in arguments]
    assert cli.main(["train", "--config", str(project / "config.yaml"), "--run", str(project / "new"), *arguments]) == 2
    err = capsys.readouterr().err
    assert message in err and err.count("\n") == 1
    assert not (project / "new").exists()


def test_rounding_on_several_devices_is_refused(project):
    config = read_config(project / "run" / "config.yaml")
    check_quantize_aware(config, 1)
    with pytest.raises(InputError, match="config.compress.quantize_aware: got 2 devices, .* Use hardware.devices=one"):
        check_quantize_aware(config, 2)
