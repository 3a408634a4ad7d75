"""Where the time goes, on a clock of the test's own: every second must end up in the right stage."""

import keras
import pytest
import tensorflow as tf

from yolo_tf.training import profiling
from yolo_tf.training.profiling import STAGES, WhereTimeGoes, time_page


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still until `clock.now` is moved."""

    class Clock:
        now = 0.0

        def perf_counter(self):
            return self.now

        def pass_seconds(self, seconds):
            self.now += seconds

    found = Clock()
    monkeypatch.setattr(profiling, "time", found)
    return found


class Slow(keras.callbacks.Callback):
    """Callbacks that take their time."""

    def __init__(self, clock, evaluate):
        super().__init__()
        self.clock, self.evaluate = clock, evaluate

    def on_epoch_end(self, epoch, logs=None):
        self.clock.pass_seconds(1000)
        self.evaluate()


def test_every_second_is_in_its_stage(clock, tmp_path):
    where = WhereTimeGoes(tmp_path / "profile")
    clock.pass_seconds(5)

    def wait(images):
        clock.pass_seconds(7)
        return images

    def work(images):
        clock.pass_seconds(30)
        return images

    images = keras.Input((3,))
    model = keras.Model(images, keras.layers.Dense(2)(images))
    model.compile(loss="mse", run_eagerly=True)
    plain = model.train_step
    model.train_step = lambda data: (work(None), plain(data))[1]
    data = tf.data.Dataset.from_tensors((tf.zeros([4, 3]), tf.zeros([4, 2]))).repeat()
    slow_data = data.map(lambda x, y: (tf.ensure_shape(tf.numpy_function(wait, [x], tf.float32), [4, 3]), y))
    options = tf.data.Options()
    options.experimental_optimization.inject_prefetch = False  # a thread of its own would fetch when it likes
    slow_data = slow_data.with_options(options)
    evaluate = where.timed("evaluation", lambda seconds=100: clock.pass_seconds(seconds))
    callbacks = [Slow(clock, evaluate), where]
    model.fit(where.stamp(slow_data), epochs=2, steps_per_epoch=3, callbacks=callbacks, shuffle=False, verbose=0)

    assert where.steps == 6
    assert where.seconds == {
        "start": 5,
        "first step": 37,
        "input wait": 5 * 7,
        "steps": 5 * 30,
        "evaluation": 200,
        "network files": 0,
        "end of epoch": 2000,
        "other": 0,
    }
    page = (tmp_path / "profile" / "where_time_goes.md").read_text()
    assert "2427.0 s up to the end of the last epoch, 6 steps" in page
    assert "30.000 s of work and 7.000 s of waiting" in page and "| evaluation | 200.0 | 8.2% |" in page
    assert not list((tmp_path / "profile").glob("plugins/**/*.pb"))  # fewer steps than the traced ones


def test_a_trace_of_some_steps_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(profiling, "TRACED_STEPS", (1, 3))
    where = WhereTimeGoes(tmp_path)
    for batch in range(4):
        where.on_train_batch_begin(batch)
        tf.linalg.matmul(tf.ones([3, 5]), tf.ones([5, 7]))
        where.on_train_batch_end(batch)
    assert not where.tracing
    (trace,) = tmp_path.glob("plugins/profile/*/*.xplane.pb")
    assert trace.stat().st_size > 0


def test_the_page_names_every_stage_with_its_share():
    page = time_page({name: float(number) for number, name in enumerate(STAGES)}, steps=5)
    for number, name in enumerate(STAGES):
        assert f"| {name} | {number:.1f} | {number / 28:.1%} |" in page
    assert "28.0 s" in page and "0.750 s of work and 0.500 s of waiting" in page
