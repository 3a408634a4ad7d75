"""What a run begins with: the file that it names, read once, and the anchors that it chooses."""

import dataclasses
import functools
import hashlib

import keras
import numpy as np
import pytest
from onnx_writer import write_onnx, yolox_parts
from PIL import Image
from torch_states import yolox_checkpoint, yolox_state
from torch_writer import write_zip

from yolo_tf import cli
from yolo_tf.checkpoints.published import read_published
from yolo_tf.checkpoints.yolox.names import convolutions
from yolo_tf.config import ModelConfig
from yolo_tf.config.reader import read_config
from yolo_tf.errors import InputError
from yolo_tf.files import read_spec
from yolo_tf.files.keras import save_network
from yolo_tf.files.run_directory import RunDirectory
from yolo_tf.files.spec import detector_spec
from yolo_tf.heads.anchor import layout as anchor_layout
from yolo_tf.heads.anchor.anchors import COCO_ANCHORS, ENOUGH_RECALL, best_possible_recall, fitted_box_sizes
from yolo_tf.models.imported import yolox as imported_yolox
from yolo_tf.models.imported.yolox import import_yolox
from yolo_tf.models.network import build_network, network_layout
from yolo_tf.sources import read_dataset, read_source
from yolo_tf.surgery.unfold import is_folded
from yolo_tf.training.origin import Origin, choose_layout, first_layout, first_name, first_network, read_origin, settle_origin


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


@pytest.mark.long
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

    assert choose_layout(resolved, Origin(), train_set) == resolved  # what --resume and training from this config find
    assert "1.000 of 36 training boxes, kept" in capsys.readouterr().out


def test_the_fit_repeats_with_the_seed(config, train_set):
    first, again = (choose_layout(config, Origin(), train_set) for _ in range(2))
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
    origin = read_origin(given.model, class_names=train_set.class_names)
    assert choose_layout(given, origin, train_set) == given
    out = capsys.readouterr().out
    assert f"warning: they match too few boxes (below 0.98). {reason}" in out
    np.testing.assert_array_equal(first_layout(given.model, origin).sizes, COCO_ANCHORS.sizes)


def test_fitted_anchors_that_are_no_better_are_not_used(config, train_set, monkeypatch, capsys):
    monkeypatch.setattr(anchor_layout, "fit_anchors", lambda boxes_wh, **options: COCO_ANCHORS)
    assert choose_layout(config, Origin(), train_set) == config
    assert "fitted ones reach 0.000: kept" in capsys.readouterr().out


def test_a_file_is_opened_once(config, tiny_network, tmp_path, monkeypatch):
    """Anchors, name and weights of a run come from one look at its file, whichever option names it."""
    spec = detector_spec(class_names=["line"], image_size=(64, 64), anchors=COCO_ANCHORS, name="own")
    path = str(tmp_path / "own.keras")
    save_network(tiny_network(num_classes=1, anchors_per_cell=3), spec, path)
    images = keras.Input((8,))
    keras.Model(images, keras.layers.Dense(2)(images)).save(tmp_path / "backbone.keras")
    opened, load = [], keras.models.load_model
    monkeypatch.setattr(keras.models, "load_model", lambda path, **options: opened.append(str(path)) or load(path, **options))
    for option in ("network", "weights"):
        model = dataclasses.replace(config.model, name=ModelConfig.name, width=ModelConfig.width, **{option: path})
        origin = read_origin(model, class_names=("line",))
        assert (origin.kind, origin.path, origin.spec) == (f"model.{option}", path, spec) and origin.network.count_params() > 0
        assert first_name(model, origin) == ("own" if option == "network" else ModelConfig.name)
        np.testing.assert_array_equal(first_layout(model, origin).sizes, COCO_ANCHORS.sizes)
    assert opened == [path, path]
    model = dataclasses.replace(config.model, weights=str(tmp_path / "backbone.keras"))
    origin = read_origin(model, class_names=("line",))
    assert origin.spec is None and first_name(model, origin) == "tiny"
    assert read_origin(config.model, class_names=("line",)).network is None


