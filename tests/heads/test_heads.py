"""The whole table of heads, and one head more: what the rest of the package relies on, whatever the head."""

import dataclasses
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from yolo_tf.config import Config, DetectConfig, LossConfig, ModelConfig
from yolo_tf.engine.trainer import DetectorTrainer
from yolo_tf.errors import InputError
from yolo_tf.files.keras import read_detector_network, save_network
from yolo_tf.files.spec import detector_spec, spec_from_json, spec_to_json
from yolo_tf.heads import HEADS, load_head, loss_options
from yolo_tf.inference.suppression import suppress
from yolo_tf.inference.three_views import augment_candidates
from yolo_tf.models.network import build_network, network_layout
from yolo_tf.pictures.plots import LOSS_PARTS
from yolo_tf.structures import Targets
from yolo_tf.surgery.fake_quantization import fake_quantized_view
from yolo_tf.surgery.split_head import split_head

NAMES = ("a", "b", "c", "d")  # C = 4
SIZE = (96, 160)
BOXES = [[8.0, 9.0, 40.0, 33.0], [90.0, 20.0, 130.0, 70.0], [60.0, 70.0, 78.0, 90.0]]  # of image 0
# Image 1 has one box, and B = 2, M = 4.
TARGETS = Targets(
    tf.constant([[*BOXES, [0.0] * 4], [[30.0, 40.0, 71.0, 66.0], *[[0.0] * 4] * 3]]),
    tf.constant([[2, 0, 3, -1], [1, -1, -1, -1]]),
)
# One box as large as a cell of each level: where the overlap decides who answers, each level has something to answer for.
OF_EVERY_LEVEL = Targets(
    tf.constant([[[11.5, 11.5, 20.5, 20.5], [103.0, 55.0, 121.0, 73.0], [47.0, 15.0, 81.0, 49.0], [0.0] * 4]] * 2),
    tf.constant([[2, 0, 3, -1], [1, 2, 0, -1]]),
)


@pytest.fixture(params=[*HEADS, "cell"])
def name(request, monkeypatch):
    """Every head of the table, and that of tests/support/cell_head.py, which is in it for one test."""
    monkeypatch.setitem(HEADS, "cell", "cell_head")
    return request.param


@pytest.fixture
def head(name):
    return load_head(name)


@pytest.fixture
def layout(name):
    return network_layout(ModelConfig(head=name))


def options_of(head):
    """The options of its loss."""
    return loss_options(head, Config())


