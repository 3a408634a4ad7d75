"""What an option is made of, and how a section checks itself."""

import dataclasses

from yolo_tf.errors import InputError

# what a number x may be -> whether it is
RANGES = {
    "0..1": lambda x: 0 <= x <= 1,
    "0..0.001": lambda x: 0 <= x <= 0.001,
    "0 <= x < 1": lambda x: 0 <= x < 1,
    "0 < x <= 1": lambda x: 0 < x <= 1,
    "0 or more": lambda x: x >= 0,
    "above 0": lambda x: x > 0,
    "above 1": lambda x: x > 1,
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


def require_ranges(section, place):
    """Raises InputError unless the numbers of a section, which stands at `place`, are in their ranges."""
    for field in dataclasses.fields(section):
        expected, value = field.metadata["expected"], getattr(section, field.name)
        if expected and not isinstance(value, str):  # a word such as auto
            words = expected.replace("x", field.name).replace("above", f"a {'whole ' * field.type.startswith('int')}number above")
            require(RANGES[expected](value), f"{place}.{field.name}: expected {words}, got {value}.")


def require_sides(sides, place):
    """Raises InputError unless the sides of images, px, fit the coarsest stride."""
    for side in sides:
        require(
            side > 0 and side % 32 == 0,
            f"{place}: {side} is no positive multiple of 32."
            f" Expected multiples of the coarsest stride. Use {max(32, round(side / 32) * 32)}.",
        )
