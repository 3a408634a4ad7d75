"""The size of an image as its label file states it, in the many ways in which tools say a number or nothing."""

import math

NOT_KNOWN = {"", "none", "null", "nan", "unknown"}


def stated_size(height, width):
    """Returns (height, width) px as stated; None where one of them is not known: absent, null, "None", 0 or below.

    Whole numbers count as such however they are written: 96, 96.0, "96", "96.0". Anything else is returned as it is, and
    so is no size that an image has.
    """
    sides = tuple(map(_side, (height, width)))
    return None if None in sides else sides


def _side(value):
    text = "" if value is None else str(value).strip()
    if text.lower() in NOT_KNOWN:
        return None
    try:
        number = float(text)
    except ValueError:
        return text
    if math.isnan(number) or number <= 0:
        return None
    return int(number) if number.is_integer() else number
