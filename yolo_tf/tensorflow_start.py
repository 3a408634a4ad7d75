"""Importing TensorFlow without its start-up notices."""

import os
import sys
import tempfile


def load_tensorflow():
    """Imports TensorFlow; what it writes to standard error meanwhile is shown only if the import fails.

    Its C++ side greets with some lines about oneDNN and missing GPUs before any log level is read. They
    are no news to a user, and would hide the one line that is.
    """
    if "tensorflow" in sys.modules:
        return
    # Read once, by the import. Level 3 because its C++ log says "error" of a machine without a GPU;
    # what really fails comes as an exception.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
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
