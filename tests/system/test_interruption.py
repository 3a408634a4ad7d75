"""Signals are noted, and act at the second time or where the program asks."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from yolo_tf import cli
from yolo_tf.system.interruption import Interrupted, note_signals, stop_if_noted


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_is_noted_and_stops_where_it_is_asked_for(number, code, capfd):
    before = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    noted, reached = [], []
    with pytest.raises(Interrupted, match=f"stopped by {number.name}") as caught, note_signals(noted):
        stop_if_noted(noted)
        os.kill(os.getpid(), number)
        reached.append("the end of the step")
        stop_if_noted(noted)
        reached.append("too far")
    assert reached == ["the end of the step"] and noted == [number] and caught.value.exit_code == code
    assert "stopping after this step" in capfd.readouterr().err
    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)] == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_kills_at_once(number):
    code = (
        "import os, time; from yolo_tf.system.interruption import note_signals\n"
        f"with note_signals([]):\n  os.kill(os.getpid(), {number}); print('still here', flush=True)\n"
        f"  os.kill(os.getpid(), {number}); time.sleep(60)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == -number and result.stdout == "still here\n"


def test_another_thread_changes_nothing():
    handlers = []

    def work():
        with note_signals([]):
            handlers.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert handlers == [signal.getsignal(signal.SIGTERM)]


def test_the_command_line_reports_the_code_of_the_signal(monkeypatch, capsys):
    def stop(arguments):
        raise Interrupted(signal.SIGTERM)

    monkeypatch.setattr("yolo_tf.commands.show.run", stop)
    assert cli.main(["show", "backbones"]) == 143
    assert capsys.readouterr().err == "yolo-tf show: stopped by SIGTERM.\n"
