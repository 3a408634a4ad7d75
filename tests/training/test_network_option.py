"""A run trains the network of a file as it is, also one that no config describes."""

import dataclasses
import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from yolo_tf import cli
from yolo_tf.config import Config, ModelConfig
from yolo_tf.config.reader import read_config
from yolo_tf.errors import InputError
from yolo_tf.files import read_spec
from yolo_tf.files.keras import read_detector_network, save_network
from yolo_tf.files.run_directory import RunDirectory
from yolo_tf.files.spec import detector_spec
from yolo_tf.heads import HEADS, load_head
from yolo_tf.heads.anchor.anchors import COCO_ANCHORS, anchor_set
from yolo_tf.models.network import build_network, network_layout
from yolo_tf.models.parts import frozen_layers, learning_rate_factors
from yolo_tf.models.reports.cost import network_report
from yolo_tf.models.reports.start import format_start, start_report
from yolo_tf.sources import read_dataset, read_source
from yolo_tf.training.origin import choose_layout, first_layout, first_network, read_origin

SHAPES = "format: shapes\npath: shapes\ntrain: 8\nval: 3\ntest: 1\nimage_size: 96\nmax_objects: 3\n"
CONFIG = """data: {dataset: shapes.yaml, image_size: 64, max_boxes: 20}
train: {epochs: 2, batch_size: 4, nominal_batch_size: 4, warmup_epochs: 0.0, learning_rate: 0.02}
run: {tensorboard: false}
augment: {close_mosaic: 0}
"""
CLASSES = ("circle", "square", "triangle", "star", "cross")  # of the shapes
OWN_ANCHORS = anchor_set((8, 16, 32), np.arange(18).reshape(3, 3, 2) + 6)


@pytest.fixture(scope="module")
def project(tiny_network, tmp_path_factory):
    """A directory with a config, a data set, and the file of a network that no config describes."""
    root = tmp_path_factory.mktemp("own")
    (root / "config.yaml").write_text(CONFIG)
    (root / "shapes.yaml").write_text(SHAPES)
    spec = detector_spec(class_names=CLASSES, image_size=(64, 64), anchors=OWN_ANCHORS, name="own")
    save_network(tiny_network(len(CLASSES), 3), spec, root / "own.keras")
    return root


def open_network(path):
    return keras.models.load_model(path, compile=False)


@pytest.mark.slow
def test_its_structure_anchors_and_name_come_from_the_file(project):
    """A whole run; that of test_compression.py begins with a file too, and is a quick one."""
    run, start = RunDirectory(project / "run"), open_network(project / "own.keras")
    argv = ["train", "--config", str(project / "config.yaml"), "--run", str(run.root)]
    assert cli.main([*argv, f"model.network={project / 'own.keras'}"]) == 0
    learned = open_network(run.last)
    assert [tuple(one.shape) for one in learned.weights] == [tuple(one.shape) for one in start.weights]
    changed = [np.abs(one.numpy() - other.numpy()).max() > 0 for one, other in zip(learned.weights, start.weights, strict=True)]
    assert all(changed)
    spec = read_spec(run.best)
    assert spec.name == "own" and spec.class_names == CLASSES
    np.testing.assert_array_equal(spec.anchors.sizes, OWN_ANCHORS.sizes)
    report = json.loads((run.root / "swap_report.json").read_text())
    file = str(project / "own.keras")
    assert report["initial_weights"] == {"backbone": file, "adapters": "absent", "neck": "absent", "head": file}
    assert report["name"] == "own" and report["pixel_scaling"] is None
    assert read_config(run.config).model.network == file


def test_it_starts_with_the_weights_of_the_file_and_keeps_their_anchors(project, capsys):
    config = read_config(project / "config.yaml", [f"model.network={project / 'own.keras'}", "model.batch_norm_momentum=0.5"])
    origin = read_origin(config.model, class_names=CLASSES)
    spec = detector_spec(class_names=CLASSES, image_size=(64, 64), anchors=first_layout(config.model, origin))
    network, loaded = first_network(config, origin, spec)
    assert loaded is None and network.get_layer("stage3_batch_norm").momentum == 0.5
    theirs = open_network(project / "own.keras")
    for one, other in zip(network.weights, theirs.weights, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())
    assert f"network: own as it is in {project / 'own.keras'}, {network.count_params():,} weights" in capsys.readouterr().out
    np.testing.assert_array_equal(first_layout(config.model, origin).sizes, OWN_ANCHORS.sizes)


def test_its_anchors_are_kept_though_they_match_too_few(project, capsys):
    spec = dataclasses.replace(read_spec(project / "own.keras"), geometry={"anchors": [[[900, 900]] * 3] * 3})
    save_network(open_network(project / "own.keras"), spec, project / "huge_anchors.keras")
    config = read_config(project / "config.yaml", [f"model.network={project / 'huge_anchors.keras'}"])
    train_set = read_dataset(read_source(project / "shapes.yaml"), "train")
    assert choose_layout(config, read_origin(config.model, class_names=CLASSES), train_set) == config
    assert "they match too few boxes (below 0.98). They are those of model.network" in capsys.readouterr().out


