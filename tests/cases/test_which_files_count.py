"""Which pictures of a folder are read, where their labels are found, and what is said of the rest."""

import os

import numpy as np
import pytest
from painted_sets import put, write, yolo_set

from yolo_tf.errors import InputError
from yolo_tf.inference.frames.files import list_images
from yolo_tf.sources import read_dataset, read_source
from yolo_tf.terminal import sent_to


def read(yaml_path, split="train", **options):
    return read_dataset(read_source(yaml_path), split, **options)


def test_linked_folders_are_read_once_each_and_a_circle_ends(tmp_path):
    """A folder on another disk, linked below images/train, and one that is the split itself."""
    yaml_path = yolo_set(tmp_path, counts=(("train", 3), ("val", 2)))
    for index in range(5):
        boxes = put(50 + index, tmp_path / f"disk/e{index}.jpg", tmp_path / f"labels/train/extra/e{index}.txt")
        write(tmp_path / f"labels/linked/e{index}.txt", (tmp_path / f"labels/train/extra/e{index}.txt").read_text())
    os.symlink("../../disk", tmp_path / "images/train/extra")
    os.symlink("../disk", tmp_path / "images/linked")
    dataset = read(yaml_path)
    assert (len(dataset.records), dataset.num_boxes) == (8, 16)
    assert dataset.records[-1].image_id == "e4"
    np.testing.assert_allclose(dataset.records[-1].boxes, [box[1:] for box in boxes], atol=1e-3)
    assert dataset.notes == ("train: 8 images (8 with labels, 0 empty, 0 without a label file), 16 boxes",)
    os.symlink("../../disk", tmp_path / "images/train/zagain")
    os.symlink(".", tmp_path / "images/train/circle")
    os.symlink("..", tmp_path / "images/train/up")  # val lies there
    dataset = read(yaml_path)
    assert (len(dataset.records), dataset.num_boxes) == (8, 16)
    assert "train: 3 linked folders lead back to" in dataset.notes[1] and "images/train/circle, " in dataset.notes[1]
    write(tmp_path / "linked.yaml", "train: images/linked\nnames: [thing0, thing1]\n")
    assert read(tmp_path / "linked.yaml").num_boxes == 10


def test_jpeg_under_all_its_names_is_read_and_other_formats_are_named(tmp_path):
    yaml_path = yolo_set(tmp_path)
    for suffix, kind in ((".tif", "TIFF"), (".jfif", "JPEG"), (".TIFF", "TIFF"), (".jpe", "JPEG"), (".MPO", "MPO"), ("", "PNG")):
        for index in range(2):
            name = f"m{suffix[1:]}{index}"
            put(90 + index, tmp_path / f"images/train/{name}{suffix}", tmp_path / f"labels/train/{name}.txt", kind)
    dataset = read(yaml_path)
    assert (len(dataset.records), dataset.num_boxes) == (12, 24)
    assert dataset.notes[0] == "train: 12 images (12 with labels, 0 empty, 0 without a label file), 24 boxes"
    assert dataset.notes[1].startswith("train: 4 pictures of formats that are not read (.tif, .tiff) are left out: ")
    assert "mTIFF0.TIFF" in dataset.notes[1] and " and 1 more. Convert them to PNG or JPEG." in dataset.notes[1]
    assert len(dataset.notes) == 2  # the labels of these four are not said to lack an image
    for path in (tmp_path / "images/train").iterdir():
        if path.suffix.lower() not in (".tif", ".tiff"):
            path.unlink()
    with pytest.raises(InputError, match=r"has no images\. .* 4 pictures of formats that are not read \(\.tif, \.tiff\) are"):
        read(yaml_path)


def test_copies_of_tools_are_no_background(tmp_path):
    yaml_path = yolo_set(tmp_path)
    for folder in (".ipynb_checkpoints", ".thumbnails", "@eaDir/000.jpg", "__MACOSX"):
        put(7, tmp_path / f"images/train/{folder}/000.jpg")
    put(7, tmp_path / "images/train/._000.jpg")
    dataset = read(yaml_path)
    assert [record.image_id for record in dataset.records] == ["000", "001", "002", "003"]
    assert "train: 5 images that are hidden or in folders of tools are left out: " in dataset.notes[1]
    # A store that is hidden is data where a link leads to it.
    (tmp_path / "images/train/.thumbnails").rename(tmp_path / "images/train/.store")
    os.symlink(".store", tmp_path / "images/train/more")
    assert len(read(yaml_path).records) == 5


