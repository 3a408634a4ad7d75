"""Yes or no as a label file states it (VOC difficult, COCO iscrowd), in the many ways in which tools write them."""

YES, NO = {"1", "true", "yes"}, {"0", "false", "no", "", "none", "null", "unspecified"}


def stated_flag(value):
    """Returns whether a value says yes; one that says nothing says no.

    Yes are 1, 1.0, true, "1", "1.0", "True", "yes"; no are 0 and the like, null, "Unspecified" and empty text.

    Raises:
        ValueError: anything else, such as 2, "maybe" or a list.
    """
    if type(value) is int and 0 <= value <= 1:  # nearly all there are
        return value == 1
    text = "" if value is None else str(value).strip().lower().removesuffix(".0")
    if text in YES:
        return True
    if text in NO:
        return False
    raise ValueError(f"{value!r} is neither yes nor no. Expected 1 or 0.")
