"""Where label files are looked for."""

from pathlib import Path

import pytest

from yolo_tf.sources.label_check import Problems
from yolo_tf.sources.label_files import VOC_LABELS, YOLO_LABELS, find_label_files, label_path, note_labels_without_image


@pytest.fixture
def problems():
    return Problems(strict=True)


def test_label_path_swaps_the_last_images_directory():
    assert label_path(Path("/images/set/images/train/a.b.jpg"), YOLO_LABELS) == Path("/images/set/labels/train/a.b.txt")
    assert label_path(Path("/set/train/images/a.png"), YOLO_LABELS) == Path("/set/train/labels/a.txt")
    assert label_path(Path("/set/train/a.png"), YOLO_LABELS) == Path("/set/train/a.txt")
    assert label_path(Path("/set/images.png"), YOLO_LABELS) == Path("/set/images.txt")
    assert label_path(Path("/set/JPEGImages/a.png"), VOC_LABELS) == Path("/set/Annotations/a.xml")


def test_a_folder_above_images_is_no_folder_of_images_without_labels(tmp_path, problems):
    """train/images beside train/labels, and the split is train."""
    for name in ("images/a.jpg", "labels/a.txt", "labels/b.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    image = tmp_path / "images/a.jpg"
    assert find_label_files([image], "train", problems, YOLO_LABELS) == [f"{tmp_path}/labels/a.txt"]
    note_labels_without_image(tmp_path, [image], "train", problems, YOLO_LABELS)
    (note,) = problems.notes
    assert f"train: 1 label files have no image in {tmp_path}: {tmp_path}/labels/b.txt." in note


def test_images_that_do_not_exist_have_no_label_file(tmp_path, problems):
    assert find_label_files([tmp_path / "gone/images/a.jpg"], "train", problems, YOLO_LABELS) == [None]
    assert problems.without_labels == [str(tmp_path / "gone/images/a.jpg")] and problems.notes == []


def test_folders_and_links_to_nothing_that_are_called_as_labels_are_none(tmp_path, problems):
    for name in ("images", "labels/folder.txt"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "labels/gone.txt").symlink_to("nowhere")
    (tmp_path / "labels/self.txt").symlink_to("self.txt")
    note_labels_without_image(tmp_path / "images", [tmp_path / "images/a.jpg"], "train", problems, YOLO_LABELS)
    assert problems.notes == []
