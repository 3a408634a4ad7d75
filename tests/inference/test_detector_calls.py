"""What every kind of Detector takes, and that it answers right whoever calls it at the same time."""

import threading
from concurrent.futures import ThreadPoolExecutor

import detector_files
import numpy as np
import pytest
import tensorflow as tf

from yolo_tf.errors import InputError
from yolo_tf.inference.detector import as_images, open_detector

THREADS, CALLS = 6, 40
# (what the line begins with, its last words, what makes such an array of good images)
WRONG = (
    ("an array of 3 axes, (96, 160, 3).", "Add the axis of the batch: images[None].", lambda images: images[0]),
    ("an array of 2 axes, (96, 160).", "Add the axis of the batch: images[None].", lambda images: images[0, :, :, 0]),
    ("images of 1 channels, (3, 96, 160, 1).", "Repeat grey three times.", lambda images: images[..., :1]),
    ("images of 2 channels, (3, 96, 160, 2).", "Convert them to RGB.", lambda images: images[..., :2]),
    ("images of 4 channels, (3, 96, 160, 4).", "images[..., :3].", lambda images: images[..., [0, 1, 2, 0]]),
    ("images of 160 channels, (3, 3, 96, 160).", "Convert them to RGB.", lambda images: images.transpose(0, 3, 1, 2)),
    ("none.", "Leave the call out.", lambda images: images[:0]),
    ("images of 90 x 160 px", "", lambda images: images[:, :90]),
    ("images of 0 x 160 px", "", lambda images: images[:, :0]),
    ("string values.", "or convert the values.", lambda images: images.astype(str)),
    ("bool values.", "or convert the values.", lambda images: images > 100),
    ("datetime64[ns] values.", "or convert the values.", lambda images: images.astype("datetime64[ns]")),
    ("complex64 values.", "or convert the values.", lambda images: images.astype(np.complex64)),
    ("images of several sizes.", "or call it for each.", lambda images: [images[0], images[0, :64]]),
)


@pytest.fixture(params=detector_files.FILES)
def detector(request):
    return open_detector(detector_files.FILES[request.param]())


def test_threads_that_share_a_detector(detector):
    """Each thread looks at other images at any moment: an answer that is another's shows."""
    batches = [np.roll(detector_files.images()[:1], 7 * index, axis=2) for index in range(CALLS)]
    expected = [[np.array(tensor) for tensor in detector.candidates(batch)] for batch in batches]
    assert all(np.abs(one[0] - expected[0][0]).max() > 1 for one in expected[1:]), "the images must differ"
    together = threading.Barrier(THREADS)

    def call(thread):
        together.wait()
        order = np.random.default_rng(thread).permutation(CALLS)
        return [(index, [np.array(tensor) for tensor in detector.candidates(batches[index])]) for index in order]

    with ThreadPoolExecutor(THREADS) as pool:
        answers = [answer for thread in pool.map(call, range(THREADS)) for answer in thread]
    assert len(answers) == THREADS * CALLS
    wrong = [
        index
        for index, answer in answers
        for own, right in zip(answer, expected[index], strict=True)
        if not np.allclose(own, right, rtol=0, atol=1e-4)
    ]
    assert not wrong, f"{len(wrong)} tensors of {2 * len(answers)} are not those of a single thread"


def test_the_answers_of_a_served_file_to_threads():
    detector = open_detector(detector_files.saved_model())
    expected = [detector.serve(image[None]).boxes.numpy() for image in detector_files.images()]
    with ThreadPoolExecutor(3) as pool:
        found = pool.map(lambda index: detector.serve(detector_files.images()[index % 3][None]).boxes.numpy(), range(30))
    for index, boxes in enumerate(found):
        np.testing.assert_allclose(boxes, expected[index % 3], atol=1e-4)


def test_wrong_images_are_one_line_and_spoil_nothing(detector):
    """The line is the same for all kinds, but for files of one size, which name it."""
    images = detector_files.images()
    expected = [np.array(tensor) for tensor in detector.candidates(images)]
    for start, end, spoil in WRONG:
        with pytest.raises(InputError) as raised:
            detector.candidates(spoil(images))
        line = str(raised.value)
        assert line.startswith(f"{detector.path}: got {start}") and line.endswith(end) and "\n" not in line, line
        assert ". Expected " in line
    for found, right in zip(detector.candidates(images), expected, strict=True):
        np.testing.assert_array_equal(found, right)


def test_other_numbers_are_the_same_pixels(detector):
    images = detector_files.images()
    expected = detector.candidates(images)
    for other in (images.astype(np.float64), images.astype(np.int32), images.tolist(), tf.cast(images, tf.float16)):
        for found, right in zip(detector.candidates(other), expected, strict=True):
            np.testing.assert_allclose(found, right, atol=1e-4)


def test_what_a_graph_knows_is_looked_at():
    """uint8 and float32 come back as they are."""
    options = {"image_size": None, "stride": 32}
    images = np.zeros([1, 64, 96, 3], np.uint8)
    assert as_images(images, "a.keras", **options) is images

    @tf.function(input_signature=[tf.TensorSpec(None, tf.float64), tf.TensorSpec([None, None, 70, 3])])
    def graph(free, known):
        assert as_images(free, "a.keras", **options).dtype == tf.float32
        with pytest.raises(InputError, match=r"^a.keras: got images of None x 70 px .*H and W multiples of 32"):
            as_images(known, "a.keras", **options)
        return free

    graph.get_concrete_function()
