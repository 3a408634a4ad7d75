"""One process at a time in a directory."""

import contextlib
import errno
import subprocess
import sys
import threading

import pytest

from yolo_tf.system import lock
from yolo_tf.system.lock import locked


def test_others_wait_and_nothing_is_left(tmp_path):
    """Eight threads count, each slowly: none would come out lower than it should if two were inside at once."""
    place, count, waited, inside = tmp_path / "new" / "cache", [0], [], []

    def work():
        for _ in range(20):
            with locked(place, waiting=lambda: waited.append(1)) as alone:
                inside.append(alone)
                before = count[0]
                threading.Event().wait(0.0005)
                count[0] = before + 1

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert count == [160] and inside == [True] * 160 and waited and not list(place.iterdir())


def test_a_process_that_is_killed_holds_nobody_up(tmp_path):
    program = "import sys, time, yolo_tf.system.lock as at\nwith at.locked(sys.argv[1]): print(1, flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"1\n"
        assert [path.name for path in tmp_path.iterdir()] == [".lock"]
        process.kill()
    with locked(tmp_path, waiting=lambda: pytest.fail("waits for the dead")) as alone:
        assert alone
    assert not list(tmp_path.iterdir())


def test_who_gives_up_waiting_leaves_the_lock_to_its_owner(tmp_path):
    def impatient():
        raise KeyboardInterrupt

    with locked(tmp_path):
        with contextlib.suppress(KeyboardInterrupt), locked(tmp_path, waiting=impatient):
            pytest.fail("both are inside")
        assert [path.name for path in tmp_path.iterdir()] == [".lock"]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("system", ["without locks", "of files without locks"])
def test_where_there_are_no_locks_it_says_so(tmp_path, monkeypatch, system):
    def refuse(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    if system == "without locks":
        monkeypatch.setattr(lock, "fcntl", None)
    else:
        monkeypatch.setattr(lock.fcntl, "flock", refuse)
    with locked(tmp_path) as alone:
        assert alone is False
    assert not list(tmp_path.iterdir())
