"""How far a loop is: a moving line for a person, a few plain ones for a file."""

import pytest

from yolo_tf.terminal import progress, sent_to


@pytest.fixture
def told(monkeypatch):
    """Returns what is written for (second, images done) of a loop that begins at second 0."""

    def tell(steps, *, total, moves, label=""):
        lines, now = [], iter([0.0, *(second for second, _ in steps)])
        monkeypatch.setattr(progress.time, "perf_counter", lambda: next(now))
        monkeypatch.setattr(progress, "is_terminal", lambda: moves)
        with sent_to(lines.append):
            show = progress.progress_bar(total, label=label)
            for _, done in steps:
                show(done)
        return lines

    return tell


def test_the_moving_line(told, capsys):
    assert told([(1, 50), (1.2, 60), (3, 70), (5, 100)], total=100, moves=True) == []
    shown = capsys.readouterr().out
    first, third, last = shown.strip("\r\n").split("\r")  # the second comes too early to be shown
    assert first.strip() == f"[{'=' * 15}{' ' * 15}] 50/100 images"
    assert third.strip() == f"[{'=' * 21}{' ' * 9}] 70/100 images, 10.0 images/s, 3 s left"
    assert last.strip() == f"[{'=' * 30}] 100/100 images, 12.5 images/s"
    assert len(last) >= len(third), "nothing of the line before is left"
    assert shown.count("\n") == 1 and shown.endswith("\n")


def test_a_short_loop_says_its_end_alone(told, capsys):
    assert told([(1, 1), (2, 2), (3, 4)], total=4, moves=False, label="train: ") == ["train: 4/4 images, 1.5 images/s"]
    assert told([(7, 3)], total=3, moves=False) == ["3/3 images"], "one batch has no speed"
    assert capsys.readouterr().out == ""


def test_a_long_loop_says_about_every_tenth(told):
    steps = [(second, 2 * second) for second in range(1, 501)]  # 1000 images
    lines = told(steps, total=1000, moves=False)
    assert len(lines) == 10 and lines[0] == "100/1000 images, 2.0 images/s, 450 s left"
    assert lines[-1] == "1000/1000 images, 2.0 images/s"
    quick = told([(second, 20 * second) for second in range(1, 51)], total=1000, moves=False)
    assert [line.split("/")[0] for line in quick] == ["200", "400", "600", "800", "1000"], "ten seconds apart at least"
