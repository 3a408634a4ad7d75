"""The optimizers against plain NumPy, and the counters that make a run resumable."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from yolo_tf.config import TrainConfig
from yolo_tf.engine.optimizers import DetectorAdamW, DetectorSGD, build_optimizer


def make_variables():
    """A kernel, a bias and a scale with the names Keras gives them."""
    layer = keras.layers.Conv2D(3, 1, name="conv")
    norm = keras.layers.BatchNormalization(name="norm")
    model = keras.Sequential([keras.Input((4, 5, 2)), layer, norm])
    layer.bias.assign([0.3, -0.2, 0.1])
    return model, model.trainable_variables


def run(optimizer, variables, gradients):
    for step in gradients:
        optimizer.apply([tf.constant(gradient) for gradient in step], variables)


def draw_gradients(variables, steps, seed=0):
    rng = np.random.default_rng(seed)
    return [[rng.normal(size=tuple(v.shape)).astype(np.float32) * 0.01 for v in variables] for _ in range(steps)]


def recipe_by_hand(values, gradients, train, *, warmup_steps, accumulation):
    """The documented recipe of both optimizers, one scalar decision at a time, float64."""
    values = {path: value.copy() for path, value in values.items()}
    buffers = {path: np.zeros_like(value) for path, value in values.items()}
    squares = {path: np.zeros_like(value) for path, value in values.items()}
    averages = {path: value.copy() for path, value in values.items()}
    sums, pending, updates = {path: 0.0 for path in values}, 0, 0
    decay = train.weight_decay * train.batch_size * accumulation / train.nominal_batch_size
    for step, batch in enumerate(gradients):
        warmth = min(step / warmup_steps, 1)
        for path, gradient in zip(values, batch, strict=True):
            sums[path] = sums[path] + gradient.astype(np.float64) * train.batch_size
        pending += 1
        if pending < round(1 + warmth * (accumulation - 1)):
            continue
        updates += 1
        norm = np.sqrt(sum((total**2).sum() for total in sums.values()))
        shrink = min(1.0, train.clip_norm / norm)
        momentum = train.momentum * warmth + train.warmup_momentum * (1 - warmth)
        for path in values:
            is_bias = path.endswith(("bias", "beta"))
            rate = train.learning_rate * warmth + (train.warmup_bias_learning_rate * (1 - warmth) if is_bias else 0)
            decayed = decay * values[path] if path.endswith("kernel") else 0
            gradient = sums[path] * shrink
            if train.optimizer == "sgd":
                gradient = gradient + decayed
                buffers[path] = momentum * buffers[path] + gradient
                values[path] = values[path] - rate * (gradient + momentum * buffers[path])
            else:
                buffers[path] = train.momentum * buffers[path] + (1 - train.momentum) * gradient
                squares[path] = 0.999 * squares[path] + 0.001 * gradient**2
                first, second = buffers[path] / (1 - train.momentum**updates), squares[path] / (1 - 0.999**updates)
                values[path] = values[path] - rate * (first / (np.sqrt(second) + 1e-8) + decayed)
        keep = train.ema_decay * (1 - np.exp(-updates / train.ema_ramp))
        averages = {path: averages[path] * keep + values[path] * (1 - keep) for path in values}
        sums, pending = {path: 0.0 for path in values}, 0
    return values, averages, updates


@pytest.mark.parametrize("optimizer_class", [DetectorSGD, DetectorAdamW])
@pytest.mark.parametrize("nominal_batch_size", [5, 20])
def test_200_steps_equal_the_recipe_written_by_hand(optimizer_class, nominal_batch_size):
    """Warm-up, accumulation, clipping, decay, averages and the rate of biases, all at once."""
    name, rate = {DetectorSGD: ("sgd", 0.01), DetectorAdamW: ("adamw", 0.001)}[optimizer_class]
    train = TrainConfig(
        optimizer=name,
        learning_rate=rate,
        warmup_bias_learning_rate=0.02,
        batch_size=5,
        nominal_batch_size=nominal_batch_size,
        clip_norm=0.2,
        ema_ramp=7.0,
        weight_decay=0.05,
    )
    _, variables = make_variables()
    for variable in variables:  # small, so that what float32 rounds away in 200 updates stays below the tolerance
        variable.assign(0.1 * variable)
    before = {v.path: v.numpy().astype(np.float64) for v in variables}
    gradients = draw_gradients(variables, 200)
    sizes = [5 * np.sqrt(sum((gradient**2).sum() for gradient in step)) for step in gradients]
    assert min(sizes) < train.clip_norm < max(sizes)  # some updates are clipped, some are not
    optimizer = optimizer_class(rate, train=train, warmup_steps=90)
    optimizer.build(variables)
    apply = tf.function(lambda *step: optimizer.apply(step, variables))
    for step in gradients:
        apply(*[tf.constant(gradient) for gradient in step])
    values, averages, updates = recipe_by_hand(before, gradients, train, warmup_steps=90, accumulation=nominal_batch_size // 5)
    assert int(optimizer.updates.numpy()) == updates
    assert int(optimizer.iterations.numpy()) == 200
    for expected in (values, averages, values):
        for variable in variables:
            np.testing.assert_allclose(variable.numpy(), expected[variable.path], atol=1e-6)
        optimizer.swap_averages()


def test_adamw_equals_keras_adamw_on_kernels():
    train = TrainConfig(batch_size=1, nominal_batch_size=1, momentum=0.9, weight_decay=0.05, clip_norm=0.0, ema_decay=0.0)
    _, ours = make_variables()
    _, theirs = make_variables()
    for left, right in zip(ours, theirs, strict=True):
        right.assign(left)
    gradients = draw_gradients(ours, 9)
    run(DetectorAdamW(0.01, train=train), ours, gradients)
    reference = keras.optimizers.AdamW(0.01, beta_1=0.9, weight_decay=0.05, epsilon=1e-8)
    reference.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    run(reference, theirs, gradients)
    for left, right in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(left.numpy(), right.numpy(), atol=1e-5)  # Keras adds epsilon before bias correction


def test_graph_mode_equals_eager_mode():
    train = TrainConfig(batch_size=4, nominal_batch_size=12)
    results = []
    for wrap in (lambda f: f, tf.function):
        _, variables = make_variables()
        for index, variable in enumerate(variables):
            variable.assign(tf.fill(variable.shape, 0.1 * (index + 1)))
        optimizer = DetectorSGD(0.01, train=train, warmup_steps=5)
        optimizer.build(variables)
        apply = wrap(lambda *step: optimizer.apply(step, variables))  # noqa: B023 (called in this turn only)
        for step in draw_gradients(variables, 8):
            apply(*[tf.constant(gradient) for gradient in step])
        results.append([variable.numpy() for variable in variables])
    for eager, graph in zip(*results, strict=True):
        np.testing.assert_allclose(eager, graph, atol=1e-7)


def test_decay_touches_kernels_only():
    train = TrainConfig(batch_size=1, nominal_batch_size=1, weight_decay=0.1, warmup_epochs=0)
    model, _ = make_variables()
    model.add(keras.layers.SeparableConv2D(4, 3, bias_initializer="ones"))
    variables = model.trainable_variables
    before = {v.path: v.numpy() for v in variables}
    run(DetectorSGD(0.1, train=train), variables, [[np.zeros(tuple(v.shape), np.float32) for v in variables]])
    for variable in variables:
        changed = not np.array_equal(variable.numpy(), before[variable.path])
        assert changed == variable.path.endswith("kernel"), variable.path


def test_the_average_covers_batch_norm_statistics():
    model, _ = make_variables()
    optimizer = build_optimizer(TrainConfig(), model, steps_per_epoch=3)
    averaged = {variable.path.rsplit("/", 1)[-1] for variable in optimizer.averaged}
    assert averaged == {"kernel", "bias", "gamma", "beta", "moving_mean", "moving_variance"}


def test_the_average_can_be_off():
    model, variables = make_variables()
    optimizer = build_optimizer(dataclasses.replace(TrainConfig(), ema_decay=0.0), model, steps_per_epoch=3)
    run(optimizer, variables, draw_gradients(variables, 2))
    before = [variable.numpy() for variable in variables]
    optimizer.swap_averages()
    assert all(np.array_equal(variable.numpy(), value) for variable, value in zip(variables, before, strict=True))


@pytest.mark.parametrize("optimizer_class", [DetectorSGD, DetectorAdamW])
def test_a_factor_scales_the_step_of_its_variable_only(optimizer_class):
    train = TrainConfig(batch_size=4, nominal_batch_size=4, weight_decay=0.0, clip_norm=0.0)
    steps = {}
    for factor in (1.0, 0.25):
        keras.utils.set_random_seed(0)
        _, variables = make_variables()
        before = [variable.numpy() for variable in variables]
        optimizer = optimizer_class(0.01, train=train)
        optimizer.rate_factors = {variables[0].path: factor}
        run(optimizer, variables, draw_gradients(variables, 1))
        steps[factor] = [variable.numpy() - old for variable, old in zip(variables, before, strict=True)]
    np.testing.assert_allclose(steps[0.25][0], 0.25 * steps[1.0][0], rtol=1e-4, atol=1e-7)
    for slow, full in zip(steps[0.25][1:], steps[1.0][1:], strict=True):
        np.testing.assert_array_equal(slow, full)


@pytest.mark.parametrize("optimizer_class", [DetectorSGD, DetectorAdamW])
@pytest.mark.parametrize("nominal_batch_size", [4, 8])
def test_zeros_of_kernels_are_kept_and_have_no_part_in_the_norm(optimizer_class, nominal_batch_size):
    """The rest learns as if the gradient of the zeros had been zero all along; a bias of zero learns."""
    options = dict(batch_size=4, nominal_batch_size=nominal_batch_size, clip_norm=0.05, weight_decay=0.1, ema_ramp=3.0)
    gradients = draw_gradients(make_variables()[1], 12)
    results = []
    for keep_zeros in (True, False):
        _, variables = make_variables()
        start = np.arange(1.0, 7.0).reshape(1, 1, 2, 3) / 10
        hole = (np.arange(6) % 2 == 0).reshape(start.shape)
        kernel = next(variable for variable in variables if variable.path.endswith("kernel"))
        kernel.assign(start * ~hole)
        next(variable for variable in variables if variable.path.endswith("bias")).assign([0.0, 0.1, 0.2])
        index = [variable is kernel for variable in variables].index(True)
        masked = [[*step[:index], step[index] * (keep_zeros | ~hole), *step[index + 1 :]] for step in gradients]
        optimizer = optimizer_class(0.01, train=TrainConfig(**options), keep_zeros=keep_zeros)
        optimizer.build(variables)
        run(optimizer, variables, masked)
        for _ in range(2):  # weights, then averages
            assert (kernel.numpy()[hole] == 0).all() and (kernel.numpy()[~hole] != (start[~hole])).all()
            results.append([variable.numpy() for variable in variables])
            optimizer.swap_averages()
        assert results[0][1][0] != 0
    for kept, by_hand in ((results[0], results[2]), (results[1], results[3])):
        for one, other in zip(kept, by_hand, strict=True):
            np.testing.assert_array_equal(one, other)
