"""How far a long loop is: one line that moves where a person watches, elsewhere a few plain ones."""

import time

from yolo_tf.terminal import is_terminal, say

WIDTH = 30  # characters of the bar
MOVES = 0.5  # seconds between two moves, at least
SPEAKS = 10.0  # seconds between two plain lines, at least; and each is about another tenth


def progress_bar(total, *, label=""):
    """Returns a function (images done, images in all) that says how far a loop is; call it behind every batch.

    The line of the last image always comes, so a loop of seconds writes that alone where no person watches. `total` is
    for calls that do not say how many images there are; `label` stands before the numbers.
    """
    first = began = None
    shown, tenth = time.perf_counter(), 0

    def show(done, total=total):
        nonlocal first, began, shown, tenth
        now, moves = time.perf_counter(), is_terminal()
        starts = first is None
        if starts:
            first, began = done, now  # the speed is that behind the first batch
        due = starts or now - shown >= MOVES if moves else now - shown >= SPEAKS and 10 * done // total > tenth
        if done < total and not due:
            return
        shown, tenth = now, 10 * done // total
        text = f"{label}{done}/{total} images"
        if done > first:
            speed = (done - first) / (now - began)
            text += f", {speed:.1f} images/s" + (f", {(total - done) / speed:.0f} s left" if done < total else "")
        if moves:
            bar = "=" * (WIDTH * done // total)
            print(f"\r[{bar:<{WIDTH}}] {text:<44}", end="\n" if done == total else "", flush=True)
        else:
            say(text)

    return show