@pytest.mark.slow
def test_weights_leave_what_they_do_not_fill_as_it_is_without_them(config, tiny_network, tmp_path):
    """Reading the file must not move the random numbers that the rest of the network begins with."""
    plain = dataclasses.replace(config.model, width=0.05)
    spec = detector_spec(class_names=["line"], image_size=(64, 64), anchors=COCO_ANCHORS)
    without, _ = first_network(dataclasses.replace(config, model=plain), Origin(), spec)
    stem = keras.Model(without.inputs, without.get_layer("backbone_stem_conv").output)
    stem.get_layer("backbone_stem_conv").set_weights(
        [weight + 1 for weight in stem.get_layer("backbone_stem_conv").get_weights()]
    )
    stem.save(tmp_path / "stem.keras")
    model = dataclasses.replace(plain, weights=str(tmp_path / "stem.keras"))
    begun = dataclasses.replace(config, model=model)
    network, loaded = first_network(begun, read_origin(model, class_names=("line",)), spec)
    assert loaded.loaded == ("backbone_stem_conv",)
    for one, other in zip(network.weights, without.weights, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """A directory with a yolox_nano.pth of COCO's 80 classes, and its network."""
    model = read_config("yolox_nano").model
    network = build_network(model, num_classes=80, anchors=network_layout(model))
    folder = tmp_path_factory.mktemp("weights")
    write_zip(folder / "yolox_nano.pth", yolox_checkpoint(yolox_state(network, repeats=1, depthwise=True)))
    return folder, network


def test_published_weights_fill_all_but_the_layers_of_the_classes(project, published, monkeypatch, capsys):
    folder, theirs = published
    monkeypatch.setenv("YOLO_TF_WEIGHTS", str(folder))
    config = read_config("yolox_nano", ["model.weights=yolox_nano", f"data.dataset={project / 'data.yaml'}"])
    origin = read_origin(config.model, class_names=("line",))
    assert (origin.kind, origin.path) == ("model.weights", str(folder / "yolox_nano.pth"))
    assert origin.spec.letterbox == "corner" and origin.spec.class_names[22] == "zebra"
    spec = detector_spec(class_names=["line"], image_size=(64, 64), anchors=first_layout(config.model, origin))
    network, loaded = first_network(config, origin, spec)
    assert set(loaded.other_shape) == {f"head_p{level}_class" for level in (3, 4, 5)} and not loaded.missing
    name = "head_p4_box_branch1_pointwise_conv"
    np.testing.assert_array_equal(network.get_layer(name).kernel, theirs.get_layer(name).kernel)
    digest = hashlib.sha256((folder / "yolox_nano.pth").read_bytes()).hexdigest()
    assert loaded.sha256 == digest
    assert f"weights: yolox_nano, {folder / 'yolox_nano.pth'}, SHA-256 {digest}" in capsys.readouterr().out


def test_a_run_whose_weights_do_not_come_does_not_begin(project, tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("YOLO_TF_WEIGHTS", raising=False)
    monkeypatch.setenv("YOLO_TF_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(imported_yolox, "read_published", functools.partial(read_published, address="http://127.0.0.1:9/"))
    command = ["train", "--config", "yolox_nano", "--run", str(tmp_path / "run"), "--json", "-", "model.weights=yolox_nano"]
    assert cli.main([*command, f"data.dataset={project / 'data.yaml'}"]) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and not (tmp_path / "run").exists() and not list((tmp_path / "cache").glob("*yolox*"))
    [told] = [line for line in captured.err.splitlines() if line.startswith("yolo-tf train: ")]
    assert told.startswith(
        "yolo-tf train: config.model.weights: yolox_nano cannot be fetched from http://127.0.0.1:9/yolox_nano.pth ("
    )


def test_published_weights_want_their_own_network(published, monkeypatch):
    monkeypatch.setenv("YOLO_TF_WEIGHTS", str(published[0]))
    what = "backbone csp_darknet_yolox, while config.model.backbone is csp_darknet"
    with pytest.raises(InputError, match=f"config.model.weights: yolox_nano has {what}. .*configs/models/yolox_nano.yaml"):
        read_origin(read_config(None, ["model.weights=yolox_nano"]).model, class_names=("line",))
    model = read_config("yolox_nano", ["model.weights=yolox_nano", "model.width=0.5"]).model
    with pytest.raises(InputError, match="has width 0.25, while config.model.width is 0.5"):
        read_origin(model, class_names=("line",))


def test_a_word_that_names_no_weights_is_told_those_that_do(tmp_path):
    told = "/yolox_nanno: no such file, and no published weights are called yolox_nanno. Expected a .keras file, or yolox_nano, "
    with pytest.raises(InputError, match=told):
        read_origin(ModelConfig(weights=str(tmp_path / "yolox_nanno")), class_names=("a",))


def test_a_published_onnx_gets_statistics_of_training_images(project, published, train_set, monkeypatch, tmp_path, capsys):
    """Its batch norms were folded: as they stand, training would begin with another network."""
    _, theirs = published
    order = [one.name for one in convolutions(1, True)]
    write_onnx(tmp_path / "yolox_nano.onnx", *yolox_parts(theirs, order))
    monkeypatch.setenv("YOLO_TF_WEIGHTS", str(tmp_path))
    config = read_config("yolox_nano", ["model.weights=yolox_nano", "data.image_size=64"])
    origin = read_origin(config.model, class_names=("line",))
    images = np.random.default_rng(0).uniform(0, 255, (1, 64, 64, 3)).astype(np.float32)
    before = [np.asarray(tensor) for tensor in origin.network(images)]
    name = "backbone_stage1_down_depthwise_batch_norm"
    assert origin.folded and not origin.network.get_layer(name).moving_mean.numpy().any()
    settle_origin(origin, train_set, config.data)
    assert "they have the statistics of 9 training images now" in capsys.readouterr().out
    assert origin.network.get_layer(name).moving_mean.numpy().all()
    for ours, expected in zip(origin.network(images), before, strict=True):
        np.testing.assert_allclose(ours, expected, atol=1e-4)


@pytest.mark.slow
def test_a_file_whose_batch_norms_were_folded_gets_statistics_however_it_is_named(published, train_set, tmp_path, capsys):
    _, theirs = published
    write_onnx(tmp_path / "yolox_nano.onnx", *yolox_parts(theirs, [one.name for one in convolutions(1, True)]))
    out = tmp_path / "nano.keras"
    names = import_yolox(tmp_path / "yolox_nano.onnx", out).class_names
    for model in (ModelConfig(weights=str(out)), ModelConfig(network=str(out))):
        origin = read_origin(model, class_names=names)
        assert origin.folded
        settle_origin(origin, train_set, read_config("yolox_nano", ["data.image_size=64"]).data)
        assert f"folded in {out}: they have the statistics of 9 training images now" in capsys.readouterr().out
        assert origin.network.get_layer("neck_p5_reduce_batch_norm").moving_mean.numpy().all()
    assert not is_folded(theirs) and not is_folded(origin.network)
