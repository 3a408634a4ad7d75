"""What an option is made of, and how a section checks itself."""

import dataclasses

from yolo_tf.errors import InputError


def option(default, doc):
    """A dataclass field with its documentation."""
    if isinstance(default, dict):
        return dataclasses.field(default_factory=lambda: dict(default), metadata={"doc": doc})
    return dataclasses.field(default=default, metadata={"doc": doc})


def require(condition, message):
    """Raises InputError(message) unless `condition`."""
    if not condition:
        raise InputError(message)
