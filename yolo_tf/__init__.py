"""YOLOv5-style object detection on any Keras backbone.

The public names are those of `__init__.pyi`, which editors and type checkers read too. They are loaded from their modules when
they are first used: importing the package costs nothing.
"""

import importlib
import re
from pathlib import Path

from yolo_tf.system.version import VERSION

__version__ = VERSION

_STUB = Path(__file__).with_suffix(".pyi").read_text(encoding="utf-8")
PUBLIC = {name: module for module, name in re.findall(r"^from yolo_tf\.([\w.]+) import (\w+) as \2$", _STUB, re.MULTILINE)}
__all__ = list(PUBLIC)


def __getattr__(name):
    if name not in PUBLIC:
        raise AttributeError(f"module 'yolo_tf' has no attribute '{name}'. Public names: {', '.join(PUBLIC)}.")
    return getattr(importlib.import_module(f"yolo_tf.{PUBLIC[name]}"), name)


def __dir__():
    return sorted([*globals(), *PUBLIC])
