"""The only step from a name in a YAML file or on the command line to an object."""

import difflib

from yolo_tf.errors import InputError


def did_you_mean(name, known):
    """Returns " Did you mean 'x'?" for the nearest of `known`, or an empty string."""
    near = difflib.get_close_matches(str(name), [str(candidate) for candidate in known], n=1)
    return f" Did you mean '{near[0]}'?" if near else ""


def look_up(table, name, *, kind):
    """Returns `table[name]`.

    Args:
        table: mapping from name to object.
        name: the name to find.
        kind: what the names stand for, singular, for the message ("backbone").

    Raises:
        InputError: `name` is not in `table`; the message gives the nearest name and all names.
    """
    if name in table:
        return table[name]
    raise InputError(f"unknown {kind} '{name}'.{did_you_mean(name, table)} Expected one of: {', '.join(sorted(table))}.")
