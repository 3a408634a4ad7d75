"""The server comes with an older TensorFlow than the one that exports: that one must load and run a version."""

import subprocess
import sys

import detector_files
import pytest
import serving_reference as reference
import tensorflow_alone

# The newest server image holds 2.20. The CPU package, for it is smaller; what is compared is the graph.
OLDER = "tensorflow-cpu==2.20.0"


@pytest.mark.long
@pytest.mark.network
def test_an_older_tensorflow_gives_the_same_detections(tmp_path):
    """In a virtual environment of its own, which takes minutes and 1.5 GB."""
    if sys.version_info >= (3, 14):
        pytest.skip(f"{OLDER} has no package for this Python")
    environment = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    python = environment / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", OLDER], check=True)
    version = subprocess.run(
        [python, "-c", "import tensorflow as tf; print(tf.__version__)"], capture_output=True, text=True, check=True
    )
    assert version.stdout.strip() == OLDER.split("==")[1]
    path = detector_files.serving_bundle() / "models" / "tiny" / "1"
    reference.assert_same_as_the_network(tensorflow_alone.serve(path, reference.requests(), python=python))
