"""Where what can be found out again is kept."""

from pathlib import Path

from yolo_tf.system.cache import cache_directory


def test_the_directory_is_the_one_named_else_that_of_keras(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("YOLO_TF_CACHE", "~/mine")
    monkeypatch.setenv("KERAS_HOME", "~/keras")
    assert cache_directory() == tmp_path / "mine"
    monkeypatch.delenv("YOLO_TF_CACHE")
    assert cache_directory() == tmp_path / "keras" / "yolo_tf"
    monkeypatch.delenv("KERAS_HOME")
    assert cache_directory() == tmp_path / ".keras" / "yolo_tf"


def test_a_user_without_a_home_has_one_too(monkeypatch, tmp_path):
    for name in ("YOLO_TF_CACHE", "KERAS_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("os.path.expanduser", lambda path: path)  # as for a number that /etc/passwd does not have
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    assert cache_directory() == Path(tmp_path, ".keras", "yolo_tf")
