"""The scan finds what does not decode, and with a memory it says the same."""

import dataclasses
import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from yolo_tf.data import image_scan, scan_memory
from yolo_tf.data.image_scan import check_images, scan_images
from yolo_tf.errors import InputError
from yolo_tf.structures import DetectionDataset


def test_check_images_passes_good_files_and_reports_progress(dataset_of):
    calls = []
    check_images(dataset_of([(32, 48), (40, 24), (16, 16)]), progress=lambda *numbers: calls.append(numbers))
    assert calls == [(1, 3), (2, 3), (3, 3)]
    check_images(DetectionDataset(class_names=("a",), records=()))


def test_check_images_names_the_first_bad_file_and_counts_the_rest(dataset_of):
    dataset = dataset_of([(32, 48), (40, 24), (16, 16), (64, 32)])
    for record in dataset.records[1:3]:
        with open(record.path, "r+b") as file:
            file.truncate(50)
    with pytest.raises(InputError, match=r"001\.png: the image does not decode.*1 more of 4 images cannot be used\.$"):
        check_images(dataset)


def test_broken_images_says_of_each_what_is_wrong(dataset_of):
    dataset = dataset_of([(32, 48), (40, 24), (16, 16), (64, 32)])
    with open(dataset.records[1].path, "r+b") as file:
        file.truncate(50)
    wrong = dataclasses.replace(dataset.records[3], width=30)
    broken = scan_images(dataclasses.replace(dataset, records=(*dataset.records[:3], wrong))).broken
    assert list(broken) == [1, 3]
    assert "001.png: the image does not decode" in broken[1]
    assert "003.png: the image is 32 x 64 px. Expected 30 x 64 px" in broken[3]
    assert scan_images(dataset_of([(32, 48)])).broken == {}


def test_check_images_finds_a_wrong_size(dataset_of):
    dataset = dataset_of([(32, 48), (40, 24)])
    wrong = dataclasses.replace(dataset.records[1], width=40, height=24)
    with pytest.raises(InputError, match=r"001\.png: the image is 24 x 40 px\. Expected 40 x 24 px, as its labels say"):
        check_images(dataclasses.replace(dataset, records=(dataset.records[0], wrong)))


