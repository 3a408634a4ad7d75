"""The trainer is a plain Keras model: compile, fit, and the network it holds learns."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from yolo_tf.config import TrainConfig
from yolo_tf.models.fused_batch_norm import fused_batch_norm_view
from yolo_tf.optimizers import build_optimizer
from yolo_tf.trainer import DetectorTrainer


def make_batches(random_targets, count=1):
    targets = random_targets([9, 0, 5, 2], image_size=(96, 160), num_classes=6)
    images = tf.random.stateless_uniform([4, 96, 160, 3], (1, 2), 0, 255)
    return tf.data.Dataset.from_tensors((images, targets)).repeat(count)


def make_trainer(network, anchors, train, **options):
    trainer = DetectorTrainer(network, anchors, **options)
    trainer.compile(optimizer=build_optimizer(train, network, steps_per_epoch=5), jit_compile=False)
    return trainer


def test_fit_lowers_the_loss_and_shows_its_parts(tiny_network, tiny_anchors, random_targets):
    train = TrainConfig(batch_size=4, nominal_batch_size=4, warmup_epochs=0.0, learning_rate=0.02)
    network = tiny_network()
    trainer = make_trainer(network, tiny_anchors, train)
    history = trainer.fit(make_batches(random_targets, 40), epochs=2, steps_per_epoch=20, shuffle=False, verbose=0).history
    assert set(history) == {"loss", "box", "objectness", "class"}
    assert history["loss"][1] < 0.8 * history["loss"][0]
    parts = np.sum([history[name] for name in ("box", "objectness", "class")], 0)
    np.testing.assert_allclose(history["loss"], parts, rtol=1e-5)


def test_fit_works_with_any_keras_optimizer(tiny_network, tiny_anchors, random_targets):
    trainer = DetectorTrainer(tiny_network(), tiny_anchors)
    trainer.compile(optimizer="adam")
    history = trainer.fit(make_batches(random_targets, 6), shuffle=False, verbose=0).history
    assert np.isfinite(history["loss"][0])


def test_training_changes_the_network_itself(tiny_network, tiny_anchors, random_targets):
    network = tiny_network()
    before = [weight.numpy() for weight in network.weights]
    trainer = make_trainer(network, tiny_anchors, TrainConfig(batch_size=4, nominal_batch_size=4))
    trainer.fit(make_batches(random_targets, 3), shuffle=False, verbose=0)
    for weight, value in zip(network.weights, before, strict=True):
        assert not np.array_equal(weight.numpy(), value), weight.path


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


def test_the_network_saves_and_opens_with_keras_alone_after_training(tiny_network, tiny_anchors, random_targets, tmp_path):
    network = tiny_network()
    trainer = make_trainer(network, tiny_anchors, TrainConfig(batch_size=4, nominal_batch_size=4))
    trainer.fit(make_batches(random_targets, 2), shuffle=False, verbose=0)
    network.save(tmp_path / "a.keras")
    again = keras.models.load_model(tmp_path / "a.keras", compile=False)
    images = tf.random.stateless_uniform([1, 64, 96, 3], (5, 6), 0, 255)
    for left, right in zip(again(images), network(images), strict=True):
        np.testing.assert_array_equal(left, right)
    assert not any("fused" in layer.name for layer in again.layers)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_half_precision_trains_to_finite_float32_losses(tiny_network, tiny_anchors, random_targets, policy):
    keras.config.set_dtype_policy(policy)
    try:
        network = tiny_network()
    finally:
        keras.config.set_dtype_policy("float32")
    trainer = make_trainer(network, tiny_anchors, TrainConfig(batch_size=4, nominal_batch_size=8, precision=policy))
    history = trainer.fit(make_batches(random_targets, 6), shuffle=False, verbose=0).history
    assert np.isfinite(history["loss"][0])
    assert all(output.dtype == tf.float32 for output in trainer(tf.zeros([1, 64, 96, 3])))
    assert all(np.isfinite(weight.numpy()).all() for weight in network.weights)


@pytest.mark.slow
def test_xla_gives_the_same_loss(tiny_network, tiny_anchors, random_targets):
    losses = []
    for jit_compile in (False, True):
        network = tiny_network()
        trainer = DetectorTrainer(network, tiny_anchors, fused_batch_norm=not jit_compile)
        optimizer = build_optimizer(TrainConfig(batch_size=4, nominal_batch_size=8), network, steps_per_epoch=5)
        trainer.compile(optimizer=optimizer, jit_compile=jit_compile)
        losses.append(trainer.fit(make_batches(random_targets, 5), shuffle=False, verbose=0).history["loss"][0])
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-3)
