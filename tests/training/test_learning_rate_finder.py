"""The learning rate range test: the rise, the stop, the choice."""

import csv

import numpy as np
import pytest

from yolo_tf import cli
from yolo_tf.errors import InputError
from yolo_tf.training.learning_rate_finder import RisingRate, _raise_rate, suggest_rate


def test_the_rate_rises_by_one_factor_an_update():
    rate = RisingRate(7, 3)
    rates = [float(rate(step)) for step in range(21)]
    np.testing.assert_allclose(rates[::3], [1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0], rtol=1e-4)
    assert rates[0] == rates[1] == rates[2] < rates[3]
    assert RisingRate(**rate.get_config())(20) == rate(20)


class Optimizer:
    """Three batches an update; the rate is the number of the update."""

    accumulation = 3
    seen = 0

    @property
    def learning_rate(self):
        return 1 + self.seen // 3


class Trainer:
    """Gives back the losses of a list, one an update; counts what it is asked."""

    def __init__(self, losses, optimizer):
        self.losses, self.optimizer, self.resets = losses, optimizer, 0

    def reset_metrics(self):
        self.resets += 1

    def train_on_batch(self, images, targets, return_dict):
        loss = self.losses[self.optimizer.seen // 3]
        self.optimizer.seen += 1
        return {"loss": loss}


@pytest.mark.parametrize(("last", "count"), [(1.0, 6), (100.0, 5), (float("nan"), 5)])
def test_the_test_stops_when_the_smoothed_loss_leaves(last, count):
    optimizer = Optimizer()
    trainer = Trainer([8.0, 4.0, 2.0, 2.0, 2.0, last], optimizer)
    rows = _raise_rate(trainer, optimizer, [("images", "targets")] * 18, 6)
    assert len(rows) == count and trainer.resets == 6
    assert [row["learning_rate"] for row in rows[:3]] == [1, 2, 3] and [row["loss"] for row in rows[:3]] == [8, 4, 2]
    # the mean of the losses so far, each weighing 0.9 times the next
    assert rows[1]["smoothed"] == pytest.approx((0.9 * 8 + 4) / 1.9)
    assert rows[2]["smoothed"] == pytest.approx((0.81 * 8 + 0.9 * 4 + 2) / 2.71)


def test_the_steepest_fall_is_suggested_when_it_is_well_before_the_lowest_point():
    rates = 10.0 ** np.arange(-6, 1)
    found = suggest_rate(rates, [10, 10, 9.5, 6, 4, 3.9, 30])
    assert found.to_json() == pytest.approx({"suggestion": 1e-3, "steepest": 1e-3, "minimum": 1e-1, "updates": 7})
    found = suggest_rate(rates, [10, 10, 9.9, 9.8, 9, 5, 30])
    assert found.to_json() == pytest.approx({"suggestion": 1e-2, "steepest": 1e-1, "minimum": 1e-1, "updates": 7})


@pytest.mark.parametrize("losses", [[], [1.0, 2.0, 3.0], [2.0, 1.0, 4.0]])
def test_a_loss_that_never_falls_suggests_nothing(losses):
    with pytest.raises(
        InputError, match=r"the loss never fell over \d updates.*Check the data and model.weights, or raise `steps`"
    ):
        suggest_rate([1e-6, 1e-3, 1.0][: len(losses)], losses)


def test_too_few_updates_are_refused(tmp_path, capsys):
    assert cli.main(["find-lr", "--out", str(tmp_path / "lr"), "--steps", "9"]) == 2
    assert "--steps: got 9. Expected 10 or more updates" in capsys.readouterr().err
    assert not (tmp_path / "lr").exists()


@pytest.mark.long
def test_the_command_writes_a_curve_and_a_suggestion(tmp_path, capsys):
    (tmp_path / "shapes.yaml").write_text("format: shapes\npath: shapes\ntrain: 12\nval: 3\nimage_size: 96\nmax_objects: 3\n")
    (tmp_path / "config.yaml").write_text(
        "data: {dataset: shapes.yaml, image_size: 64, max_boxes: 20}\nmodel: {width: 0.125}\n"
        "train: {batch_size: 4, nominal_batch_size: 8}\n"
    )
    argv = ["find-lr", "--config", str(tmp_path / "config.yaml"), "--out", str(tmp_path / "lr"), "--steps", "30"]
    assert cli.main([*argv, "--json", str(tmp_path / "r.json")]) == 0
    with open(tmp_path / "lr" / "lr.csv", newline="", encoding="utf-8") as file:
        rows = [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]
    assert (tmp_path / "lr" / "lr.png").read_bytes()[:4] == b"\x89PNG"
    assert rows[0]["learning_rate"] == pytest.approx(1e-6) and rows[0]["smoothed"] == pytest.approx(rows[0]["loss"])
    lowest = min(rows, key=lambda row: row["smoothed"])
    out = capsys.readouterr().out
    assert f"is lowest at {lowest['learning_rate']:.2g}" in out and "Try train.learning_rate=" in out
