"""What happens around steps and epochs: patience, freezing, what is kept, what stops a run."""

import json

import pytest

from yolo_tf.config import RunConfig
from yolo_tf.errors import InputError
from yolo_tf.training.callbacks import EvaluateAveraged, StopOnNonFiniteLoss, ends_after, fitness
from yolo_tf.training.checkpoint import RunState
from yolo_tf.training.progress import RunProgress


class Optimizer:
    """Counts the swaps; the weights are the averages after an odd number."""

    swaps = 0

    def swap_averages(self):
        self.swaps += 1


class Model:
    stop_training = False


def make_evaluation(scores, epochs=9, choose=True, **options):
    """Returns an EvaluateAveraged whose evaluations give these figures, one after the other."""
    scores, optimizer = iter(scores), Optimizer()

    def evaluate():
        assert optimizer.swaps % 2 == 1, "evaluated without the averages"
        return dict.fromkeys(("AP", "AP50", "precision", "recall"), next(scores))

    progress = RunProgress(epochs=epochs, steps=7, state=RunState())
    callback = EvaluateAveraged(progress, optimizer, evaluate=evaluate, options=RunConfig(**options), choose=choose)
    callback.set_model(Model())
    return callback


def test_patience_counts_epochs_without_a_better_fitness():
    callback = make_evaluation([0.1, 0.3, 0.2, 0.3, 0.1], epochs=9, patience=3)
    stops = []
    for epoch in range(5):
        callback.on_epoch_end(epoch, {})
        stops.append(callback.model.stop_training)
    assert stops == [False, False, False, False, True]
    assert callback.progress.state.best == {"fitness": pytest.approx(0.3), "epoch": 2}
    ends = [ends_after(epoch, callback.progress, callback.options) for epoch in (4, 5)]
    assert ends == [False, True], "a run that goes on after its last epoch stops again"
    assert callback.optimizer.swaps == 10


def test_the_last_epoch_counts_as_the_best_where_too_few_images_could_choose():
    callback = make_evaluation([0.1, 0.3, 0.2, 0.1], patience=1, choose=False)
    for epoch in range(4):
        callback.on_epoch_end(epoch, {})
        assert callback.progress.state.best["epoch"] == epoch + 1 and not callback.model.stop_training
    assert callback.progress.rows == [] and callback.optimizer.swaps == 8, "each epoch is evaluated all the same"


def test_as_long_as_nothing_is_found_the_newest_is_kept():
    """A run that finds its first object late is not at its end before that; one that loses all again is."""
    callback = make_evaluation([0.0, 0.0, 0.0, 0.2, 0.0, 0.0], epochs=9, patience=2)
    kept = []
    for epoch in range(6):
        callback.on_epoch_end(epoch, {})
        kept.append(callback.progress.state.best["epoch"])
    assert kept == [1, 2, 3, 4, 4, 4] and callback.model.stop_training


def test_only_evaluated_epochs_count_and_the_last_is_evaluated():
    callback = make_evaluation([0.2, 0.1, 0.3], epochs=5, evaluate_every=2, patience=0)
    logs = [{} for _ in range(5)]
    for epoch in range(5):
        callback.on_epoch_end(epoch, logs[epoch])
    assert [row.get("AP") for row in logs] == [None, 0.2, None, 0.1, 0.3]
    ends = [ends_after(epoch, callback.progress, callback.options) for epoch in (0, 4, 5)]
    assert callback.progress.state.best["epoch"] == 5 and ends == [False, False, True]


def test_an_evaluation_that_fails_gives_the_weights_back():
    callback = make_evaluation([])
    with pytest.raises(StopIteration):
        callback.on_epoch_end(0, {})
    assert callback.optimizer.swaps == 2


def test_fitness_weighs_ap_nine_to_one():
    assert fitness({"AP": 0.5, "AP50": 0.8}) == pytest.approx(0.53)
    assert fitness({"AP": 0.0, "AP50": 0.0}) == 0.0
    assert fitness({"AP": None, "AP50": None}) is None, "nothing to find is not nothing found"


def test_with_nothing_to_find_the_last_epoch_is_best_and_patience_is_off():
    callback = make_evaluation([None] * 5, epochs=9, patience=2)
    for epoch in range(5):
        logs = {"loss": 1.0}
        callback.on_epoch_end(epoch, logs)
        assert logs == {"loss": 1.0} and callback.progress.state.best["epoch"] == epoch + 1
        assert not callback.model.stop_training and not ends_after(epoch + 1, callback.progress, callback.options)
    assert json.loads(json.dumps(callback.progress.state.best)) == {"fitness": -1.0, "epoch": 5}


def test_a_loss_that_is_no_number_stops_with_its_parts_and_a_picture():
    """Eleven steps of epoch 5 are counted, some of them by an earlier process: the one that fails is step 12."""
    drawn, progress = [], RunProgress(epochs=9, steps=20, state=RunState(epoch=4, step=10))
    callback = StopOnNonFiniteLoss(progress, draw_batch=lambda *place: drawn.append(place) or "batch.png")
    callback.on_train_batch_end(6, {"loss": 1.0})
    progress.move(step=11)
    message = r"epoch 5, step 12: the loss is not finite \(box nan, loss inf\).*images of this batch in batch.png;.*learning_rate"
    with pytest.raises(InputError, match=message):
        callback.on_train_batch_end(7, {"loss": float("inf"), "class": 0.5, "box": float("nan")})
    progress.move(epoch=5, step=7)
    with pytest.raises(InputError, match=r"epoch 6, step 8"):
        callback.on_train_batch_end(7, {"loss": float("nan")})
    assert drawn == [(4, 11), (5, 7)]
