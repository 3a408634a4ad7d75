"""The trainer is a plain Keras model: compile, fit, and the network it holds learns."""

from typing import NamedTuple

import keras
import numpy as np
import pytest
import tensorflow as tf

from yolo_tf.config import LossConfig, TrainConfig
from yolo_tf.engine.optimizers import build_optimizer
from yolo_tf.engine.trainer import DetectorTrainer, without_empty_places
from yolo_tf.errors import InputError
from yolo_tf.heads.anchor.anchors import anchor_set
from yolo_tf.heads.anchor.distillation import distillation_loss
from yolo_tf.heads.anchor.loss import count_matches, detection_loss
from yolo_tf.layers.blocks import ACTIVATIONS
from yolo_tf.structures import Targets
from yolo_tf.surgery.fake_quantization import fake_quantized_view
from yolo_tf.surgery.fold import fold_batch_norm
from yolo_tf.surgery.fused_batch_norm import fused_batch_norm_view


def make_batches(random_targets, count=1):
    targets = random_targets([9, 0, 5, 2], image_size=(96, 160), num_classes=6)
    images = tf.random.stateless_uniform([4, 96, 160, 3], (1, 2), 0, 255)
    return tf.data.Dataset.from_tensors((images, targets)).repeat(count)


def make_trainer(network, anchors, train):
    trainer = DetectorTrainer(network, anchors)
    trainer.compile(optimizer=build_optimizer(train, network, steps_per_epoch=5), jit_compile=False)
    return trainer


class Trained(NamedTuple):
    """A tiny network after 40 steps, and what was seen on the way."""

    network: keras.Model
    before: list
    history: dict


@pytest.fixture(scope="module")
def trained(tiny_network, tiny_anchors, random_targets):
    network = tiny_network()
    before = network.get_weights()
    train = TrainConfig(batch_size=4, nominal_batch_size=4, warmup_epochs=0.0, learning_rate=0.02)
    trainer = make_trainer(network, tiny_anchors, train)
    options = dict(epochs=2, steps_per_epoch=20, shuffle=False, verbose=0)
    history = trainer.fit(make_batches(random_targets, 40), **options).history
    return Trained(network, before, history)


@pytest.mark.parametrize("weights", [(), (4.0, 1.0), (4.0, 1.0, 0.4, 0.1)])
def test_weights_of_another_number_of_levels_are_one_line(tiny_network, tiny_anchors, weights):
    with pytest.raises(InputError, match=rf"config\.loss\.level_balance: got {len(weights)} weights, .* Expected 3, one for"):
        DetectorTrainer(tiny_network(), tiny_anchors, loss=LossConfig(level_balance=weights))


def test_fit_lowers_the_loss_and_shows_its_parts(trained):
    history = trained.history
    assert set(history) == {"loss", "box", "objectness", "class"}
    assert history["loss"][1] < 0.8 * history["loss"][0]
    parts = np.sum([history[name] for name in ("box", "objectness", "class")], 0)
    np.testing.assert_allclose(history["loss"], parts, rtol=1e-5)


def test_training_changes_the_network_itself(trained):
    for weight, value in zip(trained.network.weights, trained.before, strict=True):
        assert not np.array_equal(weight.numpy(), value), weight.path


def test_the_network_saves_and_opens_with_keras_alone_after_training(trained, tmp_path):
    trained.network.save(tmp_path / "a.keras")
    again = keras.models.load_model(tmp_path / "a.keras", compile=False)
    images = tf.random.stateless_uniform([1, 64, 96, 3], (5, 6), 0, 255)
    for left, right in zip(again(images), trained.network(images), strict=True):
        np.testing.assert_array_equal(left, right)
    assert not any("fused" in layer.name for layer in again.layers)


@pytest.mark.slow
def test_fit_works_with_any_keras_optimizer(tiny_network, tiny_anchors, random_targets):
    trainer = DetectorTrainer(tiny_network(), tiny_anchors)
    trainer.compile(optimizer="adam")
    history = trainer.fit(make_batches(random_targets, 6), shuffle=False, verbose=0).history
    assert np.isfinite(history["loss"][0])


def test_every_batch_norm_over_the_channels_of_a_map_is_fused():
    images = keras.Input((None, None, 3))
    x = keras.layers.BatchNormalization(name="last")(images)
    x = keras.layers.BatchNormalization(axis=3, name="third")(x)  # how keras.applications says it
    x = keras.layers.GlobalAveragePooling2D()(x)
    view = fused_batch_norm_view(keras.Model(images, keras.layers.BatchNormalization(name="vector")(x)))
    names = {layer.name for layer in view.layers}
    assert {"fused_last", "fused_third", "vector"} <= names


