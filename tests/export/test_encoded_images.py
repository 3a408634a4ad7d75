import numpy as np
import pytest
import tensorflow as tf
from image_corpus import HEIGHT_WIDTH, huge_images, other_files, unreadable_images, whole_images

from yolo_tf.data.images import decode_image
from yolo_tf.data.letterbox import letterbox_image
from yolo_tf.export.encoded_images import EMPTY, OK, TOO_LARGE, UNKNOWN_FORMAT, UNREADABLE, letterbox_encoded

IMAGE_SIZE = (64, 96)


@pytest.fixture(scope="module")
def letterbox():
    """letterbox_encoded as a graph, as it is served: (bytes, most pixels) -> images, Letterbox, status."""
    signature = [tf.TensorSpec([None], tf.string), tf.TensorSpec([], tf.int64)]
    graph = tf.function(lambda files, most: letterbox_encoded(files, IMAGE_SIZE, max_pixels=most), input_signature=signature)
    return lambda files, most=2**26: graph(tf.constant(list(files), tf.string), tf.constant(most, tf.int64))


def test_whole_images_become_what_evaluation_makes_of_them(letterbox):
    files = whole_images()
    images, placed, status = letterbox(files.values())
    assert status.numpy().tolist() == [OK] * 13 and images.dtype == tf.uint8
    for index, (name, content) in enumerate(files.items()):
        expected, scale, offset = letterbox_image(decode_image(content), IMAGE_SIZE)
        np.testing.assert_array_equal(images[index], expected, err_msg=name)
        assert np.std(expected[:, 3:-3]) > 20, name
        assert placed.scale[index].numpy() == scale.numpy() == pytest.approx(64 / 50)
        np.testing.assert_array_equal(placed.offset[index], offset)
        assert tuple(placed.original_size[index].numpy()) == HEIGHT_WIDTH


def test_sizes_may_differ_within_a_batch(letterbox):
    tall, wide = (tf.io.encode_png(np.full((*size, 3), 200, np.uint8)).numpy() for size in ((128, 10), (1, 300)))
    images, placed, status = letterbox([tall, b"", wide])
    assert status.numpy().tolist() == [OK, EMPTY, OK]
    np.testing.assert_allclose(placed.scale, [0.5, 1, 96 / 300])
    assert placed.original_size.numpy().tolist() == [[128, 10], [0, 0], [1, 300]]
    assert [(image.numpy() == 200).sum() / 3 for image in images] == [64 * 5, 0, 96]


@pytest.mark.parametrize(
    "files, expected",
    [
        pytest.param({"empty": b""}, EMPTY, id="empty"),
        pytest.param(other_files(), UNKNOWN_FORMAT, id="other"),
        pytest.param(huge_images(), TOO_LARGE, id="huge"),
        pytest.param(unreadable_images(), UNREADABLE, id="unreadable"),
    ],
)
def test_spoiled_images_are_told_apart_and_spare_the_others(letterbox, files, expected):
    good = whole_images()["jpeg"]
    alone = letterbox([good])[0][0]
    images, placed, status = letterbox([good, *files.values(), good])
    assert dict(zip(files, status.numpy()[1:-1])) == dict.fromkeys(files, expected)
    assert status[0] == status[-1] == OK
    np.testing.assert_array_equal(images[0], alone)
    np.testing.assert_array_equal(images[-1], alone)
    assert np.unique(images[1:-1]) == 114
    assert not np.any(placed.original_size[1:-1]) and not np.any(placed.offset[1:-1])
    assert letterbox(files.values())[2].numpy().tolist() == [expected] * len(files)


def test_the_limit_is_on_height_times_width(letterbox):
    files = whole_images()
    assert letterbox(files.values(), 50 * 70)[2].numpy().tolist() == [OK] * 13
    assert letterbox(files.values(), 50 * 70 - 1)[2].numpy().tolist() == [TOO_LARGE] * 13


def test_a_bmp_stored_top_row_first_counts_too(letterbox):
    bmp = whole_images()["bmp"]
    flipped = bmp[:22] + (-50).to_bytes(4, "little", signed=True) + bmp[26:]
    images, _, status = letterbox([bmp, flipped], 50 * 70)
    assert status.numpy().tolist() == [OK, OK]
    np.testing.assert_array_equal(images[1, ::-1], images[0])


def test_of_an_animation_only_the_first_frame_is_read(letterbox):
    """Later frames may be any number, broken, or too large; extension blocks before the first are skipped."""
    still, animated = whole_images()["gif"], whole_images()["animated gif"]
    start = still.index(b",\0\0\0\0")
    huge_frame = b",\0\0\0\0\xff\xff\xff\xff\0\x08\x03abc\0"
    comments = b"!\xfe\x05hello\x02;,\0" * 60
    files = {
        "animated": animated,
        "broken later": animated[: len(still) + 100],
        "huge later": still[:-1] + huge_frame + b";",
        "many comments": still[:start] + comments + still[start:],
    }
    images, _, status = letterbox([still, *files.values()])
    assert status.numpy().tolist() == [OK] * 5
    for image in images[1:]:
        np.testing.assert_array_equal(image, images[0])
    spoiled = {
        TOO_LARGE: still[:start] + huge_frame + still[start:],
        UNREADABLE: still[:start] + 2 * comments + still[start:],  # more than are looked through
        EMPTY: b"",
    }
    assert letterbox(spoiled.values())[2].numpy().tolist() == list(spoiled)


def test_no_damage_stops_a_batch(letterbox):
    """Each file cut anywhere, and with bytes changed anywhere."""
    rng = np.random.default_rng(0)
    damaged = []
    for content in whole_images().values():
        damaged += [content[:length] for length in rng.integers(0, len(content), 20)]
        for _ in range(20):
            changed = np.frombuffer(content, np.uint8).copy()
            changed[rng.integers(0, min(len(content), 200), 3)] = rng.integers(0, 256, 3)
            damaged.append(changed.tobytes())
    _, placed, status = letterbox(damaged)
    counts = np.bincount(status, minlength=5)
    assert len(damaged) == counts.sum() == 520 and counts[[OK, UNKNOWN_FORMAT, TOO_LARGE, UNREADABLE]].min() > 2
    np.testing.assert_array_equal(placed.original_size.numpy().all(-1), status.numpy() == OK)
