"""Ctrl-C and SIGTERM: noted when they come, acted on where a run can be left."""

import contextlib
import os
import signal
import threading

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(KeyboardInterrupt):
    """Raised where a run stops because a signal asked for it. Like its parent it passes every `except Exception`."""

    def __init__(self, number):
        super().__init__(f"stopped by {signal.Signals(number).name}")
        self.exit_code = 128 + number  # what a shell reports for this signal: 130 or 143


@contextlib.contextmanager
def note_signals(noted):
    """Notes SIGINT and SIGTERM while the block runs, instead of stopping anywhere; a second one kills at once.

    Its number is appended to the list `noted`, which is handed to `stop_if_noted`. Python delivers signals to the main
    thread only: in any other thread nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def note(number, frame):
        noted.append(number)
        for each in SIGNALS:
            signal.signal(each, signal.SIG_DFL)
        os.write(2, b"\nstopping after this step (again: at once)\n")  # print may have been interrupted itself

    before = {number: signal.signal(number, note) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)  # None: set by something that is not Python


def stop_if_noted(noted):
    """Raises Interrupted when a signal was noted. Call it where everything is consistent."""
    if noted:
        raise Interrupted(noted[0])
