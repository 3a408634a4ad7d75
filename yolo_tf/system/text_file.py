"""Text files of users: UTF-8 with or without a mark in front; another encoding is refused in one line that says so."""

import codecs
import os
import re
from pathlib import Path

from yolo_tf.errors import InputError
from yolo_tf.system.file_lookup import is_device

# What the first bytes of other encodings are; the mark of UTF-32 begins with that of UTF-16.
MARKS = {codecs.BOM_UTF32_LE: "UTF-32", codecs.BOM_UTF32_BE: "UTF-32"}
MARKS |= {codecs.BOM_UTF16_LE: "UTF-16", codecs.BOM_UTF16_BE: "UTF-16"}
OF_SHELL = ("/dev/", "/proc/")  # where pipes are that <(command) gives
LINE_ENDS = re.compile("\r\n|\n|\r")  # no others: a path may hold U+2028 or a form feed


def read_text(path, *, expected="a text file"):
    """Returns the text of a file in UTF-8, without the mark that Windows editors put in front.

    Raises:
        InputError: no such file, one that cannot be read, where a message says what was `expected`, a device or a pipe, or
            another encoding.
    """
    return decode_text(read_bytes(path, expected=expected), path)


def read_bytes(path, *, expected="a text file"):
    """Returns the content of a file; raises as `read_text` where it cannot be read, or is a device or a pipe in a folder.

    Such a file would be waited for, or never end. A pipe of the shell is taken, as <(command) gives one.
    """
    try:
        if is_device(path) and not (str(path) == os.devnull or str(path).startswith(OF_SHELL) and Path(path).is_fifo()):
            raise InputError(f"{path}: is a device or a named pipe. Expected {expected}. Remove it, or check the path.")
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}). Expected {expected}. Check the path.") from error


def read_lines(path):
    """Returns the lines of `read_text`, without their ends."""
    return LINE_ENDS.split(read_text(path))


def decode_text(data, path):
    """Returns the text that the bytes `data` of the file `path` are; see `read_text`."""
    for mark, encoding in MARKS.items():
        if data.startswith(mark):
            raise InputError(f"{path}: is text in {encoding}. Expected UTF-8. Save it again as UTF-8.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"{path}:{line}: byte {data[error.start]:#04x} is no text in UTF-8. Expected UTF-8. Save it again as UTF-8."
        ) from error
    if "\0" in text:
        raise InputError(f"{path}: holds zero bytes, as UTF-16 and binary files do. Expected UTF-8. Save it again as UTF-8.")
    return text
