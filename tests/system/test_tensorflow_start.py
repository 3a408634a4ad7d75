"""TensorFlow starts without a word, unless it cannot start."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from yolo_tf.errors import InputError
from yolo_tf.system import tensorflow_start
from yolo_tf.system.tensorflow_start import load_tensorflow

START = "from yolo_tf.system.tensorflow_start import load_tensorflow; load_tensorflow()"


@pytest.mark.slow
def test_nothing_is_written_to_standard_error():
    environment = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    result = subprocess.run([sys.executable, "-c", START], capture_output=True, text=True, env=environment)
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.slow
def test_a_closed_standard_error_is_no_reason_to_fail():
    assert subprocess.run(["sh", "-c", f'"{sys.executable}" -c "{START}" 2>&-']).returncode == 0


def test_a_failed_import_shows_what_was_said(tmp_path):
    (tmp_path / "tensorflow.py").write_text("import os\nos.write(2, b'the reason\\n')\nraise ImportError('broken')\n")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    result = subprocess.run([sys.executable, "-c", START], capture_output=True, text=True, env=environment)
    assert result.returncode != 0
    assert result.stderr.startswith("the reason\n") and "ImportError: broken" in result.stderr


@pytest.mark.long
def test_kernels_compiled_for_a_gpu_are_kept_unless_the_user_says_where():
    code = f"import os; {START}; print(os.environ['CUDA_CACHE_PATH'], os.environ['CUDA_CACHE_MAXSIZE'])"
    environment = {**os.environ, "CUDA_CACHE_PATH": "/elsewhere"}
    environment.pop("CUDA_CACHE_MAXSIZE", None)
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert result.stdout.split() == ["/elsewhere", str(4 * 2**30)]


SETTINGS = f"{START}; import keras; print(keras.backend.backend(), keras.config.image_data_format(), keras.config.floatx())"


@pytest.mark.slow
def test_settings_of_keras_for_other_programs_are_left_aside(tmp_path):
    written = {"backend": "torch", "image_data_format": "channels_first", "floatx": "float16"}
    (tmp_path / "keras.json").write_text(json.dumps(written))
    for backend in ({"KERAS_BACKEND": "jax"}, {}):
        environment = {name: value for name, value in os.environ.items() if name != "KERAS_BACKEND"}
        environment |= {"KERAS_HOME": str(tmp_path), **backend}
        result = subprocess.run([sys.executable, "-c", SETTINGS], capture_output=True, text=True, env=environment)
        assert (result.returncode, result.stdout) == (0, "tensorflow channels_last float32\n"), result.stderr


def test_a_keras_that_runs_on_something_else_is_one_line(monkeypatch):
    load_tensorflow()
    monkeypatch.setattr("keras.backend.backend", lambda: "jax")
    with pytest.raises(InputError, match="KERAS_BACKEND: Keras runs on jax already. Expected tensorflow. Set KERAS_BACKEND"):
        load_tensorflow()


def test_a_user_without_a_home(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    assert tensorflow_start._cuda_cache()["CUDA_CACHE_PATH"] == "/home/me/.cache/yolo_tf/cuda"

    def no_home():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", no_home)  # neither HOME nor an entry in the list of users
    assert tensorflow_start._cuda_cache() == {}
