"""Lists of files, one path a line."""

import pytest
from painted_sets import write

from yolo_tf.errors import InputError
from yolo_tf.system.path_list import read_path_list


@pytest.fixture
def folder(tmp_path):
    for name in ("obj/a.jpg", "obj/b.jpg", "here/c.jpg", "d.jpg"):
        write(tmp_path / name, "")
    return tmp_path


def test_a_path_begins_at_the_first_folder_that_has_it(folder):
    write(folder / "here/list.txt", "c.jpg\n\nobj\\a.jpg\nd.jpg\r\nnone.jpg\n")
    paths, note = read_path_list(folder / "here/list.txt", (folder / "here", folder))
    assert paths == [folder / "here/c.jpg", folder / "obj/a.jpg", folder / "d.jpg", folder / "none.jpg"] and note == ""


def test_paths_of_elsewhere_are_found_by_their_ends(folder):
    write(folder / "list.txt", "data/obj/a.jpg\ndata/obj/b.jpg\ndata/obj/gone.jpg\ndata/d.jpg\nobj/a.jpg\n")
    paths, note = read_path_list(folder / "list.txt", (folder,))
    ends = ["obj/a.jpg", "obj/b.jpg", "data/obj/gone.jpg", "data/d.jpg", "obj/a.jpg"]  # a name alone could be another's
    assert paths == [folder / end for end in ends]
    assert note == f"{folder}/list.txt: 2 paths are found by their ends alone, data/obj/a.jpg as {folder}/obj/a.jpg."
    write(folder / "list.txt", "C:\\Users\\me\\obj\\a.jpg\n/home/me/obj/b.jpg\n")
    assert read_path_list(folder / "list.txt", (folder,))[0] == [folder / "obj/a.jpg", folder.__class__("/home/me/obj/b.jpg")]
    write(folder / "list.txt", "/home/me/obj/b.jpg\n")
    assert read_path_list(folder / "list.txt", (folder,))[0] == [folder / "obj/b.jpg"]


@pytest.mark.parametrize("line", ["x" * 300, "é" * 200, "ab/" * 1700])
def test_a_line_that_no_path_can_be_is_named(folder, line):
    write(folder / "list.txt", f"d.jpg\n{line}\n")
    with pytest.raises(InputError, match=rf"list\.txt:2: '.{{30}}…' is a line of {len(line)} characters, too long for a path"):
        read_path_list(folder / "list.txt", (folder,))
