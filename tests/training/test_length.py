"""A run that is too short to learn is told so before it begins."""

import itertools

import keras
import pytest
import tensorflow as tf

from yolo_tf.config import Config, ModelConfig, TrainConfig
from yolo_tf.engine.optimizers import DetectorSGD
from yolo_tf.engine.schedules import warmup_steps
from yolo_tf.training.length import SHORTEST, update_steps, warn_if_short


@pytest.mark.parametrize("options", [dict(), dict(warmup_epochs=0.0), dict(batch_size=8), dict(batch_size=96)])
def test_updates_come_when_the_optimizer_makes_them(options):
    """Seven steps an epoch; with warm-up the first updates come from one batch each."""
    train = TrainConfig(**{"batch_size": 16, **options})
    variable = keras.Variable([1.0, 2.0], name="kernel")
    optimizer = DetectorSGD(0.01, train=train, warmup_steps=warmup_steps(train.warmup_epochs, 7))
    optimizer.build([variable])
    seen = []
    for step in range(1, 120):
        before = variable.numpy().copy()
        optimizer.apply([tf.constant([0.5, -0.25])])
        if step > 1 and (variable.numpy() != before).any():  # the learning rate of the very first step is 0 in warm-up
            seen.append(step)
    expected = list(itertools.takewhile(lambda step: step < 120, update_steps(train, steps=7)))
    assert [step for step in expected if step > 1] == seen and len(seen) > 10


def test_a_run_of_few_pictures_is_told_what_it_needs(capsys):
    """12 pictures are one batch: 50 epochs are 50 steps, 33 updates; 349 come with step 1300, as on BCCD."""
    warn_if_short(Config(train=TrainConfig(epochs=50)), steps=1)
    line = capsys.readouterr().out
    assert line.startswith("warning: 50 steps make 33 updates, ") and line.count("\n") == 1
    assert "fewer than 349 (YOLOv5n on BCCD" in line and "Set train.epochs=1300 or more" in line and "model.weights=" in line
    warn_if_short(Config(train=TrainConfig(epochs=5, optimizer="adamw", nominal_batch_size=16, warmup_epochs=0.0)), steps=12)
    assert "60 steps make 60 updates" in (line := capsys.readouterr().out) and "Set train.epochs=6 or more" in line


def test_the_runs_that_the_numbers_are_from_are_long_enough(capsys):
    warn_if_short(Config(train=TrainConfig(epochs=100)), steps=13)
    warn_if_short(Config(train=TrainConfig(epochs=5, optimizer="adamw", nominal_batch_size=16, warmup_epochs=0.0)), steps=13)
    assert not capsys.readouterr().out
    counted = sum(step <= 1300 for step in itertools.islice(update_steps(TrainConfig(), steps=13), 400))
    assert counted == SHORTEST["sgd"][0]
    warn_if_short(Config(train=TrainConfig(epochs=99)), steps=13)
    assert "Set train.epochs=100 or more" in capsys.readouterr().out
    for known in (dict(weights="a.keras"), dict(network="a.keras"), dict(backbone_weights="imagenet")):
        warn_if_short(Config(train=TrainConfig(epochs=9), model=ModelConfig(**known)), steps=13)
    assert not capsys.readouterr().out
