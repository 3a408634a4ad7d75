"""Names and kinds of files that nobody makes on purpose: pipes, links to themselves, line breaks in names."""

import os

import pytest
from painted_sets import put, voc_xml, write, yolo_set

from yolo_tf.errors import InputError
from yolo_tf.inference.frames.files import list_images, read_inputs
from yolo_tf.sources import read_dataset, read_source
from yolo_tf.terminal import sent_to


def read(yaml_path, split="train", **options):
    return read_dataset(read_source(yaml_path), split, **options)


def odd_images(folder):
    """Makes a pipe, a device and a link to itself that are called like pictures."""
    os.mkfifo(folder / "pipe.jpg")
    os.symlink("/dev/zero", folder / "device.jpg")
    os.symlink("self.jpg", folder / "self.jpg")


def test_a_pipe_or_a_device_in_the_place_of_labels_is_not_waited_for(tmp_path):
    yaml_path = yolo_set(tmp_path)
    (tmp_path / "labels/train/001.txt").unlink()
    os.mkfifo(tmp_path / "labels/train/001.txt")
    with pytest.raises(InputError, match=r"001\.txt: is a device or a named pipe\. Expected a text file\. Remove it"):
        read(yaml_path)
    (tmp_path / "labels/train/001.txt").unlink()
    os.symlink("/dev/zero", tmp_path / "labels/train/001.txt")
    with pytest.raises(InputError, match=r"001\.txt: is a device or a named pipe"):
        read(yaml_path)
    boxes = put(1, tmp_path / "voc/a.jpg")
    write(tmp_path / "voc/a.xml", voc_xml(boxes))
    put(1, tmp_path / "voc/b.jpg")
    os.mkfifo(tmp_path / "voc/b.xml")
    write(tmp_path / "voc.yaml", "format: voc\ntrain: voc\n")
    with pytest.raises(InputError, match=r"b\.xml: is a device or a named pipe\. Expected an annotation"):
        read(tmp_path / "voc.yaml")


def test_pictures_that_are_no_files_are_counted_like_other_bad_ones(tmp_path):
    yaml_path = yolo_set(tmp_path)
    odd_images(tmp_path / "images/train")
    said = []
    dataset = read(yaml_path, on_bad_image=said.append)
    assert len(dataset.records) == 4 and len(said) == 3
    assert "device.jpg: is a device or a named pipe. Expected an image file" in said[0]
    assert "pipe.jpg: is a device or a named pipe" in said[1]
    assert "self.jpg: cannot be read (Too many levels of symbolic links). Expected an image" in said[2]
    with pytest.raises(InputError, match=r"device\.jpg: is a device"):
        read(yaml_path)


@pytest.mark.parametrize("ahead", [0, 2])
def test_predict_passes_over_them(tmp_path, ahead):
    put(1, tmp_path / "a.jpg")
    odd_images(tmp_path)
    paths = list_images([tmp_path])
    assert [path.name for path in paths] == ["a.jpg", "device.jpg", "pipe.jpg", "self.jpg"]
    found = list(read_inputs(paths, image_size=(64, 64), rect=False, ahead=ahead))
    assert found[0].pixels.shape == (64, 64, 3)
    assert all(isinstance(one, InputError) and "no such image file" in str(one) for one in found[1:])


def test_line_breaks_in_names_stay_in_one_line(tmp_path):
    yaml_path = yolo_set(tmp_path)
    bad = tmp_path / "images/train/a\nb\x1b[2J.jpg"
    bad.write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"a\\nb\\x1b\[2J\.jpg: is no image") as told:
        read(yaml_path)
    assert "\n" not in str(told.value) and "\x1b" not in str(told.value)
    put(1, bad)
    put(2, tmp_path / "images/train/c\nd.tif", kind="TIFF")
    assert not any("\n" in note for note in read(yaml_path).notes)


def test_folders_in_a_folder_are_told(tmp_path):
    for name in ("a.jpg", "one/b.jpg", "two/c.jpg"):
        put(1, tmp_path / name)
    said = []
    with sent_to(said.append):
        assert list_images([tmp_path]) == [tmp_path / "a.jpg"]
        assert len(list_images([f"{tmp_path}/**"])) == 3
    assert said == [
        f"{tmp_path}: 2 folders in it are not looked into: {tmp_path}/one, {tmp_path}/two. Give '{tmp_path}/**' for their"
        " images too."
    ]
    (tmp_path / "a.jpg").unlink()
    with pytest.raises(InputError, match=r"stands for no image\. .* 2 folders in it are not looked into"):
        list_images([tmp_path])


def test_a_list_with_a_line_of_thousands_of_characters(tmp_path):
    write(tmp_path / "list.txt", "a.jpg\n" + "x" * 5000 + "\n")
    with pytest.raises(InputError, match=r"list\.txt:2: 'x{30}…' is a line of 5000 characters, too long for a path"):
        list_images([tmp_path / "list.txt"])
    write(tmp_path / "data.yaml", "train: list.txt\nnames: [a]\n")
    with pytest.raises(InputError, match=r"list\.txt:2: 'x{30}…' is a line of 5000 characters"):
        read(tmp_path / "data.yaml")
