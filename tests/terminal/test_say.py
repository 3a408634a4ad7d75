"""Lines that a person reads, silenced or sent elsewhere."""

import sys

from yolo_tf.terminal import is_terminal, quiet, say, say_below_bar, sent_to


def test_lines_go_to_standard_output_or_to_whoever_listens(capsys):
    heard = []
    say("one", "two")
    with sent_to(heard.append):
        say("three")
        with sent_to(quiet):
            say("nobody hears this")
        say("four")
    say("five")
    assert heard == ["three", "four"] and capsys.readouterr().out == "one\ntwo\nfive\n"


def test_a_block_that_fails_gives_standard_output_back(capsys):
    try:
        with sent_to(quiet):
            raise ValueError
    except ValueError:
        say("heard")
    assert capsys.readouterr().out == "heard\n" and not is_terminal()


def test_a_line_goes_below_a_bar_where_there_is_one(capsys, monkeypatch):
    say_below_bar("plain")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    say_below_bar("below")
    heard = []
    with sent_to(heard.append):
        say_below_bar("listened to")
    assert capsys.readouterr().out == "plain\n\nbelow\n" and heard == ["listened to"]
