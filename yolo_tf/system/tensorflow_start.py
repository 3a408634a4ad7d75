"""Importing TensorFlow without its start-up notices."""

import os
import sys
import tempfile
from pathlib import Path

# Kernels that the driver compiles for a GPU newer than TensorFlow's own build: minutes at the first start, so they are kept.
CUDA_CACHE = {"CUDA_CACHE_PATH": str(Path.home() / ".cache" / "yolo_tf" / "cuda"), "CUDA_CACHE_MAXSIZE": str(4 * 2**30)}


def load_tensorflow():
    """Imports TensorFlow; what it writes to standard error meanwhile is shown only if the import fails.

    Its C++ side greets with some lines about oneDNN and missing GPUs before any log level is read. They
    are no news to a user, and would hide the one line that is.
    """
    if "tensorflow" in sys.modules:
        return
    # Read once, by the import. Level 3 because its C++ log says "error" of a machine without a GPU;
    # what really fails comes as an exception.
    for name, value in {"TF_CPP_MIN_LOG_LEVEL": "3", **CUDA_CACHE}.items():
        os.environ.setdefault(name, value)
    sys.stderr.flush()
    standard_error = os.dup(2)
    with tempfile.TemporaryFile() as said:
        os.dup2(said.fileno(), 2)
        try:
            import tensorflow  # noqa: F401
        except BaseException:
            said.seek(0)
            os.write(standard_error, said.read())
            raise
        finally:
            os.dup2(standard_error, 2)
            os.close(standard_error)
