import dataclasses
import io
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from yolo_tf.data.images import check_images, read_image, resize_image, scan_images
from yolo_tf.errors import InputError
from yolo_tf.structures import DetectionDataset


def write_gradient(path, mode="RGB", **options):
    pixels = np.stack(np.broadcast_arrays(np.arange(48)[:, None] * 5, np.arange(64)[None] * 3, 90), axis=-1).astype(np.uint8)
    Image.fromarray(pixels).convert(mode).save(path, **options)
    return pixels


@pytest.mark.parametrize("suffix, tolerance", [("png", 0), ("bmp", 0), ("jpg", 12)])
def test_read_image_gives_the_stored_rgb_pixels(tmp_path, suffix, tolerance):
    pixels = write_gradient(tmp_path / f"a.{suffix}")
    image = read_image(tmp_path / f"a.{suffix}")
    assert image.shape == (48, 64, 3) and image.dtype == np.uint8
    assert np.abs(image.astype(int) - pixels).max() <= tolerance


def test_jpeg_files_decode_to_the_pixels_that_other_libraries_see(tmp_path):
    """TensorFlow's default inverse transform is the fast one; a trained network notices (AP50 on coco128: .467, not .470)."""
    noise = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.jpg", quality=60)
    reference = np.asarray(Image.open(tmp_path / "a.jpg")).astype(int)
    assert np.abs(read_image(tmp_path / "a.jpg") - reference).max() <= 1


@pytest.mark.parametrize("mode, name", [("L", "a.png"), ("L", "a.jpg"), ("RGBA", "a.png"), ("CMYK", "a.jpg")])
def test_read_image_turns_every_mode_into_rgb(tmp_path, mode, name):
    pixels = write_gradient(tmp_path / name, mode)
    image = read_image(tmp_path / name)
    assert image.shape == (48, 64, 3)
    if mode == "L":
        assert np.ptp(image, axis=-1).max() == 0
    else:
        assert np.abs(image.astype(int) - pixels).mean() < 4


def test_read_image_takes_the_first_frame_of_an_animation(tmp_path):
    frames = [Image.fromarray(np.full((20, 30, 3), grey, np.uint8)) for grey in (40, 200)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    np.testing.assert_array_equal(read_image(tmp_path / "a.gif"), np.full((20, 30, 3), 40))


def test_resize_averages_areas_when_shrinking():
    image = np.zeros((4, 8, 3), np.uint8)
    image[0:2, 0:4] = 101  # the first cell of a 2 x 2 grid
    image[2:4, 4:6] = 100  # half of the last cell
    resized = resize_image(image, [2, 2]).numpy()
    np.testing.assert_array_equal(resized[..., 0], [[101, 0], [0, 50]])


def test_resize_interpolates_when_enlarging():
    image = np.array([0, 100], np.uint8)[None, :, None] * np.ones((1, 1, 3), np.uint8)
    np.testing.assert_array_equal(resize_image(image, [1, 4]).numpy()[0, :, 1], [0, 25, 75, 100])


def test_resize_to_the_same_size_changes_nothing():
    image = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    np.testing.assert_array_equal(resize_image(image, [5, 7]).numpy(), image)


def test_read_image_names_a_missing_file(tmp_path):
    with pytest.raises(InputError, match=r"gone\.jpg: no such image file.*Restore it or remove it"):
        read_image(tmp_path / "gone.jpg")


@pytest.mark.parametrize("keep", [0.0, 0.3, 0.9])
def test_read_image_names_a_truncated_file(tmp_path, keep):
    write_gradient(tmp_path / "a.jpg")
    whole = (tmp_path / "a.jpg").read_bytes()
    (tmp_path / "a.jpg").write_bytes(whole[: int(keep * len(whole))])
    with pytest.raises(InputError, match=r"a\.jpg: the image does not decode.*Expected JPEG, PNG.*Replace or remove it"):
        read_image(tmp_path / "a.jpg")


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


def test_decoding_works_inside_tf_data(dataset_of):
    from yolo_tf.data.images import decode_image

    record = dataset_of([(32, 48)]).records[0]
    images = tf.data.Dataset.from_tensors(record.path).map(lambda path: decode_image(tf.io.read_file(path)))
    np.testing.assert_array_equal(next(images.as_numpy_iterator()), read_image(record.path))


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