def test_labels_beside_the_pictures_where_there_is_no_folder_of_labels(tmp_path):
    paths = []
    for folder in ("a", "b/images"):
        for index in range(4):
            paths.append(tmp_path / f"{folder}/p{index}.jpg")
            put(len(paths), paths[-1], paths[-1].with_suffix(".txt"))
    write(tmp_path / "b/images/classes.txt", "thing0\nthing1\n")
    write(tmp_path / "data.yaml", "train: [a, b/images]\nval: list.txt\nnames: [thing0, thing1]\n")
    write(tmp_path / "list.txt", "".join(f"{path}\n" for path in paths))
    for split in ("train", "val"):
        dataset = read(tmp_path / "data.yaml", split)
        assert dataset.num_boxes == 16
        assert dataset.notes == (f"{split}: 8 images (8 with labels, 0 empty, 0 without a label file), 16 boxes",)


def test_labels_that_are_not_looked_for_are_named(tmp_path):
    yaml_path = yolo_set(tmp_path)
    labels = tmp_path / "labels/train"
    (labels / "000.txt").rename(tmp_path / "images/train/000.txt")
    (labels / "001.txt").write_text("")
    (labels / "002.txt").unlink()
    dataset = read(yaml_path)
    assert dataset.notes[0] == "train: 4 images (1 with labels, 1 empty, 2 without a label file), 2 boxes"
    assert dataset.notes[1].startswith("train: 1 images count as background although a label file lies beside them: ")
    assert f"images/train/000.txt (looked for in {labels})" in dataset.notes[1]
    assert len(dataset.notes) == 2


def test_labels_without_an_image_and_folders_without_labels_are_named(tmp_path):
    yaml_path = yolo_set(tmp_path, yaml="train: images\nnames: [thing0, thing1]\n")
    for index in range(1, 4):
        (tmp_path / f"images/train/{index:03d}.jpg").unlink()  # an archive that was unpacked in part
    write(tmp_path / "labels/more/x.txt", "0 .5 .5 .1 .1\n")
    write(tmp_path / "labels/train/classes.txt", "thing0\nthing1\n")  # no labels, whatever it is called
    for path in (tmp_path / "labels/val").iterdir():
        path.unlink()
    notes = read(yaml_path).notes
    assert notes[0] == "train: 3 images (1 with labels, 0 empty, 2 without a label file), 2 boxes"
    assert notes[1].startswith(f"train: 4 label files have no image in {tmp_path / 'images'}: {tmp_path / 'labels/more/x.txt'}, ")
    assert " and 1 more. Restore the images" in notes[1]
    assert notes[2].startswith(f"train: 1 folders have images and no label file: {tmp_path / 'images/val'} (looked for in ")


def test_labels_by_their_other_names(tmp_path):
    yaml_path = yolo_set(tmp_path)
    labels = tmp_path / "labels/train"
    (labels / "000.txt").rename(labels / "000.TXT")
    (labels / "001.txt").rename(labels / "001.jpg.txt")
    assert read(yaml_path).num_boxes == 8
    (tmp_path / "labels").rename(tmp_path / "Labels")
    (tmp_path / "images").rename(tmp_path / "Images")
    write(yaml_path, "train: Images/train\nnames: [thing0, thing1]\n")
    assert read(yaml_path).num_boxes == 8


def test_two_pictures_with_one_label_file_are_named(tmp_path):
    yaml_path = yolo_set(tmp_path)
    put(9, tmp_path / "images/train/000.png", kind="PNG")
    dataset = read(yaml_path)
    assert sorted(record.image_id for record in dataset.records)[-2:] == ["images/train/000.jpg", "images/train/000.png"]
    assert dataset.notes[1].startswith("train: 1 label files belong to several images, which differ in the suffix alone: ")
    assert "000.txt (2 images)" in dataset.notes[1]


def test_sources_of_predict(tmp_path):
    named = (
        ("a.webp", "WEBP"),
        ("B.JPG", "JPEG"),
        ("c.jpeg", "JPEG"),
        ("d[1].jpg", "JPEG"),
        ("e %20 #.jpg", "JPEG"),
        ("f.jfif", "JPEG"),
    )
    for name, kind in (*named, ("g", "JPEG"), ("h.tif", "TIFF"), ("@eaDir/a.jpg", "JPEG")):
        put(1, tmp_path / "photos" / name, kind=kind)
    write(tmp_path / "photos/LICENSE", "text")
    said = []
    with sent_to(said.append):
        assert len(list_images([tmp_path / "photos"])) == 7
        assert len(list_images([f"{tmp_path}/photos/**"])) == 7
    assert (
        len(said) == 3 and "1 pictures of formats that are not read (.tif)" in said[0] and "1 images that are hidden" in said[2]
    )
    write(tmp_path / "bom.txt", "photos/B.JPG\r\nphotos\\c.jpeg\r\n", "utf-8-sig")
    assert list_images([tmp_path / "bom.txt"]) == [tmp_path / "photos/B.JPG", tmp_path / "photos/c.jpeg"]
    write(tmp_path / "wide.txt", "photos/B.JPG\r\n", "utf-16")
    with pytest.raises(InputError, match=r"wide\.txt: is text in UTF-16\. Expected UTF-8"):
        list_images([tmp_path / "wide.txt"])
