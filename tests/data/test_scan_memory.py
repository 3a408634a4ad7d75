"""What is remembered is true, whoever writes, wherever a process was killed, whatever became of its files."""

import dataclasses
import os
import threading
from pathlib import Path

import numpy as np
import pytest

from yolo_tf.data import scan_memory
from yolo_tf.data.scan_memory import NOT_KEPT, SUFFIX, image_keys, read_memory, remember


@pytest.fixture(autouse=True)
def settled(monkeypatch):
    """Files of this moment count as old ones."""
    monkeypatch.setattr(scan_memory, "SETTLED_NS", 0)


def numbers(*values):
    return np.array(values, np.uint64)


def test_keys_come_back_sorted_and_once_and_small_on_the_disk(tmp_path):
    memory = remember(read_memory(tmp_path / "scans"), numbers(2**64 - 3, 5, 5, NOT_KEPT, 9))
    assert memory.keys.tolist() == [5, 9, 2**64 - 3] and memory.notes == ()
    assert [path.stat().st_size for path in memory.files] == [16 + 3 * 8]
    again = read_memory(tmp_path / "scans")
    assert again.keys.dtype == np.uint64 and again.keys.tolist() == [5, 9, 2**64 - 3] and again.files == memory.files
    assert remember(again, numbers(9)) is again, "nothing new: nothing is written"


def test_what_two_processes_find_at_once_is_there_afterwards(tmp_path):
    remember(read_memory(tmp_path), numbers(1))
    first, second = read_memory(tmp_path), read_memory(tmp_path)
    first, second = remember(first, numbers(2)), remember(second, numbers(3))
    second = remember(second, numbers(4))
    together = read_memory(tmp_path)
    assert together.keys.tolist() == [1, 2, 3, 4] and set(together.files) == {*first.files, *second.files}
    assert remember(together, numbers(5)).keys.tolist() == [1, 2, 3, 4, 5]
    assert len(list(tmp_path.iterdir())) == 1, "what was read is not kept twice"


def test_many_writers_at_once_lose_nothing_but_time(tmp_path):
    """Whoever reads while another cleans up may miss keys that it will find again; what is there is always true."""

    def work(number):
        for step in range(1, 6):
            remember(read_memory(tmp_path), numbers(number * 10 + step))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    true = {number * 10 + step for number in range(1, 5) for step in range(1, 6)}
    memory = read_memory(tmp_path)
    assert memory.notes == () and set(memory.keys.tolist()) <= true
    assert len(memory.keys) >= 5, "the last one to write had read all of its own"


@pytest.mark.parametrize(
    "damage",
    [
        lambda contents: contents[:-3],
        lambda contents: contents[:-8],
        lambda contents: contents[:20] + bytes([contents[20] ^ 1]) + contents[21:],
        lambda contents: bytes([contents[0] ^ 1]) + contents[1:],
        lambda contents: bytes(len(contents)),
        lambda contents: b"",
        lambda contents: contents + contents,
    ],
    ids=["cut", "cut between keys", "a bit of a key", "a bit of the digest", "zeros", "empty", "twice"],
)
def test_a_damaged_file_is_thrown_away_with_one_line(tmp_path, damage):
    (path,) = remember(read_memory(tmp_path), numbers(1, 2, 3)).files
    kept = remember(read_memory(tmp_path / "other"), numbers(7)).files[0].rename(tmp_path / f"other{SUFFIX}")
    path.write_bytes(damage(path.read_bytes()))
    memory = read_memory(tmp_path)
    assert memory.keys.tolist() == [7] and not path.exists() and kept.exists()
    assert memory.notes == (f"{path}: damaged, and removed: the images that it had as whole are looked at again",)
    assert read_memory(tmp_path).notes == (), "said once"


def test_a_process_killed_while_it_writes_leaves_nothing_for_long(tmp_path, monkeypatch):
    remember(read_memory(tmp_path), numbers(1))
    (tmp_path / f".x{SUFFIX}.a.partial").mkdir()
    (tmp_path / f".x{SUFFIX}.a.partial" / f"x{SUFFIX}").write_bytes(b"half")
    memory = read_memory(tmp_path)
    assert memory.keys.tolist() == [1] and memory.notes == ()
    remember(memory, numbers(2))
    assert list(tmp_path.glob(".*")), "another may be writing it"
    os.utime(tmp_path / f".x{SUFFIX}.a.partial", (0, 0))
    remember(read_memory(tmp_path), numbers(3))
    assert not list(tmp_path.glob(".*")) and read_memory(tmp_path).keys.tolist() == [1, 2, 3]