def test_the_fused_view_computes_what_the_network_computes(tiny_network):
    network = tiny_network()
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.moving_mean.assign(tf.random.stateless_normal(layer.moving_mean.shape, (1, 1)))
            layer.moving_variance.assign(tf.random.stateless_uniform(layer.moving_variance.shape, (1, 2), 0.5, 2.0))
            layer.gamma.assign(tf.random.stateless_normal(layer.gamma.shape, (1, 3), 1.0))
    view = fused_batch_norm_view(network)
    images = tf.random.stateless_uniform([2, 96, 160, 3], (3, 4), 0, 255)
    for training in (False, True):
        statistics = [weight.numpy() for weight in network.non_trainable_weights]
        plain = network(images, training=training)
        plain_statistics = [weight.numpy() for weight in network.non_trainable_weights]
        for weight, value in zip(network.non_trainable_weights, statistics, strict=True):
            weight.assign(value)
        for ours, theirs in zip(view(images, training=training), plain, strict=True):
            np.testing.assert_allclose(ours, theirs, atol=2e-5)
        for weight, value in zip(network.non_trainable_weights, plain_statistics, strict=True):
            # The fused kernel keeps the unbiased batch variance: n / (n - 1) with n = 2 * 3 * 5 at the coarsest level.
            np.testing.assert_allclose(weight.numpy(), value, rtol=2e-3, atol=1e-5)
    assert view.count_params() == network.count_params()
    assert [v.path for v in view.trainable_variables] == [v.path for v in network.trainable_variables]


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_the_fused_view_predicts_in_a_graph_with_every_activation(activation):
    """TensorFlow joins convolution, batch norm and activation into kernels of its own there, of which some are missing."""
    x = images = keras.Input((None, None, 3))
    for _ in range(2):
        x = keras.layers.BatchNormalization()(keras.layers.Conv2D(8, 3, padding="same", use_bias=False)(x))
        x = ACTIVATIONS[activation]()(x)
    network = keras.Model(images, x)
    batch = tf.random.stateless_normal([2, 32, 40, 3], (3, 4))
    predicted = tf.function(fused_batch_norm_view(network).__call__)(batch, training=False)
    np.testing.assert_allclose(predicted, network(batch), atol=1e-5)


@pytest.mark.long
@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_half_precision_trains_to_finite_float32_losses(tiny_network, tiny_anchors, random_targets, policy):
    keras.config.set_dtype_policy(policy)
    try:
        network = tiny_network()
    finally:
        keras.config.set_dtype_policy("float32")
    trainer = make_trainer(network, tiny_anchors, TrainConfig(batch_size=4, nominal_batch_size=8))
    history = trainer.fit(make_batches(random_targets, 6), shuffle=False, verbose=0).history
    assert np.isfinite(history["loss"][0])
    assert all(output.dtype == tf.float32 for output in trainer(tf.zeros([1, 64, 96, 3])))
    assert all(np.isfinite(weight.numpy()).all() for weight in network.weights)


def test_the_synchronized_view_of_one_device_computes_what_the_fused_one_does(tiny_network):
    images = tf.random.stateless_uniform([2, 96, 160, 3], (3, 4), 0, 255)
    results, statistics = [], []
    for synchronized in (False, True):
        network = tiny_network()
        view = fused_batch_norm_view(network, synchronized=synchronized)
        results.append([view(images, training=training) for training in (True, False)])
        statistics.append([weight.numpy() for weight in network.non_trainable_weights])
    for left, right in zip(tf.nest.flatten(results[0]), tf.nest.flatten(results[1]), strict=True):
        np.testing.assert_allclose(left, right, atol=2e-5)
    for left, right in zip(*statistics, strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-4, atol=1e-6)


def test_float16_gets_its_loss_scaled(tiny_network, tiny_anchors, random_targets):
    """A loss scale that is too high overflows in the first steps: they are skipped, and the scale falls."""
    keras.config.set_dtype_policy("mixed_float16")
    try:
        network = tiny_network()
    finally:
        keras.config.set_dtype_policy("float32")
    trainer = make_trainer(network, tiny_anchors, TrainConfig(batch_size=4, nominal_batch_size=4))
    assert isinstance(trainer.optimizer, keras.optimizers.LossScaleOptimizer)
    trainer.optimizer.initial_scale = 2.0**40
    trainer.fit(make_batches(random_targets, 3), shuffle=False, verbose=0)
    assert float(trainer.optimizer.dynamic_scale) == 2.0**37
    assert all(output.dtype == tf.float32 for output in trainer(tf.zeros([1, 64, 96, 3])))
    assert int(trainer.optimizer.iterations) == 0


