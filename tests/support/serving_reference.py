"""Requests to a bundle of the tests, and what the network itself answers to them."""

import functools
import tempfile
from pathlib import Path

import detector_files
import numpy as np
from image_corpus import huge_images, other_files, unreadable_images, whole_images

from yolo_tf.export.encoded_images import EMPTY, OK, TOO_LARGE, UNKNOWN_FORMAT, UNREADABLE
from yolo_tf.inference.detector import detect_images, open_detector
from yolo_tf.inference.prediction import predict_image
from yolo_tf.pictures.generated_images import generated_images

SHAPES = [(count, *size) for count in (1, 3, 8) for size in ((320, 416), (640, 640))]
WHOLE = ("jpeg", "grey jpeg", "png", "gif", "bmp", "webp")  # of the formats
ROWS = {"boxes": (4,), "scores": (), "class_ids": ()}  # output -> shape of one detection
TOLERANCES = {"boxes": 2e-2, "scores": 1e-4, "class_ids": 0, "num_detections": 0, "status": 0}


@functools.cache
def spoiled_files():
    """{name: (bytes, status)} of every image that cannot be served."""
    kinds = ((other_files(), UNKNOWN_FORMAT), (huge_images(), TOO_LARGE), (unreadable_images(), UNREADABLE))
    return {"empty": (b"", EMPTY)} | {name: (file, status) for files, status in kinds for name, file in files.items()}


@functools.cache
def batches():
    """{request: uint8 [B, H, W, 3]} of `serving_default`."""
    return {f"serving_default-{index}": generated_images(size, count=count) for index, (count, *size) in enumerate(SHAPES)}


def requests():
    """{request: input} for tensorflow_alone.serve: every signature, every shape, every kind of file."""
    files = [whole_images()[name] for name in WHOLE] + [file for file, _ in spoiled_files().values()]
    return batches() | {"candidates-": detector_files.images(), "image_bytes-": np.array(files, object)}


@functools.cache
def of_batch(name):
    """What the network finds in a batch: {output: array}."""
    return of_images(batches()[name])


def of_images(images):
    """What the network finds in uint8 [B, H, W, 3]: {output: array}."""
    found = detect_images(open_detector(detector_files.keras_file()), images, detector_files.DETECT)
    return {
        "boxes": found.boxes.numpy(),
        "scores": found.scores.numpy(),
        "class_ids": found.class_ids.numpy(),
        "num_detections": found.num_valid.numpy(),
    }


@functools.cache
def of_file(name):
    """What `yolo-tf predict` finds in one file of the corpus, filled up as the contract says: {output: array}."""
    detector = open_detector(detector_files.keras_file())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        path.write_bytes(whole_images()[name])
        found = predict_image(detector, path, detect=detector_files.DETECT).detections
    count = len(found)
    assert count > 3
    answer = nothing(OK) | {"num_detections": count}
    for key in ("boxes", "scores", "class_ids"):
        answer[key][:count] = getattr(found, key)
    return answer


def nothing(status):
    """The answer to an image without detections: {output: array}."""
    slots = detector_files.DETECT.max_detections
    filler = {"boxes": np.zeros((slots, 4)), "scores": np.zeros(slots), "class_ids": np.full(slots, -1)}
    return filler | {"num_detections": 0, "status": status}


def assert_same(found, expected):
    """Compares {output: array or list} of one image or batch with the reference."""
    assert found.keys() == expected.keys()
    found = {key: np.array(value) for key, value in found.items()}
    if "class_ids" in found:
        assert (np.diff(found["scores"]) <= 0).all(), "best first"
        rows = found["class_ids"].shape[-1]
        images = [{key: np.reshape(of[key], (-1, rows, *shape)) for key, shape in ROWS.items()} for of in (found, expected)]
        for ours, theirs in zip(*map(_each_image, images), strict=True):
            _put_ties_in_order(ours, theirs)
    for key, value in expected.items():
        np.testing.assert_allclose(found[key], value, rtol=0, atol=TOLERANCES[key], err_msg=key)


def _each_image(outputs):
    return [{key: value[index] for key, value in outputs.items()} for index in range(len(outputs["scores"]))]


def _put_ties_in_order(found, expected):
    """Exchanges rows of one image, in place, whose scores are as good as equal: which comes first is up to rounding."""
    for row, score in enumerate(expected["scores"]):
        tied = np.flatnonzero(np.abs(found["scores"][row:] - score) <= TOLERANCES["scores"]) + row
        for other in tied:
            same = np.allclose(found["boxes"][other], expected["boxes"][row], rtol=0, atol=TOLERANCES["boxes"])
            if same and found["class_ids"][other] == expected["class_ids"][row]:
                for values in found.values():
                    values[[row, other]] = values[[other, row]]
                break


def assert_same_as_the_network(answers):
    """Compares the answers to requests()."""
    for name in batches():
        assert min(of_batch(name)["num_detections"]) > 3
        assert_same(answers[name], of_batch(name))
    boxes, scores = open_detector(detector_files.keras_file()).candidates(detector_files.images())
    assert_same(answers["candidates-"], {"boxes": boxes, "scores": scores})
    expected = [of_file(name) for name in WHOLE] + [nothing(status) for _, status in spoiled_files().values()]
    assert len(answers["image_bytes-"]["status"]) == len(expected)
    for index, one in enumerate(expected):
        assert_same({key: value[index] for key, value in answers["image_bytes-"].items()}, one)
