"""YOLO text labels: rows, lists, the images to labels swap."""

import numpy as np
import pytest
from three_images import write_image

from yolo_tf.errors import InputError
from yolo_tf.sources import read_dataset, read_source


@pytest.fixture
def dataset_of(tmp_path):
    """Returns a function: label text of one image of 30 x 50 px -> its DetectionDataset."""

    def read(text, **options):
        write_image(tmp_path / "images", "one", (30, 50))
        (tmp_path / "labels").mkdir(exist_ok=True)
        (tmp_path / "labels/one.txt").write_bytes(text if isinstance(text, bytes) else text.encode())
        (tmp_path / "data.yaml").write_text("train: images\nnames: [a, b]\n")
        return read_dataset(read_source(tmp_path / "data.yaml"), "train", **options)

    return read


def test_a_row_is_centre_and_size_in_fractions(dataset_of):
    record = dataset_of("1 0.5 0.4 0.2 0.6\n").records[0]
    # Centre (25, 12), size (10, 18).
    np.testing.assert_allclose(record.boxes, [[20, 3, 30, 21]], atol=1e-5)
    assert record.class_ids.tolist() == [1]


def test_a_polygon_becomes_its_bounding_box(dataset_of):
    record = dataset_of("0 0.2 0.5 0.6 0.1 0.4 0.9\n1.0 0.5 0.5 0.5 0.5\n").records[0]
    np.testing.assert_allclose(record.boxes, [[10, 3, 30, 27], [12.5, 7.5, 37.5, 22.5]], atol=1e-5)
    assert record.class_ids.tolist() == [0, 1]


@pytest.mark.parametrize("text", ["", "\n  \n", b"\xef\xbb\xbf"])
def test_an_empty_label_file_is_background(dataset_of, text):
    dataset = dataset_of(text)
    assert (len(dataset.records), dataset.num_boxes, dataset.problems) == (1, 0, ())


BAD = [
    ("0 0.5 0.5 0.2", r"4 columns\. Expected 5 \(class x y width height\) or a class and 3 or more points"),
    ("0 0.5 0.5 0.2 0.2 0.9", r"6 columns"),
    ("0 .1 .1 .2 .2 .3 .3 .4", r"8 columns"),
    ("cat 0.5 0.5 0.2 0.2", r"'cat 0\.5 0\.5 0\.2 0\.2' is not all numbers"),
    ("0.5 0.5 0.5 0.2 0.2", r"class id 0\.5 is no whole number"),
    ("nan 0.5 0.5 0.2 0.2", r"class id nan is no whole number"),
    ("0 nan 0.5 0.2 0.2", r"not finite"),
    ("0 0.5 0.5 inf 0.2", r"not finite"),
    ("0 25 15 10 6", r"coordinate 25 is no fraction of the image\. Expected 0\.\.1\. Divide pixels by width and height"),
    ("2 0.5 0.5 0.2 0.2", r"class id 2 is out of range\. Expected 0\.\.1 for \['a', 'b'\]"),
    ("0 0.5 0.5 0 0.2", r"has no area"),
    ("0 0.5 0.5 -0.2 0.2", r"has no area"),
    ("0 0.95 0.5 0.3 0.2", r"reaches outside the image"),
    ("0 .1 .1 .2 .1 .3 .1", r"has no area"),
]


@pytest.mark.parametrize(("row", "message"), BAD)
def test_bad_rows(dataset_of, row, message):
    text = f"1 0.5 0.4 0.2 0.6\n\n{row}\n"
    with pytest.raises(InputError, match=r"labels/one\.txt:3: .*" + message):
        dataset_of(text)
    dataset = dataset_of(text, strict=False)
    assert dataset.num_boxes == 1
    assert len(dataset.problems) == 1 and "labels/one.txt:3: " in dataset.problems[0]


def test_a_repeated_row_is_counted_but_does_not_stop(dataset_of):
    dataset = dataset_of("0 0.5 0.5 0.2 0.2\n0 0.5 0.5 0.2 0.2\n")
    assert dataset.num_boxes == 1
    assert len(dataset.problems) == 1 and "one.txt:2: repeats an earlier label" in dataset.problems[0]


def test_binary_labels(dataset_of):
    with pytest.raises(InputError, match=r"one\.txt: is text in UTF-16\. Expected UTF-8\. Save it again as UTF-8"):
        dataset_of(b"\xff\xfe0\x00")


def test_lists_directories_and_lists_of_them(tmp_path):
    for folder, name in (("images/x", "a"), ("images/x", "b"), ("images/y", "a"), ("images/y", "c")):
        write_image(tmp_path / folder, name, (30, 50))
    (tmp_path / "labels/y").mkdir(parents=True)
    (tmp_path / "labels/y/c.txt").write_text("0 0.5 0.5 0.2 0.2\n")
    (tmp_path / "lists").mkdir()
    # Relative to the list, relative to the root, absolute; one image of x once more.
    (tmp_path / "lists/y.txt").write_text(f"../images/y/c.png\nimages/y/a.png\n\n{tmp_path / 'images/x/a.png'}\n")
    (tmp_path / "data.yaml").write_text("train: [images/x, lists/y.txt]\nval: lists/y.txt\nnames: [a]\n")
    source = read_source(tmp_path / "data.yaml")
    dataset = read_dataset(source, "train")
    assert [record.image_id for record in dataset.records] == ["images/x/a.png", "b", "c", "images/y/a.png"]
    assert [len(record.boxes) for record in dataset.records] == [0, 0, 1, 0]
    assert len(dataset.problems) == 1 and "a.png: is listed twice in the train split" in dataset.problems[0]
    assert [record.image_id for record in read_dataset(source, "val").records] == ["c", "images/y/a.png", "images/x/a.png"]


def test_whole_set_errors(tmp_path):
    write_image(tmp_path / "images", "one", (30, 50))
    yaml_path = tmp_path / "data.yaml"
    yaml_path.write_text("train: images\nval: images/one.png\nnames: [a]\n")
    source = read_source(yaml_path)
    with pytest.raises(InputError, match=r"not one of 1 images has a label file\. Expected .*labels/one\.txt for .*one\.png"):
        read_dataset(source, "train")
    with pytest.raises(InputError, match=r"val: 'images/one\.png' is no directory and no \.txt list"):
        read_dataset(source, "val")
    yaml_path.write_text("train: images\n")
    with pytest.raises(InputError, match=r"no class names\. Expected `names: \[a, b, …\]`"):
        read_dataset(read_source(yaml_path), "train")
    (tmp_path / "list.txt").write_text("gone.png\n")
    (tmp_path / "gone.txt").write_text("")
    yaml_path.write_text("train: list.txt\nnames: [a]\n")
    with pytest.raises(InputError, match=r"gone\.png: does not exist\. Expected an image"):
        read_dataset(read_source(yaml_path), "train")