def test_a_place_that_cannot_be_written_is_one_line_and_no_error(tmp_path):
    (tmp_path / "file").write_text("no directory")
    memory = read_memory(tmp_path / "file" / "scans")
    assert memory.notes == ()
    told = remember(memory, numbers(1))
    assert told.directory is None and len(told.notes) == 1
    assert told.notes[0].startswith(f"{tmp_path}/file/scans: which images are whole cannot be kept there (Not a directory)")
    assert told.notes[0].endswith("Set YOLO_TF_CACHE to a directory that can be written")
    assert remember(told, numbers(2)) is told, "tried once"


def test_a_disk_that_is_full_leaves_what_was_there(tmp_path, monkeypatch):
    before = remember(read_memory(tmp_path), numbers(1))

    def full(path, contents):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    told = remember(before, numbers(2))
    assert "No space left on device" in told.notes[0] and [*tmp_path.iterdir()] == [*before.files]
    assert read_memory(tmp_path).keys.tolist() == [1]


def test_there_is_a_most_and_then_the_present_data_set_stays(tmp_path, monkeypatch):
    monkeypatch.setattr(scan_memory, "MOST", 4)
    memory = remember(read_memory(tmp_path), numbers(1, 2, 3))
    assert remember(memory, numbers(3, 8)).keys.tolist() == [1, 2, 3, 8]
    assert remember(read_memory(tmp_path), numbers(9, 3, NOT_KEPT)).keys.tolist() == [3, 9]


def test_what_is_not_whole_after_all_is_forgotten(tmp_path):
    memory = remember(read_memory(tmp_path), numbers(1, 2, 3))
    assert remember(memory, numbers(1, 4), forget=numbers(2, 77)).keys.tolist() == [1, 3, 4]
    assert read_memory(tmp_path).keys.tolist() == [1, 3, 4]


def key_of(record):
    return image_keys([record])[0]


def test_a_key_is_that_of_the_file_and_the_record(dataset_of, tmp_path):
    """Through links, from any directory and in any company it is the same; everything that decides the answer changes it."""
    first, second = dataset_of([(32, 48), (32, 48)]).records
    key = key_of(first)
    assert key != NOT_KEPT and key != key_of(second)
    assert image_keys([second, first]).tolist() == [key_of(second), key]
    (tmp_path / "linked").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "link.png").symlink_to(first.path)
    assert key_of(dataclasses.replace(first, path=str(tmp_path / "linked" / "000.png"))) == key
    assert key_of(dataclasses.replace(first, path=str(tmp_path / "link.png"), image_id="b")) == key
    for change in (dict(height=33), dict(width=47), dict(orientation=1), dict(orientation=6), dict(byte_offset=0)):
        assert key_of(dataclasses.replace(first, **change)) != key, change


def test_whatever_happens_to_a_file_changes_its_key(dataset_of, tmp_path):
    (record,) = dataset_of([(32, 48)]).records
    seen = [key_of(record)]
    state = os.stat(record.path)
    os.utime(record.path, ns=(state.st_atime_ns, state.st_mtime_ns + 1))
    seen.append(key_of(record))
    contents = bytearray(Path(record.path).read_bytes())
    contents[60] ^= 1
    with open(record.path, "r+b") as file:  # as many bytes at the same place, and the time set back
        file.write(contents)
    os.utime(record.path, ns=(state.st_atime_ns, state.st_mtime_ns + 1))
    seen.append(key_of(record))
    with open(record.path, "ab") as file:
        file.write(b"more")
    seen.append(key_of(record))
    os.replace(record.path, tmp_path / "moved.png")
    assert key_of(record) == NOT_KEPT
    seen.append(key_of(dataclasses.replace(record, path=str(tmp_path / "moved.png"))))
    assert len(set(seen)) == len(seen) and NOT_KEPT not in seen


def test_a_file_of_this_moment_or_of_none_is_not_kept(dataset_of, monkeypatch, tmp_path):
    (record,) = dataset_of([(32, 48)]).records
    monkeypatch.setattr(scan_memory, "SETTLED_NS", 10**12)
    assert key_of(record) == NOT_KEPT
    monkeypatch.setattr(scan_memory, "SETTLED_NS", 0)
    assert key_of(record) != NOT_KEPT
    for path in (tmp_path, tmp_path / "none.png", tmp_path / "a\0b.png"):
        assert key_of(dataclasses.replace(record, path=str(path))) == NOT_KEPT


def test_another_decoder_believes_nothing_of_this_one(dataset_of, monkeypatch):
    (record,) = dataset_of([(32, 48)]).records
    key = key_of(record)
    monkeypatch.setattr("tensorflow.__version__", "0.1")
    assert key_of(record) != key
