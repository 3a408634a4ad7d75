"""What a run chooses for itself before its first epoch: anchors and the batch size."""

import dataclasses

import numpy as np
import pytest
from PIL import Image

from yolo_tf import cli
from yolo_tf.config.reader import read_config
from yolo_tf.errors import InputError
from yolo_tf.files import read_spec
from yolo_tf.files.keras import save_network
from yolo_tf.files.run_directory import RunDirectory
from yolo_tf.files.spec import detector_spec
from yolo_tf.heads.anchor import layout as anchor_layout
from yolo_tf.heads.anchor.anchors import COCO_ANCHORS, ENOUGH_RECALL, best_possible_recall, fitted_box_sizes
from yolo_tf.models.network import network_layout
from yolo_tf.sources import read_dataset, read_source
from yolo_tf.training import start as training_start
from yolo_tf.training.start import start_layout, state_batch_size, state_layout


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A data set of flat boxes, which COCO's anchors do not match, and a config that trains on it."""
    root, rng = tmp_path_factory.mktemp("flat"), np.random.default_rng(0)
    for split, count in (("train", 9), ("val", 3)):
        for number in range(count):
            image, label = (root / kind / split / f"{number}.{suffix}" for kind, suffix in (("images", "png"), ("labels", "txt")))
            for file in (image, label):
                file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 255, (96, 128, 3), np.uint8)).save(image)
            sizes = np.stack([rng.uniform(0.55, 0.95, 4), rng.uniform(0.02, 0.04, 4)], 1)  # of width and height
            lines = [f"0 0.5 {y} {w:.4f} {h:.4f}\n" for y, (w, h) in zip((0.2, 0.4, 0.6, 0.8), sizes, strict=True)]
            label.write_text("".join(lines))
    (root / "data.yaml").write_text("format: yolo\npath: .\ntrain: images/train\nval: images/val\nnames: [line]\n")
    (root / "config.yaml").write_text(
        "data: {dataset: data.yaml, image_size: 64, max_boxes: 20}\nmodel: {name: tiny, width: 0.05}\n"
        "train: {epochs: 1, batch_size: auto, nominal_batch_size: 4, warmup_epochs: 0.0}\n"
    )
    return root


@pytest.fixture
def config(project):
    """The project's Config."""
    return read_config(project / "config.yaml")


@pytest.fixture
def train_set(project):
    """The project's training split."""
    return read_dataset(read_source(project / "data.yaml"), "train")


@pytest.mark.slow
def test_a_run_carries_its_fitted_anchors_its_batch_size_and_its_profile(project, train_set, capsys):
    root = project / "run"
    assert cli.main(["train", "--config", str(project / "config.yaml"), "--run", str(root), "--profile"]) == 0
    out = capsys.readouterr().out
    assert "anchors: best possible recall 0.000 of 36 training boxes; fitted ones reach 1.000 and are used: " in out
    assert "batch size: 4 (by estimate for " in out and "memory: about " in out and "activations of 4 images" in out
    resolved = read_config(root / "config.yaml")
    assert resolved.train.batch_size == 4
    fitted = network_layout(resolved.model)
    boxes = fitted_box_sizes(train_set, (64, 64))
    assert best_possible_recall(boxes, COCO_ANCHORS, ratio_limit=4.0) < 0.01
    assert best_possible_recall(boxes, fitted, ratio_limit=4.0) > ENOUGH_RECALL
    for file in (RunDirectory(root).best, RunDirectory(root).last):
        np.testing.assert_array_equal(read_spec(file).anchors.sizes, fitted.sizes)
    assert "| evaluation |" in (root / "profile" / "where_time_goes.md").read_text()

    assert state_layout(resolved, train_set) == resolved  # what --resume and training from this config find
    assert "1.000 of 36 training boxes, kept" in capsys.readouterr().out


def test_the_fit_repeats_with_the_seed(config, train_set):
    first, again = state_layout(config, train_set), state_layout(config, train_set)
    assert first == again and first.model.anchors
    assert dataclasses.replace(first, model=config.model) == config


@pytest.mark.parametrize("giver", ["config", "weights", "nobody"])
def test_anchors_that_were_given_are_kept_with_a_warning(config, train_set, tiny_network, tmp_path, capsys, giver):
    if giver == "config":
        model = dataclasses.replace(config.model, anchors=COCO_ANCHORS.sizes.tolist())
        reason = "They are those of model.anchors"
    elif giver == "weights":
        spec = detector_spec(class_names=["line"], image_size=(64, 64), anchors=COCO_ANCHORS)
        save_network(tiny_network(num_classes=1, anchors_per_cell=3), spec, tmp_path / "a.keras")
        model = dataclasses.replace(config.model, weights=str(tmp_path / "a.keras"))
        reason = "They are those of model.weights"
    else:
        model = dataclasses.replace(config.model, autoanchor=False)
        reason = "They are YOLOv5's; model.autoanchor=true fits others"
    given = dataclasses.replace(config, model=model)
    assert state_layout(given, train_set) == given
    out = capsys.readouterr().out
    assert f"warning: they match too few boxes (below 0.98). {reason}" in out
    np.testing.assert_array_equal(start_layout(given.model).sizes, COCO_ANCHORS.sizes)


def test_fitted_anchors_that_are_no_better_are_not_used(config, train_set, monkeypatch, capsys):
    monkeypatch.setattr(anchor_layout, "fit_anchors", lambda boxes_wh, **options: COCO_ANCHORS)
    assert state_layout(config, train_set) == config
    assert "fitted ones reach 0.000: kept" in capsys.readouterr().out


@pytest.mark.parametrize(("nominal", "images", "expected"), [(64, 100, 64), (64, 9, 8), (16, 100, 16), (3, 100, 2)])
def test_an_automatic_batch_is_bounded_by_the_nominal_batch_and_the_images(
    config, tiny_network, monkeypatch, capsys, nominal, images, expected
):
    monkeypatch.setattr(training_start, "available_memory", lambda: 16e3)
    wanted = dataclasses.replace(config, train=dataclasses.replace(config.train, nominal_batch_size=nominal))
    resolved = state_batch_size(wanted, tiny_network(), images, compiled=False)
    assert resolved.train.batch_size == expected
    assert f"batch size: {expected} (by estimate for 16.0 GB of free memory" in capsys.readouterr().out
    assert state_batch_size(resolved, None, images, compiled=False) is resolved


def test_on_gpus_growing_batches_are_run_on_one_of_them(config, tiny_network, monkeypatch, capsys):
    monkeypatch.setattr(training_start.tf.config, "list_physical_devices", lambda kind: ["a", "b"])
    monkeypatch.setattr(training_start, "step_probe", lambda *arguments, **options: lambda batch_size: batch_size <= 9)
    wanted = dataclasses.replace(config, train=dataclasses.replace(config.train, nominal_batch_size=64))
    assert state_batch_size(wanted, tiny_network(), 100, compiled=True, replicas=2).train.batch_size == 16
    assert "batch size: 16 (by running steps" in capsys.readouterr().out


def test_a_batch_that_cannot_be_chosen_is_one_line(config, tiny_network, monkeypatch):
    monkeypatch.setattr(training_start, "available_memory", lambda: 1.0)
    with pytest.raises(InputError, match="not even one image of 64 x 64 px fits in memory .* Lower data.image_size, or take"):
        state_batch_size(config, tiny_network(), 9, compiled=False)
    monkeypatch.setattr(training_start, "available_memory", lambda: None)
    with pytest.raises(InputError, match="auto needs a system that tells its free memory. Give a number instead"):
        state_batch_size(config, tiny_network(), 9, compiled=False)