@pytest.mark.slow
def test_augmentation_is_part_of_the_step(tiny_network, tiny_anchors, random_targets):
    (images, targets) = next(iter(make_batches(random_targets)))

    def augment(raw):
        return tf.cast(raw["pixels"], tf.float32), Targets(raw["boxes"] + 0.0, raw["class_ids"])

    raw = {"pixels": tf.cast(images, tf.uint8), "boxes": targets.boxes, "class_ids": targets.class_ids}
    losses = []
    for data, function in (((raw,), augment), ((tf.floor(images), targets), None)):
        trainer = DetectorTrainer(tiny_network(), tiny_anchors, augment=function)
        trainer.compile("sgd")
        batches = tf.data.Dataset.from_tensors(data).repeat(3)
        losses.append(trainer.fit(batches, shuffle=False, verbose=0).history["loss"][0])
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)


@pytest.mark.parametrize(
    ("class_ids", "left"),
    [([[2, -1, 0, -1, -1], [-1, 3, -1, -1, -1]], 3), ([[-1, 1], [0, 4]], 2), ([[-1] * 4] * 3, 1)],
)
def test_places_behind_the_last_box_of_the_batch_are_left_out(class_ids, left):
    ids = np.array(class_ids, np.int32)
    boxes = np.arange(ids.size * 4, dtype=np.float32).reshape(*ids.shape, 4)
    for function in (without_empty_places, tf.function(without_empty_places)):
        targets = function(Targets(tf.constant(boxes), tf.constant(ids)))
        np.testing.assert_array_equal(targets.boxes, boxes[:, :left])
        np.testing.assert_array_equal(targets.class_ids, ids[:, :left])


