"""What a person reads while a run goes on."""

import re
from types import SimpleNamespace

import pytest

from yolo_tf.training import report as report_module
from yolo_tf.training.checkpoint import RunState
from yolo_tf.training.progress import RunProgress
from yolo_tf.training.report import SayProgress, epoch_line, format_duration

ROW = {"epoch": 3, "seconds": 14.24, "learning_rate": 0.01, "loss": 0.18124, "box": 0.0613, "class": 0.11994, "recall": 0.5}


def test_the_line_of_an_epoch_has_its_loss_what_was_found_and_the_time():
    parts = ["box", "class"]
    line = epoch_line({**ROW, "AP": 0.3124, "AP50": 0.6}, epochs=50, parts=parts, left=668.2)
    assert line == "epoch 3/50  loss 0.1812 (box 0.0613, class 0.1199)  AP 0.312  AP50 0.600  14.2 s  00:11:08 left"
    line = epoch_line({**ROW, "distillation": 0.25}, epochs=3, parts=[*parts, "distillation"])
    assert line == "epoch 3/3  loss 0.1812 (box 0.0613, class 0.1199, distillation 0.2500)  14.2 s"


def make_callback(epochs, steps, **state):
    callback = SayProgress(RunProgress(epochs=epochs, steps=steps, state=RunState(**state)))
    means = [SimpleNamespace(name=name) for name in ("box", "class")]
    callback.set_model(SimpleNamespace(xla=False, part_means=means, stop_training=False))
    return callback


def test_the_first_step_and_the_time_left_are_told_once(monkeypatch, capsys):
    """The run goes on at step 2 of 8 of its first epoch: 4 s for its first step, then 2, 2, 2, 2 and 191 s."""
    now = iter([100.0, 104.0, 106.0, 108.0, 110.0, 112.0, 200.0, 391.0, 400.0])
    monkeypatch.setattr(report_module.time, "perf_counter", lambda: next(now))
    callback = make_callback(50, 8, step=2)
    for epoch, batches in ((0, 5), (1, 2)):
        for batch in range(batches):
            callback.on_train_batch_begin(batch)
            callback.on_train_batch_end(batch)
            callback.progress.move(step=callback.progress.state.step + 1)
        callback.progress.move(epoch=epoch + 1, step=0)
    # the step after which it is told is the first of the second epoch: 48 epochs and 7 steps are left
    lines = capsys.readouterr().out.splitlines()
    assert lines == ["compiled in 4.0 s (graph only)", "00:13:02 to go for 391 steps of 2.00 s, and the evaluations"]


@pytest.mark.parametrize(("terminal", "stopped", "lines"), [(False, False, 1), (False, True, 1), (True, False, 0)])
def test_a_line_an_epoch_where_nobody_watches(monkeypatch, capsys, terminal, stopped, lines):
    """The first epoch, 60 s, builds the graph; the others took 10 and 20 s, and two are left."""
    monkeypatch.setattr(report_module, "is_terminal", lambda: terminal)
    callback = make_callback(5, 8)
    callback.model.stop_training = stopped
    callback.progress.rows += [
        {**ROW, "epoch": epoch, "seconds": seconds} for epoch, seconds in ((1, 60.0), (2, 10.0), (3, 20.0))
    ]
    callback.on_epoch_end(2)
    out = capsys.readouterr().out
    assert out.count("epoch 3/5  loss 0.1812 (box 0.0613, class 0.1199)  20.0 s") == out.count("\n") == lines
    assert re.findall(r"[0-9:]+ left", out) == (["00:00:30 left"] if lines and not stopped else [])


@pytest.mark.parametrize(("steps", "left"), [([41.0, 1.0, 2.0, 1.0], "00:01:20"), ([41.0], "00:04:00"), ([], "00:04:00")])
def test_what_is_left_after_the_first_epoch_is_without_its_compilation(monkeypatch, capsys, steps, left):
    monkeypatch.setattr(report_module, "is_terminal", lambda: False)
    callback = make_callback(5, 8)
    callback.seconds += steps
    callback.progress.rows.append({**ROW, "epoch": 1, "seconds": 60.0})
    callback.on_epoch_end(0)
    assert capsys.readouterr().out.endswith(f"60.0 s  {left} left\n")


def test_a_duration_has_hours_minutes_and_seconds():
    durations = [format_duration(seconds) for seconds in (0.4, 59.6, 3725, 360000)]
    assert durations == ["00:00:00", "00:01:00", "01:02:05", "100:00:00"]
