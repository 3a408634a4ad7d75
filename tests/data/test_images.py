import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from yolo_tf.data.images import read_image, resize_image
from yolo_tf.errors import InputError


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


def test_decoding_works_inside_tf_data(dataset_of):
    from yolo_tf.data.images import decode_image

    record = dataset_of([(32, 48)]).records[0]
    images = tf.data.Dataset.from_tensors(record.path).map(lambda path: decode_image(tf.io.read_file(path)))
    np.testing.assert_array_equal(next(images.as_numpy_iterator()), read_image(record.path))
