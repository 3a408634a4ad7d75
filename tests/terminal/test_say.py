"""Lines that a person reads, silenced or sent elsewhere."""

from yolo_tf.terminal import is_terminal, quiet, say, sent_to


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
