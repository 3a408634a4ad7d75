"""Which files are images, and what the network gets of them."""

import numpy as np
import pytest
from PIL import Image

from yolo_tf.errors import InputError
from yolo_tf.inference.frames.files import InputImage, list_images, read_inputs
from yolo_tf.pictures.generated_images import generated_images
from yolo_tf.sources import image_files
from yolo_tf.system.image_formats import IMAGE_SUFFIXES
from yolo_tf.system.image_walk import walk_images


@pytest.fixture
def folder(tmp_path):
    for name in ("b.jpg", "a.PNG", "notes.md", "deep/c.jpeg", "[x]/d.bmp"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"")
    return tmp_path


def test_files_directories_and_globs(folder):
    def names(*sources):
        return [str(path.relative_to(folder)) for path in list_images([f"{folder}/{source}" for source in sources])]

    assert names("") == ["a.PNG", "b.jpg"]
    assert names("deep", "b.jpg", "") == ["deep/c.jpeg", "b.jpg", "a.PNG"]  # each once
    assert names("**") == ["[x]/d.bmp", "a.PNG", "b.jpg", "deep/c.jpeg"]
    assert names("*.jpg", "notes.md") == ["b.jpg", "notes.md"]  # what is named is tried
    assert names("[x]", "[x]/d.bmp") == ["[x]/d.bmp"]  # no pattern where such a path exists


@pytest.mark.parametrize("suffix", IMAGE_SUFFIXES)
def test_a_directory_gives_every_format_that_readers_take(suffix, tmp_path):
    path = tmp_path / f"a{suffix}"
    Image.fromarray(np.full([32, 48, 3], 90, np.uint8)).save(path)
    assert list_images([tmp_path]) == list(walk_images(tmp_path).images) == [path]
    (one,) = read_inputs([path], image_size=(32, 48), rect=False, ahead=0)
    assert image_files.read_image_size(path) == one.stored.shape[:2] == (32, 48)
    assert np.abs(one.pixels.astype(int) - 90).max() <= 2  # grey all over, but for what a lossy format makes of it


def test_a_list_names_images_from_where_it_lies_or_from_here(folder, monkeypatch):
    monkeypatch.chdir(folder / "deep")
    named = ("b.jpg", "", " deep/c.jpeg ", "c.jpeg", f"{folder}/a.PNG", "none.jpg")
    (folder / "list.TXT").write_text("\n".join(named) + "\n")
    found = [str(path) for path in list_images([folder / "list.TXT", folder / "b.jpg"])]
    assert found == [f"{folder}/b.jpg", f"{folder}/deep/c.jpeg", "c.jpeg", f"{folder}/a.PNG", "none.jpg"]
    (folder / "list.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="list.txt: is text in UTF-16. Expected UTF-8. Save it again as UTF-8"):
        list_images([folder / "list.txt"])


@pytest.mark.parametrize("source", ["none.jpg", "*.gif", "empty", "empty.txt"])
def test_sources_without_images(source, folder):
    (folder / "empty").mkdir()
    (folder / "empty.txt").write_text("\n")
    with pytest.raises(InputError, match="stands for no image. Expected.* a glob of .bmp, .gif, .* or a .txt list of paths"):
        list_images([folder / "b.jpg", folder / source])


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    """4 images of several shapes; number 2 does not decode, number 3 is missing."""
    folder = tmp_path_factory.mktemp("images")
    for index, image in enumerate(generated_images((96, 160), count=4, seed=3)):
        Image.fromarray(image[: 96 - 5 * index, 7 * index :]).save(folder / f"{index}.png")
    found = sorted(folder.iterdir())
    found[2].write_bytes(found[2].read_bytes()[:300])
    found[3].unlink()
    return found


@pytest.mark.parametrize("rect", [False, True])
def test_one_after_the_other_gives_the_same_and_the_image_itself(rect, paths):
    ahead = list(read_inputs(paths, image_size=(160, 160), rect=rect, ahead=2))
    alone = list(read_inputs(paths, image_size=(160, 160), rect=rect, ahead=0))
    for index in (0, 1):
        np.testing.assert_array_equal(ahead[index].pixels, alone[index].pixels)
        assert alone[index].pixels.shape == ((96 if rect else 160), 160, 3) and alone[index].pixels.dtype == np.uint8
        for one, other in zip(ahead[index].letterbox, alone[index].letterbox, strict=True):
            np.testing.assert_array_equal(one, other)
        with Image.open(paths[index]) as picture:
            np.testing.assert_array_equal(alone[index].stored, picture)
        assert ahead[index].stored is None
    for found in (ahead, alone):
        assert len(found) == 4 and "2.png: the image does not decode" in str(found[2]) and "3.png: no such" in str(found[3])


def test_none_is_read_before_it_is_asked_for(paths, tmp_path):
    late = tmp_path / "late.png"
    inputs = read_inputs([paths[0], late], image_size=(96, 160), rect=False, ahead=0)
    assert next(inputs).stored.shape == (96, 160, 3)
    late.write_bytes(paths[1].read_bytes())
    assert next(inputs).stored.shape == (91, 153, 3)


def test_reading_keeps_the_order_and_a_passing_fault_costs_nothing(paths, monkeypatch):
    from yolo_tf.inference.frames import files

    many = [paths[number % 2] for number in range(200)] + [paths[3]] * 2
    monkeypatch.setattr(files, "read_image", lambda path: np.full([96, 160, 3], 7, np.uint8))
    found = list(read_inputs(many, image_size=(96, 160), rect=False, ahead=4))
    assert len(found) == 202 and all(isinstance(image, InputImage) for image in found)
    heights = [int(image.letterbox.original_size[0]) for image in found]
    assert heights == [96 - 5 * (number % 2) for number in range(200)] + [96, 96]
    assert (found[-1].pixels == 7).all() and found[0].pixels.dtype == np.uint8