def test_a_jpeg_that_was_cut_short_and_closed_again_is_named(dataset_of, tmp_path):
    """The decoder fills it up with grey and says nothing."""
    dataset = dataset_of([(64, 48)] * 3)
    pixels = np.random.default_rng(0).integers(0, 256, (64, 48, 3), np.uint8)
    contents = {}
    for number, record in enumerate(dataset.records):
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "JPEG", quality=95)
        whole = file.getvalue()
        contents[number] = whole if number == 1 else whole[: len(whole) // 2] + b"\xff\xd9"
        Path(record.path).write_bytes(contents[number])
    exif = Image.Exif()
    exif[0x0112] = 6  # so the last stored row becomes a column
    turned = io.BytesIO()
    Image.fromarray(pixels).save(turned, "JPEG", quality=95, exif=exif)
    Path(dataset.records[2].path).write_bytes(turned.getvalue()[: len(turned.getvalue()) // 2] + b"\xff\xd9")
    records = (*dataset.records[:2], dataclasses.replace(dataset.records[2], height=48, width=64, orientation=6))
    scan = scan_images(dataclasses.replace(dataset, records=records))
    assert scan.broken == {} and scan.grey_edged == (records[0].path, records[2].path)
    (note,) = scan.notes("train")
    assert note.startswith("train: 2 JPEGs have an edge of even grey (128, 128, 128), as files have that were cut short and")
    assert records[0].path in note and scan_images(dataclasses.replace(dataset, records=records[1:2])).notes("train") == ()


def test_grey_of_other_formats_is_no_sign(dataset_of):
    dataset = dataset_of([(32, 48)])
    Image.new("RGB", (48, 32), (128, 128, 128)).save(dataset.records[0].path, "PNG")
    assert scan_images(dataset).grey_edged == ()


@pytest.fixture
def looked(monkeypatch):
    """Files of this moment count as old ones; gives the list of numbers of images that each scan looks at."""
    monkeypatch.setattr(scan_memory, "SETTLED_NS", 0)
    look_at, counts = image_scan._look_at, []

    def counted(records, indices):
        counts.append(len(indices))
        return look_at(records, indices)

    monkeypatch.setattr(image_scan, "_look_at", counted)
    return counts


def damaged_set(dataset_of):
    """Of six images one is cut short, one has another size than its record says, one is gone, one is filled up with grey."""
    dataset = dataset_of([(32, 48), (40, 24), (16, 16), (64, 32), (48, 64), (24, 24)])
    records = list(dataset.records)
    with open(records[1].path, "r+b") as file:
        file.truncate(50)
    records[3] = dataclasses.replace(records[3], width=30)
    Path(records[2].path).unlink()
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)).save(file, "JPEG", quality=95)
    Path(records[4].path).write_bytes(file.getvalue()[: len(file.getvalue()) // 2] + b"\xff\xd9")
    return dataclasses.replace(dataset, records=tuple(records))


def test_a_remembered_scan_says_what_a_fresh_one_says(dataset_of, looked, tmp_path):
    dataset = damaged_set(dataset_of)
    fresh = scan_images(dataset)
    assert list(fresh.broken) == [1, 2, 3] and fresh.grey_edged == (dataset.records[4].path,) and fresh.remembered == 0
    first, second, third = (scan_images(dataset, memory=tmp_path / "scans") for _ in range(3))
    assert looked == [6, 6, 4, 4], "the two whole ones alone are remembered"
    assert first == fresh and second == third == dataclasses.replace(fresh, remembered=2)
    assert list(second.broken) == sorted(second.broken)
    assert second.notes("val")[0].startswith("val: 2 images were found whole before and have not changed since")
    assert second.notes("val")[1:] == fresh.notes("val")


def test_what_is_remembered_is_used_by_other_sets_and_not_for_what_changed(dataset_of, looked, tmp_path):
    dataset, memory = dataset_of([(32, 48), (40, 24), (16, 16), (64, 32)]), tmp_path / "scans"
    check_images(dataset, memory=memory)
    assert check_images(dataclasses.replace(dataset, records=dataset.records[2:0:-1]), memory=memory).remembered == 2
    wrong = dataclasses.replace(dataset.records[3], width=30)
    with pytest.raises(InputError, match=r"003\.png: the image is 32 x 64 px\. Expected 30 x 64 px"):
        check_images(dataclasses.replace(dataset, records=(*dataset.records[:3], wrong)), memory=memory)
    state = Path(dataset.records[1].path).stat()
    contents = bytearray(Path(dataset.records[1].path).read_bytes())
    contents[len(contents) // 2] ^= 0xFF  # as many bytes, and below the time is set back
    Path(dataset.records[1].path).write_bytes(contents)
    os.utime(dataset.records[1].path, ns=(state.st_atime_ns, state.st_mtime_ns))
    with pytest.raises(InputError, match=r"001\.png: the image does not decode"):
        check_images(dataset, memory=memory)
    assert looked == [4, 0, 1, 1]


def test_always_looks_at_all_and_forgets_what_is_no_longer_whole(dataset_of, looked, tmp_path, monkeypatch):
    """As after damage that left size and times alone."""
    dataset, memory = dataset_of([(32, 48), (40, 24), (16, 16)]), tmp_path / "scans"
    scan_images(dataset, memory=memory)
    known = scan_memory.read_memory(memory).keys
    with open(dataset.records[1].path, "r+b") as file:
        file.truncate(50)
    with monkeypatch.context() as patch:
        patch.setattr(image_scan, "image_keys", lambda records: keys)
        keys = np.array([*known[:1], known[1], known[2]], np.uint64)
        assert scan_images(dataset, memory=memory).broken == {} and looked == [3, 0]
        assert list(scan_images(dataset, memory=memory, believe=False).broken) == [1]
        assert scan_memory.read_memory(memory).keys.tolist() == known[[0, 2]].tolist()
        assert list(scan_images(dataset, memory=memory).broken) == [1] and looked == [3, 0, 3, 1]


def test_a_scan_that_is_stopped_has_kept_what_it_saw_until_then(dataset_of, looked, tmp_path, monkeypatch):
    dataset, memory = dataset_of([(16, 24)] * 5), tmp_path / "scans"
    monkeypatch.setattr(image_scan, "KEPT_EVERY", 0.0)

    def stop(done, total):
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        scan_images(dataset, stop, memory=memory)
    assert scan_images(dataset, memory=memory).remembered == 3 and looked == [5, 2]


def test_progress_is_about_what_is_looked_at_and_ends(dataset_of, looked, tmp_path):
    dataset, calls = damaged_set(dataset_of), []
    scan_images(dataset, lambda *numbers: calls.append(numbers), memory=tmp_path / "scans")
    assert calls[0] == (1, 6) and calls[-1] == (6, 6)
    calls.clear()
    scan_images(dataset, lambda *numbers: calls.append(numbers), memory=tmp_path / "scans")
    assert calls == [(1, 4), (2, 4), (4, 4)]


def test_a_memory_that_is_damaged_or_cannot_be_kept_changes_no_answer(dataset_of, looked, tmp_path):
    dataset, memory = damaged_set(dataset_of), tmp_path / "scans"
    fresh = scan_images(dataset, memory=memory)
    (path,) = memory.iterdir()
    path.write_bytes(path.read_bytes()[:-1])
    again = scan_images(dataset, memory=memory)
    assert dataclasses.replace(again, remarks=()) == fresh and looked == [6, 6]
    assert again.notes("train")[0].startswith(f"{path}: damaged, and removed")
    (tmp_path / "file").write_text("")
    nowhere = scan_images(dataset, memory=tmp_path / "file" / "scans")
    assert dataclasses.replace(nowhere, remarks=()) == fresh
    assert "file/scans: which images are whole cannot be kept there (Not a directory)" in nowhere.notes("train")[0]


def test_images_in_shards_are_remembered_one_by_one(dataset_of, looked, tmp_path):
    from yolo_tf.data.packing import pack_dataset
    from yolo_tf.sources import read_dataset, read_source

    pack_dataset(dataset_of([(32, 48), (40, 24), (16, 16)]), tmp_path / "shards", shards=1)
    (tmp_path / "data.yaml").write_text("format: tfrecord\ntrain: shards\n")
    packed = read_dataset(read_source(tmp_path / "data.yaml"), "train")
    assert scan_images(packed, memory=tmp_path / "scans").remembered == 0
    assert scan_images(packed, memory=tmp_path / "scans").remembered == 3 and looked == [3, 0]
    path = packed.records[1].path
    contents = bytearray(Path(path).read_bytes())
    contents[packed.records[1].byte_offset + 30] ^= 1
    Path(path).write_bytes(contents)
    assert list(scan_images(packed, memory=tmp_path / "scans").broken) == [1] and looked[-1] == 3, "the shard changed"