def test_half_precision_computes_on_the_same_weights(project):
    path = project / "own.keras"
    options = dict(option="config.model.network", class_names=CLASSES)
    half, _ = read_detector_network(path, **options, precision="mixed_bfloat16")
    whole, _ = read_detector_network(path, **options)
    assert half.get_layer("head_p4").compute_dtype == "bfloat16" and half.get_layer("p4").compute_dtype == "float32"
    images = tf.random.stateless_uniform([2, 64, 96, 3], (1, 2), 0, 255)
    for one, other in zip(half(images), whole(images), strict=True):
        assert one.dtype == tf.float32
        np.testing.assert_allclose(one, other, atol=0.1)  # 8 bits of mantissa
    assert all(variable.dtype == "float32" for variable in half.trainable_variables)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["model.network=nowhere.keras"], "nowhere.keras: no such file"),
        (["model.network={root}/own.keras", "data.classes=[star, circle]"], "own.keras: finds the classes ['circle', "),
        (
            ["model.network={root}/own.keras", "model.width=0.5", "model.neck=fpn", "model.weights=a.keras"],
            "config.model.network: the file says what the network is, but model.neck, model.width, model.weights say something",
        ),
        (["model.network={root}/own.keras", "transfer.freeze=adapters"], "no layer of the network belongs to 'adapters'"),
        (["model.network={root}/one_size.keras"], "one_size.keras: takes [(None, 64, 64, 3)] and gives"),
        (["model.network={root}/no_detector.keras"], "no_detector.keras: carries no readable detector.json"),
    ],
)
def test_what_cannot_be_trained_is_one_line(project, capsys, arguments, message):
    images = keras.Input((64, 64, 3))
    outputs = open_network(project / "own.keras")(images)
    save_network(keras.Model(images, outputs), read_spec(project / "own.keras"), project / "one_size.keras")
    save_network(open_network(project / "own.keras"), None, project / "no_detector.keras")
    arguments = [argument.replace("{root}", str(project)) for argument in arguments]
    assert cli.main(["train", "--config", str(project / "config.yaml"), "--run", str(project / "new"), *arguments]) == 2
    err = capsys.readouterr().err
    assert message in err and err.count("\n") == 1
    assert not (project / "new").exists()


def test_layers_without_names_by_part_train_but_have_no_stages(tiny_network, tmp_path):
    """tiny_network has names of its own, but for its head; without these nothing tells the parts."""

    def clone(layer):
        return layer.__class__.from_config(layer.get_config() | {"name": layer.name.replace("head_", "last_")})

    network = keras.models.clone_model(tiny_network(num_classes=2), clone_function=clone)
    report = network_report(network, model=ModelConfig(network="a.keras"), num_classes=2, image_size=(64, 96))
    assert report.taps == () and report.trainable_params["backbone"] == report.trainable_params["total"]
    start = start_report(network, report)
    assert start.pixel_scaling is None and "pixels: scaled as the network's own layers do" in format_start(start)

    with pytest.raises(InputError, match="transfer.freeze: the layers of tiny do not say which are the backbone. Expected"):
        frozen_layers(network, ("stage2",))
    with pytest.raises(InputError, match="backbone_learning_rate_multiplier and layer_decay: .* Leave the option out"):
        learning_rate_factors(network, backbone=0.1, layer_decay=1.0)
    assert len(frozen_layers(tiny_network(), ("stage2",))) == 2, "one convolution and its batch norm"


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("parts", [("backbone",) * 5, ("backbone", "backbone", "neck", "neck", "neck")])
def test_features_are_never_the_predictions(head, parts):
    """A backbone without sums ends with the last layer of a stride; one that does not reach all strides has none to name."""
    x = images = keras.Input((None, None, 3), name="images")
    model, features = ModelConfig(head=head), []
    for number, part in enumerate(parts):
        features.append(keras.layers.Conv2D(8, 3, 2, padding="same", name=f"{part}_conv{number}")(x))
        x = features[-1]
    x = [keras.layers.ReLU(name=f"neck_relu{number}")(feature) for number, feature in enumerate(features[2:])]
    network = keras.Model(images, load_head(head).build(x, network_layout(model), num_classes=2, model=model))
    report = network_report(network, model=ModelConfig(network="a.keras"), num_classes=2, image_size=(64, 96))
    assert [tap.layer for tap in report.taps] == [f"backbone_conv{number}" for number in (2, 3, 4) if parts[number] == "backbone"]


@pytest.mark.slow
def test_a_narrowed_yolov5_is_still_known_by_its_names():
    whole = build_network(ModelConfig(width=0.05), num_classes=5, anchors=COCO_ANCHORS)
    narrowed = {"backbone_stage1_csp_bottleneck0_1x1_conv": {"filters": 3}}  # what it gives is read by one layer alone

    def clone(layer):
        return layer.__class__.from_config(layer.get_config() | narrowed.get(layer.name, {}))

    network = keras.models.clone_model(whole, clone_function=clone)
    model = ModelConfig(network="a.keras", name="narrowed")
    report = network_report(network, model=model, num_classes=5, image_size=(64, 96))
    assert [tap.stride for tap in report.taps] == [8, 16, 32]
    assert report.initial_weights == {"backbone": "a.keras", "adapters": "absent", "neck": "a.keras", "head": "a.keras"}
    assert report.trainable_params["total"] == sum(int(np.prod(one.shape)) for one in network.trainable_weights)
    assert len(frozen_layers(network, ("stage1",))) == 2 and start_report(network, report).pixel_scaling["offset"] == [0.0]
    assert set(learning_rate_factors(network, backbone=0.5, layer_decay=1.0).values()) == {0.5}


def test_show_model_shows_the_network_of_the_file(project, tmp_path, capsys):
    result = tmp_path / "result.json"
    assert cli.main(["show", "model", f"model.network={project / 'own.keras'}", "--json", str(result)]) == 0
    report = json.loads(result.read_text())
    assert (report["name"], report["num_classes"]) == ("own", 5)
    network = open_network(project / "own.keras")
    assert report["trainable_params"]["total"] == sum(int(np.prod(one.shape)) for one in network.trainable_weights)


def test_options_that_say_nothing_of_the_structure_may_stand_beside_it():
    model = ModelConfig(network="a.keras", name="mine", batch_norm_momentum=0.9, autoanchor=False)
    assert dataclasses.replace(Config(), model=model).model.network == "a.keras"
