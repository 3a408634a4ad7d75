"""What an option is made of, and how a section checks itself."""

import dataclasses
import functools
import typing

from yolo_tf.config.kinds import converted
from yolo_tf.errors import InputError

MOST_SIDE = 16384  # px: a square of it, as float32 pixels alone, is 3 GB

# what a number x may be -> whether it is
RANGES = {
    "0..1": lambda x: 0 <= x <= 1,
    "0..0.001": lambda x: 0 <= x <= 0.001,
    "0 <= x < 1": lambda x: 0 <= x < 1,
    "0 < x <= 1": lambda x: 0 < x <= 1,
    "0 or more": lambda x: x >= 0,
    "above 0": lambda x: x > 0,
    "above 1": lambda x: x > 1,
    "0..1024": lambda x: 0 <= x <= 1024,
    "1..100000": lambda x: 1 <= x <= 100_000,
    "0..10000000": lambda x: 0 <= x <= 10_000_000,
}


def option(default, doc, expected=None):
    """A dataclass field with its documentation, and the row of RANGES that a number is held against."""
    fields = {"metadata": {"doc": doc, "expected": expected}}
    if isinstance(default, dict):
        return dataclasses.field(default_factory=lambda: dict(default), **fields)
    return dataclasses.field(default=default, **fields)


def require(condition, message):
    """Raises InputError(message) unless `condition`."""
    if not condition:
        raise InputError(message)


def check_options(section, place):
    """Brings the values of a section, which stands at `place`, to the kinds of its fields; checks those and their ranges.

    So a section that is made in Python holds what the reader would have made of the same values.

    Raises:
        InputError: a value of another kind, or a number out of its range.
    """
    kinds = _kinds(type(section))
    for field in dataclasses.fields(section):
        where = f"{place}.{field.name}"
        value = converted(getattr(section, field.name), kinds[field.name], where)
        object.__setattr__(section, field.name, value)
        expected = field.metadata["expected"]
        if expected and not isinstance(value, str):  # a word such as auto
            words = expected.replace("x", field.name).replace("above", f"a {'whole ' * field.type.startswith('int')}number above")
            require(RANGES[expected](value), f"{where}: expected {words}, got {value}.")


@functools.cache
def _kinds(section):
    return typing.get_type_hints(section)


def require_sides(sides, place):
    """Raises InputError unless the sides of images, px, fit the coarsest stride, and memory."""
    for side in sides:
        require(side <= MOST_SIDE, f"{place}: {side} px is too large. Expected up to {MOST_SIDE}. Cut the images into tiles.")
        require(
            side > 0 and side % 32 == 0,
            f"{place}: {side} is no positive multiple of 32."
            f" Expected multiples of the coarsest stride. Use {max(32, round(side / 32) * 32)}.",
        )
