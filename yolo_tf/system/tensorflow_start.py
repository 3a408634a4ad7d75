"""Importing TensorFlow without its start-up notices, and Keras as everything here takes it."""

import os
import sys
import tempfile
from pathlib import Path

from yolo_tf.errors import InputError


def load_tensorflow():
    """Imports TensorFlow, and Keras on it, whatever other programs on this machine have Keras set to.

    KERAS_BACKEND and keras.json are for programs that leave the choice open; here images are [B, H, W, 3] and numbers float32
    for everyone, and a process that this one starts inherits the backend.

    Raises:
        InputError: Keras was imported before, on another backend.
    """
    os.environ["KERAS_BACKEND"] = "tensorflow"
    if "tensorflow" not in sys.modules:
        _import_quietly()
    import keras

    if keras.backend.backend() != "tensorflow":
        raise InputError(
            f"KERAS_BACKEND: Keras runs on {keras.backend.backend()} already. Expected tensorflow. Set KERAS_BACKEND=tensorflow"
            " before Keras is imported."
        )
    keras.config.set_image_data_format("channels_last")
    keras.config.set_floatx("float32")


def _import_quietly():
    """Imports TensorFlow; what it writes to standard error meanwhile is shown only if the import fails.

    Its C++ side greets with some lines about oneDNN and missing GPUs before any log level is read. They
    are no news to a user, and would hide the one line that is.
    """
    # Read once, by the import. Level 3 because its C++ log says "error" of a machine without a GPU;
    # what really fails comes as an exception.
    for name, value in {"TF_CPP_MIN_LOG_LEVEL": "3", **_cuda_cache()}.items():
        os.environ.setdefault(name, value)
    try:
        standard_error = os.dup(2)
    except OSError:  # it is closed
        import tensorflow  # noqa: F401

        return
    if sys.stderr is not None:
        sys.stderr.flush()
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


def _cuda_cache():
    """Returns where to keep kernels that the driver compiles for a GPU newer than TensorFlow's build: minutes at a start."""
    try:
        home = Path.home()
    except RuntimeError:  # neither HOME nor an entry in the list of users, as in a container of any user's number
        return {}
    return {"CUDA_CACHE_PATH": str(home / ".cache" / "yolo_tf" / "cuda"), "CUDA_CACHE_MAXSIZE": str(4 * 2**30)}
