"""What is said of input that cannot be used: one exception, and the only step from a name to an object, which raises it."""

import difflib
import unicodedata

BREAKING = {"Cc", "Zl", "Zp"}  # Unicode categories of control characters, line and paragraph separators


class InputError(ValueError):
    """Raised for what the user gave: a config, a file, an argument.

    The message is one line: `<where>: <what is wrong, with the value>. Expected <what would be right>.
    <how to fix it>`. The command line prints it and exits with code 2; every other exception is a
    defect of this program and keeps its traceback. It stays one line whatever the names in it hold.
    """

    def __init__(self, message):
        super().__init__(one_line(message))


def one_line(text):
    r"""Returns text with line breaks and other control characters as they are escaped in Python: \n, \x1b."""
    if text.isprintable():
        return text
    return "".join(
        letter.encode("unicode_escape").decode() if unicodedata.category(letter) in BREAKING else letter for letter in text
    )


def did_you_mean(name, known):
    """Returns " Did you mean 'x'?" for the nearest of `known`, or an empty string."""
    near = difflib.get_close_matches(str(name), [str(candidate) for candidate in known], n=1)
    return f" Did you mean '{near[0]}'?" if near else ""


def any_of(words):
    """Returns "a, b or c"."""
    *first, last = words
    return f"{', '.join(first)} or {last}" if first else last


def shown(name):
    r"""Returns a name or path as text of one line: bytes that are no UTF-8 as caf\xe9, U+0000 as \0, a line break as \n."""
    text = str(name).encode("utf-8", "backslashreplace").decode()
    return one_line(text.replace(r"\udc", r"\x").replace("\0", r"\0"))  # a byte that is no text is U+DC80 to U+DCFF


def some_of(things, most=3):
    """Returns "a, b, c and 7 more": the first `most` of any number of things."""
    things = list(things)
    first = ", ".join(map(shown, things[:most]))
    return f"{first} and {len(things) - most} more" if len(things) > most else first


def look_up(table, name, *, kind, where=""):
    """Returns `table[name]`.

    Args:
        table: mapping from name to object.
        name: the name to find.
        kind: what the names stand for, singular, for the message ("backbone").
        where: the place that the name comes from; what the message begins with.

    Raises:
        InputError: `name` is not in `table`; the message gives the nearest name and all names.
    """
    if name in table:
        return table[name]
    fault = f"unknown {kind} '{name}'.{did_you_mean(name, table)} Expected one of: {', '.join(sorted(table))}."
    raise InputError(f"{where}: {fault}" if where else fault)
