"""What the value of an option is: the kinds that options are annotated with, and values brought to them."""

import dataclasses
import math
import os
import re
import types
import typing

from yolo_tf.errors import InputError, did_you_mean

MOST_WHOLE = 2**32 - 1  # of a whole number: the largest seed that all of NumPy, Keras and TensorFlow take


def converted(value, kind, where):
    """Returns a value as an annotated kind of option: a list as a tuple, a whole number as a float, NumPy's as Python's.

    Args:
        value: as YAML has it, or given in Python.
        kind: str, int, float, bool, a Literal, one of these or words, a tuple or dict of them, tuple: nested numbers, or a
            dataclass.
        where: what a message begins with.

    Raises:
        InputError: it is none, no finite number, or a whole number beyond MOST_WHOLE.
    """
    if hasattr(value, "tolist"):  # arrays of NumPy and their items
        value = value.tolist()
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Literal:
        text = str(value).lower() if isinstance(value, bool) else value
        if text not in arguments:
            raise InputError(f"{where}: got {value!r}.{did_you_mean(value, arguments)} Expected one of: {', '.join(arguments)}.")
        return text
    if origin in (typing.Union, types.UnionType):  # a kind, or words instead of it
        words = typing.get_args(arguments[1])
        return value if value in words else converted(value, arguments[0], where)
    if origin is tuple:
        if where.endswith("image_size") and isinstance(value, int):
            value = [value, value]
        if isinstance(value, str) and arguments == (str, Ellipsis):
            value = [] if value in ("", "none") else [value]  # one name needs no brackets
        if not isinstance(value, (list, tuple, range)):
            raise _wrong_type(where, "list", value)
        kinds = [arguments[0]] * len(value) if arguments[-1] is Ellipsis else arguments
        if len(kinds) != len(value):
            raise InputError(f"{where}: expected {len(kinds)} values, got {value!r}.")
        return tuple(converted(item, item_kind, where) for item, item_kind in zip(value, kinds, strict=True))
    if dataclasses.is_dataclass(kind):
        if not isinstance(value, kind):
            raise _wrong_type(where, kind.__name__, value)
        return value
    if kind is tuple:
        return _nested_tuple(value, where)
    if origin is dict:
        if not isinstance(value, dict):
            raise _wrong_type(where, "mapping", value)
        return {str(key): converted(item, arguments[1], f"{where}.{key}") for key, item in value.items()}
    if kind is str and (value is None or isinstance(value, os.PathLike)):
        return "" if value is None else os.fspath(value)
    if kind is float and type(value) is int and abs(value) <= 2**1023:
        value = float(value)
    if type(value) is not kind:
        raise _wrong_type(where, kind.__name__, value)
    if kind is float and not math.isfinite(value):
        raise InputError(f"{where}: expected a finite number, got {value}.")
    if kind is int and abs(value) > MOST_WHOLE:
        raise InputError(f"{where}: expected a whole number up to {MOST_WHOLE}, got {value}.")
    return value


def _nested_tuple(value, where):
    if isinstance(value, (list, tuple)):
        return tuple(_nested_tuple(item, where) for item in value)
    if type(value) in (int, float):
        return converted(value, float, where)
    raise _wrong_type(where, "nested list of numbers", value)


def _wrong_type(where, expected, value):
    hint = ""
    if expected in ("int", "float") and isinstance(value, str):
        plain_text = value.strip().replace(",", ".") if value.count(",") == 1 and "." not in value else value.strip()
        if re.fullmatch(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?", plain_text, re.IGNORECASE):
            hint = f" Write {plain_text}{'' if plain_text != value else ' without quotes'}."
    elif expected == "int" and isinstance(value, float) and value.is_integer():
        hint = f" Write {int(value)}."
    return InputError(f"{where}: expected {expected}, got {value!r} ({type(value).__name__}).{hint}")
