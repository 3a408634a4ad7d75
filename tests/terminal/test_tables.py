import pytest

from yolo_tf.terminal.tables import format_table

ROWS = [{"name": "a|b", "count": "7", "note": "2 taps"}, {"name": "longer", "count": "1,250", "note": "none"}]


def test_text_aligns_numbers_to_the_right():
    assert format_table(ROWS).splitlines() == ["name    count  note", "a|b         7  2 taps", "longer  1,250  none"]


def test_gaps_and_numbers_below_zero_leave_a_column_of_numbers():
    rows = [{"change": "-12", "count": "-"}, {"change": "", "count": "7"}, {"change": "5", "count": ""}]
    assert format_table(rows).splitlines() == ["change  count", "   -12      -", "            7", "     5"]


def test_markdown_has_a_rule_and_one_row_each():
    lines = format_table(ROWS, kind="markdown").splitlines()
    assert lines[:2] == ["| name | count | note |", "| --- | ---: | --- |"]
    assert lines[2:] == ["| a\\|b | 7 | 2 taps |", "| longer | 1,250 | none |"]


def test_a_row_without_a_column_is_a_defect():
    with pytest.raises(KeyError, match="count"):
        format_table([*ROWS, {"name": "c", "note": ""}])