def test_the_mean_loss_of_two_shares_is_the_loss_of_the_batch(tiny_anchors, random_targets):
    """The shares have 14 and 2 boxes: divided by their own matches, the second would count too much."""
    targets = random_targets([9, 5, 0, 2], image_size=(96, 160), num_classes=6)
    shapes = [(4, 96 // stride, 160 // stride, 2, 11) for stride in tiny_anchors.strides]
    predictions = [tf.random.stateless_normal(shape, (7, level)) for level, shape in enumerate(shapes)]
    loss = LossConfig()
    shares = [(Targets(targets.boxes[rows], targets.class_ids[rows]), rows) for rows in (slice(0, 2), slice(2, 4))]
    counts = [count_matches(share, (96, 160), tiny_anchors, loss=loss) for share, _ in shares]
    assert counts[0].shape == (3,) and float(tf.reduce_sum(counts[0])) > 2 * float(tf.reduce_sum(counts[1])) > 0

    def mean_loss(num_matches):
        parts = [
            detection_loss(share, [raw[rows] for raw in predictions], tiny_anchors, loss=loss, num_matches=num_matches)
            for share, rows in shares
        ]
        return {name: float(parts[0][name] + parts[1][name]) / 2 for name in parts[0]}

    whole = {name: float(value) for name, value in detection_loss(targets, predictions, tiny_anchors, loss=loss).items()}
    assert mean_loss((counts[0] + counts[1]) / 2) == pytest.approx(whole, rel=1e-5)
    assert mean_loss(None)["box"] != pytest.approx(whole["box"], rel=1e-3)


@pytest.mark.long
def test_a_teacher_adds_a_part_to_the_loss_and_none_of_its_variables(tiny_network, tiny_anchors, random_targets):
    network, teacher = tiny_network(), tiny_network(seed=1)
    before = [weight.numpy() for weight in teacher.weights]
    train = TrainConfig(batch_size=4, nominal_batch_size=4, warmup_epochs=0.0)
    trainer = DetectorTrainer(network, tiny_anchors)
    trainer.distill_from(teacher, weight=0.7)
    optimizer = build_optimizer(train, network, steps_per_epoch=5)
    trainer.compile(optimizer=optimizer)
    history = trainer.fit(make_batches(random_targets, 8), epochs=2, steps_per_epoch=4, shuffle=False, verbose=0).history
    assert set(history) == {"box", "objectness", "class", "distillation", "loss"}
    np.testing.assert_allclose(history["loss"], np.sum([history[n] for n in history if n != "loss"], 0), rtol=1e-5)
    assert 0 < history["distillation"][1] < history["distillation"][0]
    for weight, value in zip(teacher.weights, before, strict=True):
        np.testing.assert_array_equal(weight.numpy(), value)
    theirs = {id(variable) for variable in teacher.variables}
    assert not theirs & {id(variable) for variable in [*trainer.variables, *optimizer.variables]}
    assert len(trainer.variables) == len(network.variables)
    assert "distillation" in {metric.name for metric in trainer.metrics} and len(trainer.metrics_variables) == 10
    evaluated = trainer.evaluate(make_batches(random_targets), verbose=0, return_dict=True)
    images, targets = next(iter(make_batches(random_targets)))
    apart = distillation_loss(teacher(images), network(images), tiny_anchors, loss=LossConfig())
    assert evaluated["distillation"] == pytest.approx(0.7 * float(apart), rel=1e-4)


@pytest.mark.long
def test_a_teacher_of_weight_zero_changes_nothing(tiny_network, tiny_anchors, random_targets):
    train, weights, losses = TrainConfig(batch_size=4, nominal_batch_size=4), [], []
    for weight in (None, 0.0, 1.0):
        network = tiny_network()
        trainer = DetectorTrainer(network, tiny_anchors)
        if weight is not None:
            trainer.distill_from(tiny_network(seed=1), weight=weight)
        trainer.compile(optimizer=build_optimizer(train, network, steps_per_epoch=5))
        losses.append(trainer.fit(make_batches(random_targets, 3), shuffle=False, verbose=0).history["loss"][0])
        weights.append(np.concatenate([value.ravel() for value in network.get_weights()]))
    assert losses[0] == pytest.approx(losses[1], rel=1e-6) and losses[2] > losses[0]
    np.testing.assert_allclose(weights[1], weights[0], atol=1e-6)
    assert np.abs(weights[2] - weights[0]).max() > 1e-5


@pytest.mark.long
def test_the_network_is_trained_through_another_view_of_it(tiny_network, tiny_anchors, random_targets):
    """Rounded kernels and activations: the loss is that of the view, the network that is saved stays as it is."""
    train, losses = TrainConfig(batch_size=4, nominal_batch_size=4, learning_rate=0.02, warmup_epochs=0.0), []
    for rounded in (False, True):
        network = fold_batch_norm(tiny_network())
        trainer = DetectorTrainer(network, tiny_anchors)
        if rounded:
            trainer.train_through(fake_quantized_view(network, trainer.head.channel_parts))
        trainer.compile(optimizer=build_optimizer(train, network, steps_per_epoch=5))
        batches = make_batches(random_targets, 20)
        losses.append(trainer.fit(batches, epochs=2, steps_per_epoch=10, shuffle=False, verbose=0).history["loss"])
        assert len(trainer.trainable_variables) == len(network.trainable_variables) == 16, "8 convolutions with a bias"
    assert losses[1][1] < losses[1][0]
    np.testing.assert_allclose(losses[1], losses[0], rtol=0.1)
    assert losses[1][0] != losses[0][0]
    assert not any("rounded" in layer.name for layer in network.layers)


def test_xla_and_synchronized_batch_norm_do_not_go_together(tiny_network, tiny_anchors):
    trainer = DetectorTrainer(tiny_network(), tiny_anchors, sync_batch_norm=True)
    with pytest.raises(ValueError, match="Use jit_compile=False, or leave it out"):
        trainer.compile("sgd", jit_compile=True)


@pytest.mark.parametrize("taught", [False, pytest.param(True, marks=pytest.mark.long)])
def test_xla_gives_the_same_loss_for_two_small_levels(random_targets, taught):
    images = keras.Input((32, 48, 3))
    x = keras.layers.BatchNormalization()(keras.layers.Conv2D(5, 8, 8, use_bias=False)(images))
    outputs = [keras.layers.Reshape((4, 6, 2, 9))(keras.layers.Conv2D(2 * 9, 1)(x))]
    outputs.append(keras.layers.Reshape((2, 3, 2, 9))(keras.layers.Conv2D(2 * 9, 2, 2)(x)))
    network = keras.Model(images, outputs)
    start, teacher = network.get_weights(), keras.models.clone_model(network)  # with other random weights
    batch = (tf.random.stateless_uniform([3, 32, 48, 3], (1, 2)), random_targets([2, 1, 0], image_size=(32, 48), num_classes=4))
    losses = []
    for jit_compile in (False, True):
        network.set_weights(start)
        anchors = anchor_set((8, 16), [[(10, 14), (20, 12)], [(30, 20), (16, 30)]])
        trainer = DetectorTrainer(network, anchors, loss=LossConfig(level_balance=(4.0, 1.0)), fused_batch_norm=not jit_compile)
        if taught:
            trainer.distill_from(teacher, weight=2.0)
        trainer.compile(keras.optimizers.SGD(0.01), jit_compile=jit_compile)
        batches = tf.data.Dataset.from_tensors(batch).repeat(4)
        losses.append(trainer.fit(batches, shuffle=False, verbose=0).history["loss"][0])
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-5)


@pytest.mark.long
def test_xla_gives_the_same_loss(tiny_network, tiny_anchors, random_targets):
    losses = []
    for jit_compile in (False, True):
        network = tiny_network()
        trainer = DetectorTrainer(network, tiny_anchors, fused_batch_norm=not jit_compile)
        optimizer = build_optimizer(TrainConfig(batch_size=4, nominal_batch_size=8), network, steps_per_epoch=5)
        trainer.compile(optimizer=optimizer, jit_compile=jit_compile)
        losses.append(trainer.fit(make_batches(random_targets, 5), shuffle=False, verbose=0).history["loss"][0])
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-5)
