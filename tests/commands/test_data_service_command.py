"""`yolo-tf data-service`: processes that serve until they are interrupted."""

import os
import re
import signal
import subprocess
import sys

import pytest

from yolo_tf import cli


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["dispatcher", "--port", "0"], "--port: got 0. Expected 1..65535."),
        (["dispatcher", "--dispatcher", "grpc://a:1"], "--dispatcher: Expected with `worker`, and only there"),
        (["worker"], "--dispatcher: Expected with `worker`, and only there"),
        (["worker", "--dispatcher", "somewhere"], "--dispatcher: 'somewhere' is no address. Expected grpc://HOST:PORT"),
        (["worker", "--dispatcher", "localhost:1"], "--dispatcher: nothing answers at localhost:1"),
        (["waiter"], "invalid choice: 'waiter'"),
    ],
)
def test_bad_input_is_one_line(capsys, arguments, message):
    try:
        code = cli.main(["data-service", *arguments])
    except SystemExit as exit_:
        code = exit_.code
    err = capsys.readouterr().err
    assert code == 2 and message in err and err.count("\n") == 1


def start(*arguments):
    """Starts a process; returns it and the address it prints."""
    command = [sys.executable, "-u", "-m", "yolo_tf", "data-service", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ))
    for line in process.stdout:
        found = re.match(r"\w+ at (grpc://\S+); stop with Ctrl-C", line)
        if found:
            return process, found[1]
    raise AssertionError(process.stderr.read())


@pytest.mark.long
def test_a_dispatcher_and_a_worker_serve_until_ctrl_c():
    import tensorflow as tf

    from yolo_tf.data.service import distribute

    dispatcher, address = start("dispatcher", "--port", "23517")
    assert address == "grpc://localhost:23517"
    worker, _ = start("worker", "--dispatcher", address)
    try:
        squares = distribute(tf.data.Dataset.range(7).map(lambda number: number**2), address)
        assert sorted(int(square) for square in squares) == [0, 1, 4, 9, 16, 25, 36]
    finally:
        for process in (worker, dispatcher):
            process.send_signal(signal.SIGINT)
    for process in (worker, dispatcher):
        _, err = process.communicate(timeout=30)
        assert process.returncode == 130 and err.endswith("interrupted.\n")
