"""Results as JSON values."""

import dataclasses
from pathlib import Path


def plain(value):
    """Returns a result as JSON holds it: a dataclass as a dict of all its fields, a tuple as a list, a path as text.

    A frozen dataclass takes it as its method: `to_json = plain`.

    Args:
        value: a dataclass, dict, list, tuple or path, and whatever JSON knows; so on inside.
    """
    if dataclasses.is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    return str(value) if isinstance(value, Path) else value
