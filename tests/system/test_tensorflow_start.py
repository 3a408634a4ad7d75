"""TensorFlow starts without a word, unless it cannot start."""

import os
import subprocess
import sys

import pytest

START = "from yolo_tf.system.tensorflow_start import load_tensorflow; load_tensorflow()"


def test_nothing_is_written_to_standard_error():
    environment = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    result = subprocess.run([sys.executable, "-c", START], capture_output=True, text=True, env=environment)
    assert (result.returncode, result.stderr) == (0, "")


def test_a_failed_import_shows_what_was_said(tmp_path):
    (tmp_path / "tensorflow.py").write_text("import os\nos.write(2, b'the reason\\n')\nraise ImportError('broken')\n")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    result = subprocess.run([sys.executable, "-c", START], capture_output=True, text=True, env=environment)
    assert result.returncode != 0
    assert result.stderr.startswith("the reason\n") and "ImportError: broken" in result.stderr


@pytest.mark.slow
def test_kernels_compiled_for_a_gpu_are_kept_unless_the_user_says_where():
    code = f"import os; {START}; print(os.environ['CUDA_CACHE_PATH'], os.environ['CUDA_CACHE_MAXSIZE'])"
    environment = {**os.environ, "CUDA_CACHE_PATH": "/elsewhere"}
    environment.pop("CUDA_CACHE_MAXSIZE", None)
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert result.stdout.split() == ["/elsewhere", str(4 * 2**30)]
