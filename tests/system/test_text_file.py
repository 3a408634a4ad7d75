"""Text in UTF-8, and one line for all else."""

import os

import pytest

from yolo_tf.errors import InputError
from yolo_tf.system.text_file import read_lines, read_text


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_mark_in_front_is_no_text(tmp_path, encoding):
    (tmp_path / "a.txt").write_bytes("é\r\nb\rc\u2028d\n".encode(encoding))
    assert read_text(tmp_path / "a.txt") == "é\r\nb\rc\u2028d\n"
    assert read_lines(tmp_path / "a.txt") == ["é", "b", "c\u2028d", ""]


OTHERS = {
    "utf-16": r"is text in UTF-16",
    "utf-32": r"is text in UTF-32",
    "utf-16-le": r"holds zero bytes, as UTF-16 and binary files do",
    "cp1252": r":2: byte 0xe9 is no text in UTF-8",
}


@pytest.mark.parametrize("encoding", OTHERS)
def test_another_encoding_is_refused_in_one_line(tmp_path, encoding):
    text = "a\nb" if encoding == "utf-16-le" else "a\ncafé"
    (tmp_path / "a.txt").write_bytes(text.encode(encoding))
    with pytest.raises(
        InputError, match=r"a\.txt.*" + OTHERS[encoding] + r"\. Expected UTF-8\. Save it again as UTF-8\."
    ) as caught:
        read_text(tmp_path / "a.txt")
    assert "\n" not in str(caught.value)


def test_a_pipe_of_the_shell_is_read_and_no_other(tmp_path):
    read_end, write_end = os.pipe()
    os.write(write_end, b"a\nb")
    os.close(write_end)
    assert read_lines(f"/dev/fd/{read_end}") == ["a", "b"]
    os.close(read_end)
    assert read_text(os.devnull) == ""
    os.mkfifo(tmp_path / "a.txt")
    for path in (tmp_path / "a.txt", "/dev/zero"):
        with pytest.raises(InputError, match=r"is a device or a named pipe\. Expected a text file\. Remove it"):
            read_text(path)
