"""Learning rates at steps computed by hand."""

import numpy as np
import pytest

from yolo_tf.engine.schedules import EpochDecay, warmup_steps


def rate(kind, step, *, final=0.1):
    return float(EpochDecay(kind, learning_rate=0.02, final_fraction=final, epochs=10, steps_per_epoch=4)(step))


@pytest.mark.parametrize(
    ("kind", "step", "expected"),
    [
        ("linear", 0, 0.02),
        ("linear", 3, 0.02),  # still epoch 0
        ("linear", 20, 0.02 * (0.5 + 0.5 * 0.1)),  # epoch 5 of 10
        ("linear", 400, 0.002),  # past the end
        ("cosine", 0, 0.02),
        ("cosine", 20, 0.02 * 0.55),  # half way down: (1 + 0.1) / 2
        ("one_cycle", 0, 0.02 / 25),
        ("one_cycle", 12, 0.02),  # 30 % of 40 steps: the top
        ("one_cycle", 26, 0.02 * 0.55),  # half of the fall
        ("one_cycle", 40, 0.002),
    ],
)
def test_rates(kind, step, expected):
    np.testing.assert_allclose(rate(kind, step), expected, rtol=1e-5)


def test_warmup_has_a_least_length_but_can_be_off():
    assert warmup_steps(3.0, 13) == 100
    assert warmup_steps(3.0, 500) == 1500
    assert warmup_steps(0.0, 500) == 0
