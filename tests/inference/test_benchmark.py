"""Benchmark: every file in a process of its own, in turns, with figures that are those of the calls."""

import os
import signal

import detector_files
import pytest
import tensorflow as tf

from yolo_tf.errors import InputError
from yolo_tf.files import attach_spec, read_spec
from yolo_tf.inference import benchmark as module
from yolo_tf.inference import detector as runtime
from yolo_tf.inference.benchmark import benchmark, describe_machine
from yolo_tf.system.atomic import size_on_disk

MB = 1_000_000


@pytest.mark.long
def test_files_of_two_kinds():
    rows = benchmark([detector_files.keras_file(), detector_files.tflite_file()], batch=2, threads=1, repeats=12)
    assert [row.kind for row in rows] == ["keras", "tflite"]
    assert [row.path for row in rows] == [str(detector_files.keras_file()), str(detector_files.tflite_file())]
    for row in rows:
        assert row.bytes == size_on_disk(row.path) and row.image_size == [96, 160]
        assert 0 < row.median_ms <= row.p95_ms < 1000 * 60
        assert row.load_seconds > 0 and row.first_call_seconds > row.median_ms / 1000
        assert 0 < row.cores < 1.5, "one thread"
        assert row.cpu_ms > 0
    assert rows[0].ratio == 1
    if os.path.exists("/proc/self/clear_refs"):
        # TensorFlow itself, some 400 MB, is not in it; a network of Keras holds more than the file of an interpreter
        assert 2 * MB < rows[1].memory_bytes < rows[0].memory_bytes < 250 * MB


class Questions:
    """The end of a connection that asks for turns of 3 and 2 calls and keeps the answers."""

    def __init__(self):
        self.left, self.answers = [3, 2, 0], []

    def recv(self):
        return self.left.pop(0)

    def send(self, answer):
        self.answers.append(answer)


def test_threads_and_calls_of_a_process(monkeypatch):
    """What runs in the new process, here in this one."""
    threads, calls, opened = [], [], runtime.open_detector
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    for name in ("set_intra_op_parallelism_threads", "set_inter_op_parallelism_threads"):
        monkeypatch.setattr(tf.config.threading, name, threads.append)

    def open_spy(path, *, threads):
        detector = opened(path)
        calls.append(threads)

        def candidates(images):
            calls.append(images.shape)
            return detector.candidates(images)

        return runtime.dataclasses.replace(detector, candidates=candidates)

    monkeypatch.setattr(runtime, "open_detector", open_spy)
    questions = Questions()
    module._serve(questions, str(detector_files.keras_file()), (64, 96), 5, 7)
    assert threads == [7, 7] and calls[0] == 7
    # the first, those to warm up, and with each turn one that is not counted
    assert calls[1:] == [(5, 64, 96, 3)] * (1 + module.WARM_UP + (1 + 3) + (1 + 2))
    row, (first, first_cpu), (second, second_cpu), memory = questions.answers
    assert row["image_size"] == [64, 96] and row["device"] in ("CPU", "GPU")
    assert (len(first), len(second)) == (3, 2) and min(first + second + [first_cpu, second_cpu]) > 0
    assert memory is None or memory >= 0  # this process may have freed what it opens again


def test_turns():
    assert module._turns(25) == [10, 10, 5] and module._turns(3) == [3] and module._turns(20) == [10, 10]


def test_the_ratio_is_that_of_each_turn():
    """The machine becomes 10 times slower after the first turn: 2, 4 and 3 times the first file's time."""
    first = [([0.01, 0.01, 0.01], 0.03), ([0.1, 0.1, 0.1], 0.3), ([0.1, 0.1, 0.1], 0.3)]
    own = [([0.02, 0.02, 0.09], 0.1), ([0.4, 0.4, 0.4], 1.2), ([0.3, 0.3, 0.3], 2.0)]
    summary = module._summary(own, first)
    assert summary["ratio"] == pytest.approx(3)
    assert summary["median_ms"] == pytest.approx(300) and summary["p95_ms"] == pytest.approx(400)
    assert summary["cores"] == pytest.approx(3.3 / 2.23) and summary["cpu_ms"] == pytest.approx(3300 / 9)
    assert module._summary(first, first)["ratio"] == 1


@pytest.mark.parametrize("name", ["batch", "threads", "repeats"])
def test_numbers_below_one(name):
    with pytest.raises(InputError, match=f"{name}: got 0. Expected a whole number above 0"):
        benchmark([detector_files.keras_file()], **{name: 0})


def test_a_missing_file_is_told_before_any_process_starts(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_in_own_process", None)
    with pytest.raises(InputError, match="none.tflite: no such file or directory. Expected"):
        benchmark([detector_files.keras_file(), tmp_path / "none.tflite"])


@pytest.mark.slow
def test_a_file_that_is_damaged_inside_is_one_line(tmp_path):
    (tmp_path / "bad.tflite").touch()
    attach_spec(tmp_path / "bad.tflite", read_spec(detector_files.keras_file()))
    with pytest.raises(InputError, match="bad.tflite: cannot be opened .*Train or export it again"):
        benchmark([tmp_path / "bad.tflite"])


def test_a_process_that_ends_is_one_line(monkeypatch):
    monkeypatch.setattr(module, "_serve", os.abort)  # called with arguments, so it fails before it aborts
    with pytest.raises(InputError, match="tiny.keras: its process ended with exit code 1. Expected a file that runs"):
        benchmark([detector_files.keras_file()])


def test_the_machine():
    machine = describe_machine()
    assert machine.processor and machine.cores == os.cpu_count()
    assert machine.versions["tensorflow"] == tf.__version__ and {"onnxruntime", "openvino"} <= set(machine.versions)
