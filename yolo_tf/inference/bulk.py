"""Any number of image files -> detections in files that grow, in bounded memory, and that a stopped run goes on with."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path

import numpy as np
import tensorflow as tf

from yolo_tf.data.letterbox import to_original
from yolo_tf.errors import InputError
from yolo_tf.inference.detector import detect_images
from yolo_tf.inference.frames.files import InputImage, read_ahead
from yolo_tf.inference.outputs import begin, open_outputs
from yolo_tf.inference.prediction import detections_to_json
from yolo_tf.structures import Letterbox
from yolo_tf.system.atomic import size_on_disk
from yolo_tf.system.interruption import note_signals, stop_if_noted

AHEAD = 2  # batches that wait for the network at most


@dataclasses.dataclass(frozen=True, kw_only=True)
class BulkOptions:
    """How many images are predicted, and into what."""

    formats: tuple[str, ...] = ("jsonl",)  # rows of OUTPUTS
    batch_size: int = 8  # images in one call of the network
    rect: bool = False  # each image gets the smallest input that holds it; batch_size must be 1
    part_images: int = 1000  # of one Parquet part
    stop_on_bad_image: bool = False  # else it becomes a row with an error
    resume: bool = False  # go on in the same directory

    def __post_init__(self):
        for option, number in (("--batch", self.batch_size), ("--part-images", self.part_images)):
            if number < 1:
                raise InputError(f"{option}: got {number}. Expected a whole number above 0. Change it.")
        if self.rect and self.batch_size > 1:
            raise InputError(
                f"--rect: the images of a batch of {self.batch_size} would have several sizes. Expected --batch 1 with it."
                " Change --batch or leave --rect out."
            )


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class ImageResult:
    """What became of one image file; without pixels, so that many can wait."""

    path: Path
    size_hw: tuple[int, int] | None = None  # (height, width) px as stored; None where it could not be read
    boxes: np.ndarray | None = None  # float32 [n, 4] xyxy, px of the file, clipped to it; best first
    scores: np.ndarray | None = None  # float32 [n]
    class_ids: np.ndarray | None = None  # int32 [n]
    error: InputError | None = None  # why the image could not be read


@dataclasses.dataclass(frozen=True, kw_only=True)
class BulkTotals:
    """What one run did."""

    images_before: int  # that the outputs held when it began
    images: int  # rows that it added
    bad_images: int  # of them
    detections: int  # in them


def predict_to_files(detector, paths, out, *, image_size, detect, options, augmented=False, watch=None):
    """Finds objects in image files and writes one row for each, in order, into every format.

    The run may be interrupted or killed at any moment. With `options.resume` the next one removes what is half-written,
    goes on behind the last image that all formats hold, and so ends with the rows of a run that was left alone, each
    once: batches begin at the same images whatever happened, so even the last digits are the same.

    Args:
        detector: Detector; its file's path and size are part of what must stay the same.
        paths: of image files, each once; what is held of them beside a few batches is their names.
        out: directory.
        image_size: (height, width) px of the network input.
        detect: DetectConfig.
        options: BulkOptions.
        augmented: whether the detector looks at three scales of each image; noted in the settings.
        watch: called as watch(start, results) for every batch when its rows are about to be written, with the number of
            images before it and its list of ImageResult; None = nobody.

    Returns:
        BulkTotals.

    Raises:
        InputError: `out` does not fit (see outputs.begin), or a bad image where it is to stop.
        Interrupted: after SIGINT or SIGTERM, when the batch at hand is written.
    """
    out = Path(out)
    settings = {
        "model": str(detector.path),
        "model_bytes": size_on_disk(detector.path),
        "class_names": list(detector.spec.class_names),
        "image_size": list(image_size),
        "detect": dataclasses.asdict(detect),
        "batch": options.batch_size,
        "rect": options.rect,
        "augment": augmented,
    }
    before = begin(out, options.formats, paths, settings=settings, resume=options.resume)
    images = bad = detections = 0
    noted = []
    batches = predict_many(detector, paths, start=before, image_size=image_size, detect=detect, options=options)
    with note_signals(noted), open_outputs(out, options.formats, part_images=options.part_images) as append:
        for results in batches:
            if watch:
                watch(before + images, results)
            append([result_to_json(result, detector.spec.class_names) for result in results])
            images += len(results)
            bad += sum(result.error is not None for result in results)
            detections += sum(len(result.scores) for result in results if result.error is None)
            stop_if_noted(noted)
    return BulkTotals(images_before=before, images=images, bad_images=bad, detections=detections)


def predict_many(detector, paths, *, start=0, image_size, detect, options):
    """Finds objects in image files, batch by batch, while the next files are being read.

    Batch k is images k * batch_size and following of `paths`, bad ones left out, wherever `start` is.

    Args:
        detector: Detector.
        paths: of image files.
        start: number of images to leave out; those of its batch are looked at again, for the same arithmetic.
        image_size: (height, width) px of the network input.
        detect: DetectConfig.
        options: BulkOptions.

    Yields:
        list of ImageResult of one batch, in order.

    Raises:
        InputError: a bad image where `options.stop_on_bad_image`; those before it were yielded.
    """
    size = options.batch_size
    first = start // size * size
    ahead = read_ahead(paths[first:], image_size=image_size, rect=options.rect, ahead=AHEAD * size)
    while batch := list(itertools.islice(ahead, size)):
        results = _predict_batch(detector, paths[first : first + size], batch, detect)[max(start - first, 0) :]
        stop = next((index for index, one in enumerate(results) if one.error and options.stop_on_bad_image), None)
        if results[:stop]:
            yield results[:stop]
        if stop is not None:
            raise results[stop].error
        first += size


def result_to_json(result, class_names):
    """Returns an ImageResult as plain values: what `prediction_to_json` gives, or path and error."""
    if result.error is not None:
        return {"path": str(result.path), "error": str(result.error)}
    found = (result.boxes, result.scores, result.class_ids)
    return detections_to_json(result.path, result.size_hw, found, class_names)


def _predict_batch(detector, paths, batch, detect):
    """Returns an ImageResult for each InputImage or InputError."""
    readable = [image for image in batch if isinstance(image, InputImage)]
    found = iter(_detect(detector, readable, detect) if readable else ())
    return [
        ImageResult(path=path, **next(found)) if isinstance(image, InputImage) else ImageResult(path=path, error=image)
        for path, image in zip(paths, batch, strict=True)
    ]


def _detect(detector, images, detect):
    """Returns the fields of an ImageResult for each of one or more InputImages."""
    letterbox = Letterbox(*map(tf.constant, map(np.stack, zip(*(image.letterbox for image in images), strict=True))))
    found = detect_images(detector, np.stack([image.pixels for image in images]), detect)
    boxes = to_original(found.boxes, letterbox).numpy()
    scores, class_ids = found.scores.numpy(), found.class_ids.numpy()
    for row, (image, count) in enumerate(zip(images, found.num_valid.numpy(), strict=True)):
        yield {
            "size_hw": tuple(image.letterbox.original_size.tolist()),
            "boxes": boxes[row, :count],
            "scores": scores[row, :count],
            "class_ids": class_ids[row, :count],
        }
