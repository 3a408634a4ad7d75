"""Class names as every later step can write them: in a table, a picture, JSON, a file of one name per line."""

import unicodedata

from yolo_tf.errors import InputError

BREAKS = {"Zl", "Zp"}  # Unicode categories of line and paragraph separators; \n, \t and the like are Cc


def clean_name(name, where):
    """Returns a class name as text of one line.

    Line breaks and tabs become one space, spaces around it go, and two halves of a character outside the basic plane,
    as JSON and YAML escape it, become that character.

    Args:
        name: text, or a number that YAML has made of it.
        where: what a message begins with.

    Raises:
        InputError: nothing but spaces, control characters, or half a character.

    Example: " traffic\\nlight" gives "traffic light".
    """
    text = str(name) if isinstance(name, (str, int, float)) else ""
    if not text.isprintable():
        try:
            text = text.encode("utf-16", "surrogatepass").decode("utf-16")
        except UnicodeDecodeError:
            raise InputError(f"{where}: the class name {name!r} holds half a character. Expected Unicode. Correct it.") from None
        if any(letter.isspace() and (letter < " " or unicodedata.category(letter) in BREAKS) for letter in text):
            text = " ".join(text.split())
        if any(unicodedata.category(letter) == "Cc" for letter in text):
            raise InputError(f"{where}: the class name {name!r} holds a control character. Expected plain text. Remove it.")
    text = text.strip()
    if not text:
        raise InputError(f"{where}: {name!r} is no class name. Expected text. Write a name.")
    return text


def clean_names(names, where):
    """Returns class names in their order, each by `clean_name`."""
    return tuple(clean_name(name, where) for name in names)
