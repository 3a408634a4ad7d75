"""Published weights by their names: from a directory, the cache, or a server, slow or broken off or of something else."""

import contextlib
import gc
import http.server
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


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    """The bytes of a yolox_nano.pth of 3 classes."""
    model = read_config("yolox_nano").model
    network = build_network(model, num_classes=3, anchors=network_layout(model))
    path = tmp_path_factory.mktemp("nano") / "yolox_nano.pth"
    return write_zip(path, yolox_checkpoint(yolox_state(network, repeats=1, depthwise=True))).read_bytes()


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """An empty cache, no directory of the user's."""
    monkeypatch.delenv("YOLO_TF_WEIGHTS", raising=False)
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
        assert path == cache / "yolox_nano.pth" and path.read_bytes() == content and checkpoint.num_classes == 3
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
    with pytest.raises(InputError, match="yolox_s.pth: holds yolox_nano, depth 0.33, width 0.25. Expected yolox_s"):
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
        ("cut off", "yolox_nano cannot be fetched from http.*got only 1905382 out of 3810764 bytes"),
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


def test_a_cache_that_cannot_be_written_is_named_with_the_way_around_it(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("no directory")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "file"))
    told = r"file/yolo_tf: yolox_nano.pth cannot be kept there \(Not a directory\). Expected .* Set KERAS_HOME .* YOLO_TF_WEIGHTS"
    with pytest.raises(InputError, match=told):
        read_published("yolox_nano", address="http://127.0.0.1:9/")
