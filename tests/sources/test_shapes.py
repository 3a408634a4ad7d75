"""The generated data set: deterministic, exact boxes, painted once."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from yolo_tf.errors import InputError
from yolo_tf.sources import read_dataset, read_source, shape_painting
from yolo_tf.sources.shape_painting import CLASS_NAMES, paint_scene


@pytest.fixture
def source_of(tmp_path):
    def read(folder="shapes", **options):
        lines = {"format": "shapes", "path": folder, "train": 6, "val": 3, "image_size": 160, **options}
        (tmp_path / "data.yaml").write_text("".join(f"{key}: {value}\n" for key, value in lines.items()))
        return read_source(tmp_path / "data.yaml")

    return read


def files_of(source):
    return {path.relative_to(source.path): path.read_bytes() for path in source.path.rglob("*") if path.is_file()}


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(source_of):
    first, again, other = source_of("a"), source_of("b"), source_of("c", seed=1)
    for source in (first, again, other):
        read_dataset(source, "train")
    assert files_of(first) == files_of(again)
    images = [path for path in files_of(first) if path.suffix == ".jpg"]
    assert len(images) == 9
    assert all(files_of(first)[path] != files_of(other)[path] for path in images)
    assert len({files_of(first)[path] for path in images}) == 9  # train and val share no picture


def test_it_is_painted_once_and_anew_when_an_option_changes(source_of):
    source = source_of()
    dataset = read_dataset(source, "train")
    assert (len(dataset.records), dataset.class_names, dataset.problems) == (6, CLASS_NAMES, ())
    before = {path: os.stat(source.path / path).st_mtime_ns for path in files_of(source)}
    assert len(read_dataset(source, "val").records) == 3
    assert {path: os.stat(source.path / path).st_mtime_ns for path in files_of(source)} == before
    pictures = files_of(source)
    changed = source_of(train=8)
    assert len(read_dataset(changed, "train").records) == 8
    after = files_of(changed)
    assert [path for path in pictures if after[path] != pictures[path]] == [Path("shapes.json")]  # the first pictures stay
    assert len(after) == len(pictures) + 4  # two more, with their labels


def test_what_was_written_is_a_yolo_data_set(source_of):
    source = source_of()
    dataset = read_dataset(source, "train")
    again = read_dataset(read_source(source.path / "data.yaml"), "train")
    assert again.class_names == CLASS_NAMES
    for one, other in zip(dataset.records, again.records, strict=True):
        np.testing.assert_array_equal(one.boxes, other.boxes)


def test_sides_vary_around_the_image_size(source_of):
    sizes = {(record.height, record.width) for record in read_dataset(source_of(train=20), "train").records}
    assert len(sizes) == 20
    assert all(120 <= side < 200 for size in sizes for side in size)


def test_boxes_frame_what_is_seen(monkeypatch):
    """Paints every shape in a flat colour of its own on black, and looks for the colours."""
    painted = []

    def flat_background(rng, height, width):
        painted.clear()
        return np.zeros((height, width, 3), np.float32)

    def flat_shape(rng, image, mask, place, hue):
        x, y = place
        painted.append(len(painted) + 1)
        rows, columns = np.nonzero(mask >= 0.5)
        inside = (rows + y >= 0) & (rows + y < image.shape[0]) & (columns + x >= 0) & (columns + x < image.shape[1])
        image[rows[inside] + y, columns[inside] + x] = 20 * painted[-1]

    monkeypatch.setattr(shape_painting, "_paint_background", flat_background)
    monkeypatch.setattr(shape_painting, "_paint_shape", flat_shape)
    monkeypatch.setattr(shape_painting, "_add_grain", lambda rng, image: image.astype(np.uint8))
    seen = 0
    for seed in range(20):
        image, boxes, class_ids = paint_scene(np.random.default_rng(seed), height=230, width=310, max_objects=8)
        assert image.shape == (230, 310, 3) and len(boxes) == len(class_ids) == len(painted)
        for number, box in enumerate(boxes, start=1):
            rows, columns = np.nonzero(image[..., 0] == 20 * number)
            np.testing.assert_array_equal(box, [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
            seen += 1
    assert seen > 60


def test_no_shape_is_mostly_hidden_and_sizes_spread():
    sides = []
    for seed in range(40):
        _, boxes, class_ids = paint_scene(np.random.default_rng(seed), height=300, width=340, max_objects=8)
        sides.extend((boxes[:, 2:] - boxes[:, :2]).max(axis=1))
        assert len(boxes) <= 8 and set(class_ids.tolist()) <= set(range(5))
    assert min(sides) > 14 and max(sides) <= 162
    assert np.mean(np.array(sides) < 48) > 0.1 and np.mean(np.array(sides) > 96) > 0.1


def test_a_picture_without_shapes_is_background(monkeypatch):
    monkeypatch.setattr(shape_painting, "_find_place", lambda *_: None)
    _, boxes, class_ids = paint_scene(np.random.default_rng(0), height=100, width=120, max_objects=3)
    assert boxes.shape == (0, 4) and class_ids.shape == (0,)


def test_errors(source_of, tmp_path):
    bad = {
        r"train: got many\. Expected how many pictures, 1 or more": {"train": "many"},
        r"val: got 0\. Expected how many pictures": {"val": 0},
        r"val: got 1, 2\. Expected how many pictures": {"val": "[1, 2]"},
        r"image_size: got 20\. Expected 64 or more": {"image_size": 20},
        r"max_objects: got 0\. Expected 1 or more": {"max_objects": 0},
        r"names: got \['a'\]\. Expected \['circle', 'square', 'triangle', 'star', 'cross'\] or no line": {"names": "[a]"},
    }
    for message, options in bad.items():
        with pytest.raises(InputError, match=r"data\.yaml: " + message):
            read_dataset(source_of(**options), "train")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/photo.jpg").touch()
    (tmp_path / "mine/shapes.json").write_text("[1, 2]")  # somebody else's
    with pytest.raises(InputError, match=r"mine holds files that are no generated shapes\. Expected a new or empty directory"):
        read_dataset(source_of("mine"), "train")
    assert (tmp_path / "mine/photo.jpg").exists()


def test_a_picture_opens_at_its_stated_size(source_of):
    for record in read_dataset(source_of(), "val").records:
        with Image.open(record.path) as image:
            assert image.size == (record.width, record.height)
