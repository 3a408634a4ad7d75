"""What a person reads while the library works: lines that a caller can silence or send elsewhere."""

import contextlib
import sys

_listeners = []  # functions that get each line; the last one is in force, none = standard output


def say(*lines):
    """Says text, without its last newline, to whoever listens: as a rule standard output, at once even where that is a file."""
    for line in lines:
        if _listeners:
            _listeners[-1](line)
        else:
            print(line, flush=True)


@contextlib.contextmanager
def sent_to(listener):
    """Sends what is said inside the block to `listener`, a function of one line of text; `quiet` for nobody."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


def quiet(line):
    """A listener that takes no notice."""


def is_terminal():
    """Returns whether a person watches: lines may be rewritten, and a bar moves. Else one plain line follows another."""
    return not _listeners and sys.stdout.isatty()


def say_below_bar(line):
    """Says a line while a progress bar may stand on the current one: below the bar, or plainly where none is shown."""
    say(f"\n{line}" if is_terminal() else line)
