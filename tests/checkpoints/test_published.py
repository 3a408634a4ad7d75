"""Published weights by their names: from a directory, the cache, or a server, slow or broken off or of something else."""

import contextlib
import dataclasses
import gc
import http.server
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from torch_states import yolox_checkpoint, yolox_state
from torch_writer import write_zip

from yolo_tf.checkpoints.published import ADDRESS, read_published
from yolo_tf.checkpoints.yolox.names import SIZES
from yolo_tf.config.model import PUBLISHED_WEIGHTS
from yolo_tf.config.reader import read_config
from yolo_tf.errors import InputError
from yolo_tf.models.network import build_network, network_layout

pytestmark = pytest.mark.filterwarnings("ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning")


def bytes_of(folder, num_classes, **multiples):
    """Returns the bytes of a yolox_nano.pth, of other multiples where they are given."""
    model = dataclasses.replace(read_config("yolox_nano").model, **multiples)
    network = build_network(model, num_classes=num_classes, anchors=network_layout(model))
    repeats = 2 if model.depth > 0.5 else 1
    state = yolox_state(network, repeats=repeats, depthwise=model.depthwise)
    return write_zip(folder / "yolox_nano.pth", yolox_checkpoint(state)).read_bytes()


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    """The bytes of a yolox_nano.pth of COCO's 80 classes."""
    return bytes_of(tmp_path_factory.mktemp("nano"), 80)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """An empty cache, no directory of the user's."""
    for name in ("YOLO_TF_WEIGHTS", "YOLO_TF_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    yield tmp_path / "keras" / "yolo_tf"
    gc.collect()  # what the exception of a fetch still holds, a socket of urllib: here, and not in another test


@contextlib.contextmanager
def server(answer):
    """Yields the address of a server on this machine that does `answer(handler)` for each request."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            with contextlib.suppress(ConnectionError):
                answer(self)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{running.server_port}/"
        finally:
            running.shutdown()


def send(handler, content, *, status=200, length=None):
    handler.send_response(status)
    handler.send_header("Content-Length", str(len(content) if length is None else length))
    handler.end_headers()
    handler.wfile.write(content)


def slowly(handler, content):
    send(handler, b"", length=len(content))
    for start in range(0, len(content), 2**20):
        handler.wfile.write(content[start : start + 2**20])
        time.sleep(0.05)


def test_the_words_of_the_config_are_the_sizes_and_the_address_is_that_of_the_authors():
    assert PUBLISHED_WEIGHTS == tuple(name for name, _ in SIZES.values())
    assert ADDRESS == "https://github.com/Megvii-BaseDetection/YOLOX/releases/download/0.1.1rc0/"
    assert read_config(None, ["model.weights=yolox_s"]).model.weights == "yolox_s"
    with pytest.raises(InputError, match="unknown published weights 'yolox_nan'. Did you mean 'yolox_nano'"):
        read_published("yolox_nan")


def test_a_file_is_fetched_once_and_kept(content, cache, capsys):
    asked = []

    def answer(handler):
        asked.append(handler.path)
        slowly(handler, content)

    with server(answer) as address:
        path, checkpoint = read_published("yolox_nano", address=address)
        assert path == cache / "yolox_nano.pth" and path.read_bytes() == content and checkpoint.num_classes == 80
        again, _ = read_published("yolox_nano", address=address)
    assert again == path and asked == ["/yolox_nano.pth"] and [file.name for file in cache.iterdir()] == ["yolox_nano.pth"]
    shown = capsys.readouterr().out
    assert f"Downloading data from {address}yolox_nano.pth" in shown and f"{len(content)}/{len(content)}" in shown


def test_a_directory_of_the_user_comes_first(content, cache, tmp_path, monkeypatch):
    (tmp_path / "mine").mkdir()
    monkeypatch.setenv("YOLO_TF_WEIGHTS", str(tmp_path / "mine"))
    (tmp_path / "mine" / "yolox_nano.pth").write_bytes(content)
    path, checkpoint = read_published("yolox_nano", address="http://nowhere.invalid/")
    assert path == tmp_path / "mine" / "yolox_nano.pth" and checkpoint.shape.name == "yolox_nano" and not cache.exists()
    monkeypatch.setenv("YOLO_TF_WEIGHTS", str(tmp_path / "absent"))
    with pytest.raises(InputError, match="YOLO_TF_WEIGHTS: no such directory '.*absent'. Expected one with weight files"):
        read_published("yolox_nano")


def test_a_file_under_the_wrong_name_or_damaged_is_named(content, cache):
    cache.mkdir(parents=True)
    (cache / "yolox_s.pth").write_bytes(content)
    with pytest.raises(InputError, match="yolox_s.pth: holds a YOLOX of depth 0.33, width 0.25, .*Expected yolox_s, of"):
        read_published("yolox_s", address="http://nowhere.invalid/")
    (cache / "yolox_nano.pth").write_bytes(content[:-4000])
    with pytest.raises(InputError, match="yolox_nano.pth: .*Copy or download it again. Remove it, to have it fetched again"):
        read_published("yolox_nano", address="http://nowhere.invalid/")


def unsaid(handler, content):
    """Sends content without saying its length first."""
    handler.send_response(200)
    handler.end_headers()
    handler.wfile.write(content)


FAULTS = {
    "cut off": lambda handler, content: send(handler, content[: len(content) // 2], length=len(content)),
    "cut off unsaid": lambda handler, content: unsaid(handler, content[:9999]),
    "a page": lambda handler, content: send(handler, b"<html>Sign in</html>"),
    "absent": lambda handler, content: send(handler, b"gone", status=404),
    "empty": lambda handler, content: send(handler, b""),
}


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("cut off", "yolox_nano cannot be fetched from http.*got only [0-9]+ out of [0-9]+ bytes"),
        ("cut off unsaid", "yolox_nano.pth: the ZIP archive is truncated. .* Nothing was kept of it"),
        ("a page", "yolox_nano.pth: is no PyTorch file. Expected a YOLOX of its authors .* Nothing was kept of it"),
        ("absent", r"yolox_nano cannot be fetched from http.*404.* Expected the network, or the file yolox_nano.pth in"),
        ("empty", "yolox_nano.pth: is no PyTorch file. .* Nothing was kept of it"),
    ],
)
def test_what_does_not_come_whole_leaves_nothing(content, cache, fault, message):
    with server(lambda handler: FAULTS[fault](handler, content)) as address:
        with pytest.raises(InputError, match=message) as caught:
            read_published("yolox_nano", address=address)
    assert "\n" not in str(caught.value) and not list(cache.iterdir())


def test_a_server_that_falls_silent_is_given_up(content, cache):
    released = threading.Event()

    def answer(handler):
        send(handler, content[:5000], length=len(content))
        released.wait(20)

    with server(answer) as address:
        begun = time.monotonic()
        with pytest.raises(InputError, match="yolox_nano cannot be fetched from http.*timed out"):
            read_published("yolox_nano", address=address, patience=0.5)
        assert time.monotonic() - begun < 10 and not list(cache.iterdir())
        released.set()


def test_without_a_network_one_line_says_which_file_to_put_where(cache):
    with server(lambda handler: None) as address:
        pass  # its port is closed now
    with pytest.raises(InputError) as caught:
        read_published("yolox_tiny", address=address)
    message = str(caught.value)
    assert message.startswith(f"config.model.weights: yolox_tiny cannot be fetched from {address}yolox_tiny.pth (")
    assert f"Expected the network, or the file yolox_tiny.pth in {cache}." in message
    assert "YOLO_TF_WEIGHTS" in message and "\n" not in message and not list(Path(cache).iterdir())


def test_what_is_read_is_what_was_sent(content, cache):
    import hashlib

    with server(lambda handler: send(handler, content)) as address:
        _, checkpoint = read_published("yolox_nano", address=address)
    assert checkpoint.digest == hashlib.sha256(content).hexdigest()
    assert np.isfinite(checkpoint.weights["head_p3_class"][0]).all()


@contextlib.contextmanager
def file_for_a_parent(folder, monkeypatch):
    (folder / "file").write_text("no directory")
    monkeypatch.setenv("KERAS_HOME", str(folder / "file"))
    yield "Not a directory"


@contextlib.contextmanager
def read_only(folder, monkeypatch):
    """An administrator may write anywhere, so the system is asked as somebody else, who must see the folder."""
    own = os.geteuid()
    with tempfile.TemporaryDirectory() as place:
        monkeypatch.setenv("KERAS_HOME", place)
        os.chmod(place, 0o555)
        os.seteuid(own or 65534)
        try:
            if not os.access(place, os.R_OK, effective_ids=True):
                pytest.skip("temporary directories are private here")
            yield "Permission denied"
        finally:
            os.seteuid(own)


@contextlib.contextmanager
def full_disk(folder, monkeypatch):
    """No file of this process grows beyond 100 kB: as on a disk that is full in the middle of a write."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        yield "File too large"
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("fault", [file_for_a_parent, read_only, full_disk])
def test_a_cache_that_cannot_be_written_is_named_with_the_way_around_it(content, tmp_path, monkeypatch, fault):
    with server(lambda handler: send(handler, content)) as address, fault(tmp_path, monkeypatch) as reason:
        told = rf"/yolo_tf: yolox_nano.pth cannot be kept there \({reason}\). Expected .* Set YOLO_TF_CACHE .* YOLO_TF_WEIGHTS"
        with pytest.raises(InputError, match=told) as caught:
            read_published("yolox_nano", address=address)
    assert "\n" not in str(caught.value) and not [path for path in tmp_path.rglob("*") if "yolox" in path.name]


def test_of_many_at_once_one_fetches_and_all_go_on(content, cache, capsys):
    asked, found = [], []

    def answer(handler):
        asked.append(handler.path)
        slowly(handler, content)

    with server(answer) as address:
        threads = [threading.Thread(target=lambda: found.append(read_published("yolox_nano", address=address))) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(asked) == 1 and [path for path, _ in found] == [cache / "yolox_nano.pth"] * 3
    assert len({checkpoint.digest for _, checkpoint in found}) == 1 and os.listdir(cache) == ["yolox_nano.pth"]
    assert f"{cache}: another process fetches weights; waiting" in capsys.readouterr().out


def test_without_locks_each_fetches_its_own(content, cache, monkeypatch):
    """And none touches what another may be writing."""
    monkeypatch.setattr("yolo_tf.system.lock.fcntl", None)
    (cache / ".yolox_nano.pth.x.partial").mkdir(parents=True)
    with server(lambda handler: send(handler, content)) as address:
        path, _ = read_published("yolox_nano", address=address)
    assert path.read_bytes() == content and sorted(os.listdir(cache)) == [".yolox_nano.pth.x.partial", "yolox_nano.pth"]


@pytest.mark.slow
def test_a_fetch_that_is_killed_leaves_nothing_for_ever(content, cache):
    """One process is killed in the middle; another that waited for it fetches all of it, and removes what was left."""
    program = "import sys, yolo_tf.checkpoints.published as at\nprint(*at.read_published('yolox_nano', address=sys.argv[1]))"
    half, going_on = threading.Event(), threading.Event()

    def answer(handler):
        send(handler, content[:100_000], length=len(content))
        half.set()
        going_on.wait(60)
        handler.wfile.write(content[100_000:])

    with server(answer) as address:
        command = [sys.executable, "-u", "-c", program, address]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as first:
            assert half.wait(60)
            with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as second:
                line = ""
                while "waiting" not in line:
                    line = second.stdout.readline()
                    assert line, "the second process ended"
                [partial] = cache.glob(".yolox_nano.pth.*.partial")
                first.kill()
                going_on.set()
                told = second.stdout.read()
    assert second.returncode == 0 and str(cache / "yolox_nano.pth") in told and not partial.exists()
    assert os.listdir(cache) == ["yolox_nano.pth"] and (cache / "yolox_nano.pth").read_bytes() == content


@pytest.mark.parametrize("place", ["cache", "own"])
@pytest.mark.parametrize("suffix", [".pth", ".onnx"])
def test_what_is_there_under_the_name_and_no_file_is_named(cache, tmp_path, monkeypatch, place, suffix):
    folder = cache if place == "cache" else tmp_path / "own"
    if place == "own":
        monkeypatch.setenv("YOLO_TF_WEIGHTS", str(folder))
    path = folder / f"yolox_nano{suffix}"
    path.mkdir(parents=True)
    with pytest.raises(InputError, match=f"^{path}: is a directory. Expected the file of yolox_nano, or nothing of that name. R"):
        read_published("yolox_nano", address="http://nowhere.invalid/")
    path.rmdir()
    path.symlink_to(tmp_path / "gone.pth")
    with pytest.raises(InputError, match=f"^{path}: is a link to nothing. "):
        read_published("yolox_nano", address="http://nowhere.invalid/")
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(InputError, match=f"^{path}: is no file. "):
        read_published("yolox_nano", address="http://nowhere.invalid/")


def test_a_directory_that_cannot_be_read_is_named(cache, tmp_path, monkeypatch):
    monkeypatch.setenv("YOLO_TF_WEIGHTS", str(tmp_path))
    monkeypatch.setattr(Path, "lstat", lambda path: (_ for _ in ()).throw(PermissionError(13, "Permission denied", str(path))))
    with pytest.raises(InputError, match=f"^{tmp_path}/yolox_nano.pth: Permission denied. Expected a directory that can be read"):
        read_published("yolox_nano", address="http://nowhere.invalid/")


NANO = "depth 0.33, width 0.25, depthwise convolutions and 80 classes"


@pytest.mark.parametrize(
    ("num_classes", "multiples", "found"),
    [
        (3, {}, "depth 0.33, width 0.25, depthwise convolutions and 3 classes"),
        (1, {"width": 0.125}, "depth 0.33, width 0.125, depthwise convolutions and 1 class"),
        (80, {"depth": 0.67}, "depth 0.67, width 0.25, depthwise convolutions and 80 classes"),
        (80, {"depthwise": False}, "depth 0.33, width 0.25, full convolutions and 80 classes"),
    ],
)
def test_another_network_under_the_name_is_told_from_it(tmp_path, cache, num_classes, multiples, found):
    """In the cache, or from the server, of which nothing is kept."""
    other = bytes_of(tmp_path, num_classes, **multiples)
    with server(lambda handler: send(handler, other)) as address:
        told = rf"^{address}yolox_nano.pth: holds a YOLOX of {found}. Expected yolox_nano, of {NANO}. Give it another name and i"
        with pytest.raises(InputError, match=told) as caught:
            read_published("yolox_nano", address=address)
        assert "\n" not in str(caught.value) and not os.listdir(cache)
    (cache / "yolox_nano.pth").write_bytes(other)
    with pytest.raises(InputError, match=f"^{cache}/yolox_nano.pth: holds a YOLOX of {found}. Expected yolox_nano, of {NANO}"):
        read_published("yolox_nano")
