"""Where is kept what can be found out or fetched again: files that a person may remove at any time."""

import os
import tempfile
from pathlib import Path

CACHE = "YOLO_TF_CACHE"  # environment variable: the directory


def cache_directory():
    """Returns the directory that YOLO_TF_CACHE names, else `yolo_tf` in the directory of Keras, ~/.keras as a rule."""
    named = os.environ.get(CACHE, "")
    if named:
        return Path(os.path.expanduser(named))
    place = os.path.expanduser(os.environ.get("KERAS_HOME") or "~/.keras")  # as keras.utils.get_file finds it
    if place.startswith("~"):  # a user without a home, as in a container
        place = place.replace("~", tempfile.gettempdir(), 1)  # as Keras does
    return Path(place) / "yolo_tf"
