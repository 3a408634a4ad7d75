"""One line that says how far a long run is."""

import time

EVERY = 0.5  # seconds between two updates, at least
WIDTH = 30  # characters of the bar


def progress_bar(total):
    """Returns a function (images done) that rewrites one line; call it behind every batch."""
    first = shown = began = None

    def show(done):
        nonlocal first, shown, began
        now = time.perf_counter()
        if first is None:
            first, began = done, now  # the speed is that behind the first batch
        if done < total and shown is not None and now - shown < EVERY:
            return
        shown = now
        filled = WIDTH * done // total
        rest = ""
        if done > first:
            speed = (done - first) / (now - began)
            rest = f", {speed:.1f} images/s, {(total - done) / speed:.0f} s left"
        print(f"\r[{'=' * filled}{' ' * (WIDTH - filled)}] {done}/{total} images{rest}  ", end="", flush=True)
        if done == total:
            print()

    return show