def draw(head, layout, *, batch=2, seed=0):
    """Random raw predictions for an input of SIZE, tf.Variables."""
    rng, strides, found = np.random.default_rng(seed), layout.strides, []
    for number, shape in enumerate(head.output_shapes(layout, len(NAMES))):
        stride = strides[number % len(strides)]
        found.append(tf.Variable(rng.normal(0, 1, (batch, SIZE[0] // stride, SIZE[1] // stride, *shape[3:])), dtype=tf.float32))
    return found


def small_network(head, layout):
    """A convolution for each level, batch norms, and the head."""
    x = images = keras.Input((None, None, 3))
    x, features = keras.layers.Rescaling(1 / 255)(x), []
    for number, stride in enumerate((4, 2, 2, 2)):
        x = keras.layers.Conv2D(8 + 4 * number, 5, stride, padding="same", use_bias=False)(x)
        features.append(keras.layers.ReLU()(keras.layers.BatchNormalization()(x)))
        x = features[-1]
    model = ModelConfig(head=layout.head, width=0.05)
    return keras.Model(images, head.build(features[1:], layout, num_classes=len(NAMES), model=model), name="small")


def test_the_row_is_consistent(name, head, layout):
    assert layout.head == name and layout.strides == (8, 16, 32)
    assert set(head.loss_parts) <= set(LOSS_PARTS), "the parts that the history is drawn with"
    assert set(head.loss(TARGETS, draw(head, layout), layout, loss=options_of(head))) == set(head.loss_parts)


@pytest.mark.slow
def test_a_network_has_the_shapes_that_the_row_says_and_every_variable_learns(name, head, layout):
    network = build_network(ModelConfig(head=name, width=0.05), num_classes=len(NAMES), anchors=layout)
    assert [tuple(raw.shape) for raw in network.outputs] == head.output_shapes(layout, len(NAMES))
    assert {raw.dtype for raw in network.outputs} == {"float32"}
    variables = [variable for layer in network.layers if layer.name.startswith("head_") for variable in layer.trainable_variables]
    with tf.GradientTape() as tape:
        predictions = network(tf.random.stateless_uniform([2, *SIZE, 3], (1, 2), 0, 255), training=True)
        loss = tf.add_n(list(head.loss(OF_EVERY_LEVEL, predictions, layout, loss=options_of(head)).values()))
    assert len(variables) >= 6
    for variable, gradient in zip(variables, tape.gradient(loss, variables), strict=True):
        assert gradient is not None and np.abs(gradient).max() > 0, variable.path


def test_every_raw_prediction_gets_a_gradient(head, layout):
    """In one of six batches at least: which level answers for a box may depend on what is predicted there."""
    largest = []
    for seed in range(6):
        predictions = draw(head, layout, seed=seed)
        with tf.GradientTape() as tape:
            loss = tf.add_n(list(head.loss(OF_EVERY_LEVEL, predictions, layout, loss=options_of(head)).values()))
        gradients = tape.gradient(loss, predictions)
        assert all(gradient is not None and np.isfinite(gradient).all() for gradient in gradients)
        largest.append([np.abs(gradient).max() for gradient in gradients])
    assert (np.max(largest, 0) > 0).all()


@pytest.mark.slow
def test_what_the_loss_likes_best_is_decoded_as_the_targets(head, layout):
    predictions = draw(head, layout)
    optimizer = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.2, 200))
    optimizer.build(predictions)

    @tf.function
    def improve():
        with tf.GradientTape() as tape:
            loss = tf.add_n(list(head.loss(TARGETS, predictions, layout, loss=options_of(head)).values()))
        optimizer.apply(tape.gradient(loss, predictions))
        return loss

    losses = [float(improve()) for _ in range(200)]
    assert losses[-1] < 0.1 * losses[0]
    boxes, scores = head.decode(predictions, layout)
    found = suppress(boxes, scores, DetectConfig(score_threshold=0.5, iou_threshold=0.5, max_detections=9, max_candidates=300))
    assert found.num_valid.numpy().tolist() == [3, 1]
    for image, count in enumerate((3, 1)):
        ours, theirs = np.argsort(found.class_ids[image, :count]), np.argsort(TARGETS.class_ids[image].numpy()[:count])
        np.testing.assert_array_equal(np.sort(found.class_ids[image, :count]), np.sort(TARGETS.class_ids[image].numpy()[:count]))
        np.testing.assert_allclose(found.boxes.numpy()[image, ours], TARGETS.boxes.numpy()[image, theirs], atol=2.0)


def test_a_head_says_whether_the_last_epochs_have_another_loss(head, layout):
    predictions, options = draw(head, layout), {"loss": options_of(head)}
    whole, last = (head.loss(TARGETS, predictions, layout, **options, plain=plain) for plain in (False, True))
    assert head.plain_loss_differs == any(float(whole[part]) != float(last[part]) for part in whole)
    network = small_network(head, layout)
    trainer = DetectorTrainer(network, layout)
    trainer.compile(keras.optimizers.SGD(0.0))
    batch = (tf.random.stateless_uniform([2, *SIZE, 3], (1, 2), 0, 255), TARGETS)
    seen = []
    for plain in (False, True, True, False):
        changed = trainer.use_plain_loss(plain)
        trainer.reset_metrics()
        seen.append((changed, float(trainer.train_on_batch(*batch, return_dict=True)["box"])))
    assert [changed for changed, _ in seen] == [False, head.plain_loss_differs, False, head.plain_loss_differs]
    assert (seen[1][1] > 1.05 * seen[0][1]) == head.plain_loss_differs and seen[0][1] == pytest.approx(seen[3][1], rel=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("xla", [False, True])
def test_a_step_leaves_empty_places_out_where_that_changes_nothing(head, layout, xla):
    """To the last bit; XLA wants to know the number of places, and gets all of them."""
    targets = Targets(
        tf.pad(TARGETS.boxes, [[0, 0], [0, 5], [0, 0]]), tf.pad(TARGETS.class_ids, [[0, 0], [0, 5]], constant_values=-1)
    )
    batch = (tf.random.stateless_uniform([2, *SIZE, 3], (1, 2), 0, 255), targets)
    places, losses = [], []

    def loss(targets, *predictions, **options):
        places.append(targets.boxes.shape[1])  # as it is known when the step is built
        return head.loss(targets, *predictions, **options)

    for any_places in (head.any_places, False):
        keras.utils.set_random_seed(0)
        trainer = DetectorTrainer(small_network(head, layout), layout)
        trainer.head = dataclasses.replace(head, loss=loss, any_places=any_places)
        trainer.compile(keras.optimizers.SGD(0.01), jit_compile=xla)
        losses.append([trainer.train_on_batch(*batch, return_dict=True) for _ in range(2)])
    assert places == [None if head.any_places and not xla else 9, 9]
    np.testing.assert_array_equal(*[[list(step.values()) for step in run] for run in losses])


def test_options_of_another_heads_loss_are_refused():
    config = Config(loss=dataclasses.replace(LossConfig(), box=0.1))
    assert loss_options(load_head("anchor"), config) is config.loss
    with pytest.raises(InputError, match="config.loss.box: got 0.1, .* in the section decoupled_loss. Expected 0.05, .* Leave"):
        loss_options(load_head("decoupled"), config)


def test_candidates_lie_level_by_level(head, layout):
    boxes, scores = head.decode(draw(head, layout), layout)
    counts = [int(count) for count in head.count_candidates(layout, tf.constant(SIZE))]
    assert boxes.shape == (2, sum(counts), 4) and scores.shape == (2, sum(counts), len(NAMES))
    per_cell = counts[2] // (3 * 5)
    assert counts == [12 * 20 * per_cell, 6 * 10 * per_cell, 3 * 5 * per_cell]
    assert 0 <= float(tf.reduce_min(scores)) and float(tf.reduce_max(scores)) <= 1
    # Three views: the first without its coarsest level, 132 x 160 (of 128 x 160 padded), the last without its finest.
    augmented, _ = augment_candidates(lambda images: _candidates_of(head, layout, images), layout)(
        np.zeros([1, *SIZE, 3], np.uint8)
    )
    views = [[int(count) for count in head.count_candidates(layout, tf.constant(size))] for size in (SIZE, (96, 160), (96, 128))]
    assert augmented.shape[1] == sum(views[0][:2]) + sum(views[1]) + sum(views[2][1:])


def _candidates_of(head, layout, images):
    count = sum(int(count) for count in head.count_candidates(layout, tf.shape(images)[1:3]))
    return tf.zeros([1, count, 4]), tf.zeros([1, count, len(NAMES)])


def test_the_mean_of_two_shares_is_the_loss_of_the_batch(head, layout):
    predictions, teacher, loss = draw(head, layout), draw(head, layout, seed=1), options_of(head)
    shares = [slice(0, 1), slice(1, 2)]
    targets = [Targets(TARGETS.boxes[rows], TARGETS.class_ids[rows]) for rows in shares]
    parts, taught = ([[raw[rows] for raw in tensors] for rows in shares] for tensors in (predictions, teacher))
    options = [{"loss": loss, "predictions": part if head.matches_need_predictions else None} for part in parts]
    counts = [head.count_matches(share, SIZE, layout, **option) for share, option in zip(targets, options, strict=True)]
    assert float(tf.reduce_sum(counts[0])) > 1.4 * float(tf.reduce_sum(counts[1])) > 0
    mean = (counts[0] + counts[1]) / 2
    found = [head.loss(share, part, layout, loss=loss, num_matches=mean) for share, part in zip(targets, parts, strict=True)]
    for part, whole in head.loss(TARGETS, predictions, layout, loss=loss).items():
        assert float(found[0][part] + found[1][part]) / 2 == pytest.approx(float(whole), rel=1e-5)

    mean = tf.reduce_mean([head.count_objects(part) for part in taught], 0)
    found = [head.distillation_loss(*pair, layout, loss=loss, num_objects=mean) for pair in zip(taught, parts, strict=True)]
    whole = float(head.distillation_loss(teacher, predictions, layout, loss=loss))
    assert float(found[0] + found[1]) / 2 == pytest.approx(whole, rel=1e-5) and whole > 0.01
    assert float(head.distillation_loss(teacher, teacher, layout, loss=loss)) == pytest.approx(0, abs=1e-5)


def test_a_detector_json_says_it_all(name, head, layout):
    spec = detector_spec(class_names=NAMES, image_size=SIZE, anchors=layout, name="it")
    again = spec_from_json(spec_to_json(spec), where="a.keras")
    assert again == spec and again.head == name
    predictions = draw(head, layout)
    for one, other in zip(again.decode(predictions), head.decode(predictions, layout), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.slow
def test_networks_are_saved_read_trained_and_made_ready_for_int8(head, layout, tmp_path):
    network = small_network(head, layout)
    save_network(network, detector_spec(class_names=NAMES, image_size=SIZE, anchors=layout), tmp_path / "a.keras")
    read, spec = read_detector_network(tmp_path / "a.keras", option="here", class_names=NAMES)
    images = tf.random.stateless_uniform([2, *SIZE, 3], (1, 2), 0, 255)
    expected = network(images)
    for view, tolerance in ((read, 1e-5), (split_head(network, head.channel_parts), 1e-5)):
        for one, other in zip(view(images), expected, strict=True):
            np.testing.assert_allclose(one, other, atol=tolerance)
    rounded = fake_quantized_view(network, head.channel_parts)(images)
    for one, other in zip(rounded, expected, strict=True):
        assert 0 < np.abs(one - other).max() < np.ptp([*other.numpy().flat, 0])  # an int8 range always holds 0
        for part in head.channel_parts.values() or [slice(None)]:
            assert len(np.unique(one.numpy()[..., part])) <= 256

    trainer = DetectorTrainer(read, spec.layout)
    trainer.compile(keras.optimizers.Adam(3e-3))
    losses = trainer.fit(images, TARGETS, batch_size=2, epochs=5, shuffle=False, verbose=0).history["loss"]
    assert losses[-1] < losses[0]


def test_a_layout_of_another_head_is_refused(monkeypatch):
    monkeypatch.setitem(HEADS, "cell", "cell_head")
    with pytest.raises(InputError, match=r"config.model.head: got cell for a layout of the head anchor. .* Set it to anchor"):
        build_network(ModelConfig(head="cell"), num_classes=2, anchors=network_layout(ModelConfig()))
    with pytest.raises(InputError, match="unknown head 'anchr'. Did you mean 'anchor'"):
        network_layout(ModelConfig(head="anchr"))


def test_a_teacher_of_another_head_is_refused(monkeypatch, tmp_path):
    from yolo_tf.config import CompressConfig
    from yolo_tf.training.compression import read_teacher

    monkeypatch.setitem(HEADS, "cell", "cell_head")
    layout = network_layout(ModelConfig(head="cell"))
    own = detector_spec(class_names=NAMES, image_size=SIZE, anchors=layout)
    save_network(small_network(load_head("cell"), layout), own, tmp_path / "cell.keras")
    anchors = detector_spec(class_names=NAMES, image_size=SIZE, anchors=network_layout(ModelConfig()))
    compress = dataclasses.replace(CompressConfig(), teacher=str(tmp_path / "cell.keras"))
    with pytest.raises(InputError, match="cell.keras: has the head cell, not anchor .* Set model.head=cell, or name an"):
        read_teacher(compress, anchors, precision="float32")
    assert read_teacher(compress, own, precision="float32").count_params() > 0


def test_reading_a_detector_json_needs_no_tensorflow():
    code = """import sys
from yolo_tf.files.spec import spec_from_json
text = '{"format_version": 2, "class_names": ["a"], "image_size": [64, 96], "strides": [8], "name": "x"'
text += ', "head": "anchor", "geometry": {}}'
assert spec_from_json(text, where="here").strides == (8,)
assert 'tensorflow' not in sys.modules"""
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.slow
def test_a_run_with_a_head_that_nothing_else_knows(monkeypatch, tmp_path):
    """Training with evaluation and files, more training from its file, and an export through the parity gate."""
    from yolo_tf import cli
    from yolo_tf.export import export_detector

    monkeypatch.setitem(HEADS, "cell", "cell_head")
    (tmp_path / "shapes.yaml").write_text(
        "format: shapes\npath: shapes\ntrain: 8\nval: 3\ntest: 1\nimage_size: 96\nmax_objects: 3\n"
    )
    data = f"data: {{dataset: {tmp_path / 'shapes.yaml'}, image_size: 64, max_boxes: 20}}\n"
    train = "train: {epochs: 1, batch_size: 4, nominal_batch_size: 4}\nrun: {tensorboard: false}\naugment: {close_mosaic: 0}\n"
    (tmp_path / "config.yaml").write_text(data + train)
    argv = ["train", "--config", str(tmp_path / "config.yaml"), "--run"]
    assert cli.main([*argv, str(tmp_path / "run"), "model.head=cell", "model.width=0.05"]) == 0
    best = tmp_path / "run" / "best.keras"
    more = [f"model.network={best}", "compress.quantize_aware=true", f"compress.teacher={best}"]
    assert cli.main([*argv, str(tmp_path / "more"), *more]) == 0
    export_detector(tmp_path / "more" / "best.keras", "saved_model", tmp_path / "saved")
