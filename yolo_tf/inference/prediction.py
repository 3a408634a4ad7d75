"""Image files + detector -> what was found in each, and any number of them -> files that a stopped run goes on with."""

from __future__ import annotations

import array
import dataclasses
import itertools
import statistics
import time
from pathlib import Path

import numpy as np
import tensorflow as tf

from yolo_tf.config import DetectConfig
from yolo_tf.config.kinds import converted
from yolo_tf.data.images import read_image
from yolo_tf.data.letterbox import to_original
from yolo_tf.errors import InputError, look_up
from yolo_tf.inference.detector import Detector, choose_image_size
from yolo_tf.inference.frames.files import InputImage, read_input, read_inputs
from yolo_tf.inference.outputs import OUTPUTS, open_outputs
from yolo_tf.inference.outputs.resume import begin
from yolo_tf.inference.outputs.spec import Run
from yolo_tf.inference.suppression import suppress, suppress_and_count
from yolo_tf.structures import ImageDetections, Letterbox
from yolo_tf.system.atomic import digest_on_disk
from yolo_tf.system.interruption import note_signals, stop_if_noted

NAMED = 3  # files that a message names; the others are counted


@dataclasses.dataclass(frozen=True, kw_only=True)
class PredictOptions:
    """How image files are looked at, and what is written of them."""

    outputs: tuple[str, ...] = ("jsonl",)  # rows of OUTPUTS
    image_size: tuple[int, int] | int | None = None  # (height, width) px of the network input; one = square
    detect: DetectConfig = DetectConfig()
    batch_size: int = 8  # images in one call of the network
    ahead: int = 2  # batches that wait for the network at most; 0 = an image is read when the one before it is done
    rect: bool = False  # each image gets the smallest input that holds it; batch_size must be 1
    augmented: bool = False  # whether the detector looks at three scales of each image; noted in the settings
    part_images: int = 1000  # of one Parquet part
    stop_on_bad_image: bool = False  # else it becomes a result with an error
    resume: bool = False  # go on in the same directory

    def __post_init__(self):
        for name in self.outputs:
            look_up(OUTPUTS, name, kind="output", where="outputs")
        rows = [OUTPUTS[name] for name in self.outputs]
        if any(row.holds_all for row in rows) and any(row.cut for row in rows):
            raise InputError(
                "outputs: one that holds all images in memory (json, coco) does not go with one for any number (jsonl,"
                " parquet), with which a stopped run goes on. Expected one kind. Leave json and coco out."
            )
        converted(self.detect, DetectConfig, "detect")
        for option in ("batch_size", "part_images"):
            if converted(getattr(self, option), int, option) < 1:
                raise InputError(f"{option}: got {getattr(self, option)}. Expected a whole number above 0. Change it.")
        if self.rect and self.batch_size > 1:
            raise InputError(
                f"rect: the images of a batch of {self.batch_size} would have several sizes. Expected batches of 1 with it."
                " Set `batch_size` to 1 or leave `rect` out."
            )


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class ImageResult:
    """What became of one image file."""

    path: Path
    size_hw: tuple[int, int] | None = None  # (height, width) px, upright; None where it could not be read
    detections: ImageDetections | None = None  # px of the file, clipped to it; None where it could not be read
    milliseconds: float | None = None  # network, decode and suppression, a batch's shared evenly; without reading, resizing
    stored: np.ndarray | None = None  # uint8 [h, w, 3] RGB; None where it was let go, for many would not fit into memory
    num_cut: int = 0  # candidates above the score threshold for which `detect.candidate_limit` left no place
    error: InputError | None = None  # why the image could not be read

    def read_image(self):
        """Returns the upright image, uint8 [h, w, 3] RGB, from its file where it was let go."""
        return read_image(self.path) if self.stored is None else self.stored

    def to_json(self, class_names):
        """Returns plain values: path, height, width and detections (see ImageDetections.to_json), or path and error."""
        if self.error is not None:
            return {"path": str(self.path), "error": str(self.error)}
        height, width = self.size_hw
        found = self.detections.to_json(class_names)
        return {"path": str(self.path), "height": height, "width": width, "detections": found}


@dataclasses.dataclass(frozen=True, kw_only=True)
class PredictTotals:
    """What one run did."""

    num_images_before: int  # that the outputs held when it began
    num_images: int  # that it added
    num_bad_images: int  # of them, that could not be read
    num_detections: int  # in them
    num_images_cut: int  # of them, that had more candidates than entered suppression
    most_cut: int  # candidates of one image that did not
    num_unwritten: int  # files of single images that could not be written
    unwritten: tuple[str, ...]  # what is wrong with the first of them, NAMED at most
    images_per_second: float  # from the first file read to the last row written
    median_milliseconds: float | None  # of one image, see ImageResult; None where no image could be read


def predict_image(
    detector: Detector,
    path: Path | str,
    *,
    image_size: tuple[int, int] | int | None = None,
    detect: DetectConfig = DetectConfig(),
    rect: bool = False,
) -> ImageResult:
    """Finds objects in one image file.

    Args:
        detector: Detector.
        path: image file.
        image_size: (height, width) px of the network input; None = the size inside the file, else that of training.
        detect: DetectConfig.
        rect: leave out the grey that the smallest multiples of 32 px do without: the same scale, a smaller input,
            faster. The detector must take any size.

    Returns:
        ImageResult with the stored image.

    Raises:
        InputError: the file is missing or does not decode, or the detector takes another image size.
    """
    size, letterbox = choose_image_size(detector, image_size), detector.spec.letterbox
    image = read_input(path, image_size=size, rect=rect, letterbox=letterbox)
    return _predict_batch(detector, [Path(path)], [image], detect)[0]


def predict_images(detector, paths, options, *, start=0):
    """Finds objects in image files, batch by batch, while the next files are being read.

    Batch k is images k * batch_size and following of `paths`, bad ones left out, wherever `start` is.

    Args:
        detector: Detector.
        paths: list of Path, image files.
        options: PredictOptions.
        start: number of images to leave out; those of its batch are looked at again, for the same arithmetic.

    Yields:
        list of ImageResult of one batch, in order.

    Raises:
        InputError: a bad image where `options.stop_on_bad_image`; those before it were yielded.
    """
    size = options.batch_size
    image_size = choose_image_size(detector, options.image_size)
    first = start // size * size
    looks = {"image_size": image_size, "rect": options.rect, "letterbox": detector.spec.letterbox}
    inputs = read_inputs(paths[first:], ahead=options.ahead * size, **looks)
    while batch := list(itertools.islice(inputs, size)):
        results = _predict_batch(detector, paths[first : first + size], batch, options.detect)[max(start - first, 0) :]
        stop = next((index for index, one in enumerate(results) if one.error and options.stop_on_bad_image), None)
        if results[:stop]:
            yield results[:stop]
        if stop is not None:
            raise results[stop].error
        first += size


def predict_to_files(detector, paths, out, options, *, watch=None):
    """Finds objects in image files and writes what was found, in order, into every output.

    The run may be interrupted or killed at any moment. With `options.resume` the next one removes what is half-written,
    goes on behind the last image that all outputs hold, and so ends with the rows of a run that was left alone, each
    once: batches begin at the same images whatever happened, so even the last digits are the same.

    Args:
        detector: Detector; its file's path and content are part of what must stay the same.
        paths: list of Path, image files, each once; what is held of them beside a few batches is their names.
        out: directory.
        options: PredictOptions.
        watch: called as watch(done, results) for every batch that was written, with the number of images that the
            outputs hold and the batch's list of ImageResult; None = nobody.

    Returns:
        PredictTotals.

    Raises:
        InputError: `out` does not fit (see resume.begin), or a bad image where it is to stop.
        Interrupted: after SIGINT or SIGTERM, when the batch at hand is written.
    """
    class_names = detector.spec.class_names
    settings = {
        "model": str(detector.path),
        "model_digest": digest_on_disk(detector.path),
        "class_names": list(class_names),
        "image_size": list(choose_image_size(detector, options.image_size)),
        "detect": dataclasses.asdict(options.detect) | {"max_candidates": options.detect.candidate_limit},
        "batch": options.batch_size,
        "rect": options.rect,
        "letterbox": detector.spec.letterbox,
        "augment": options.augmented,
    }
    before = begin(Path(out), options.outputs, paths, settings=settings, resume=options.resume)
    run = Run(Path(out), paths, before, detector.path, class_names, options.part_images)
    # so that no figure holds the start-up
    suppress(*detector.candidates(np.zeros([1, *settings["image_size"], 3], np.uint8)), options.detect)
    images = detections = images_cut = most_cut = 0
    num_unwritten, unwritten = 0, []
    milliseconds, noted, began = array.array("d"), [], time.perf_counter()  # floats in a list take four times the memory
    with note_signals(noted), open_outputs(run, options.outputs) as append:
        for results in predict_images(detector, paths, options, start=before):
            failed = append(results)
            num_unwritten += len(failed)
            unwritten += failed[: NAMED - len(unwritten)]
            images += len(results)
            readable = [result for result in results if result.error is None]
            milliseconds.extend(result.milliseconds for result in readable)
            detections += sum(len(result.detections) for result in readable)
            images_cut += sum(result.num_cut > 0 for result in readable)
            most_cut = max(most_cut, *(result.num_cut for result in readable)) if readable else most_cut
            if watch:
                watch(before + images, results)
            stop_if_noted(noted)
    return PredictTotals(
        num_images_before=before,
        num_images=images,
        num_bad_images=images - len(milliseconds),
        num_detections=detections,
        num_images_cut=images_cut,
        most_cut=most_cut,
        num_unwritten=num_unwritten,
        unwritten=tuple(unwritten),
        images_per_second=images / (time.perf_counter() - began),
        median_milliseconds=statistics.median(milliseconds) if milliseconds else None,
    )


def _predict_batch(detector, paths, batch, detect):
    """Returns an ImageResult for each InputImage or InputError."""
    images, found = [image for image in batch if isinstance(image, InputImage)], iter(())
    if images:
        pixels = np.stack([image.pixels for image in images])
        letterbox = Letterbox(*map(tf.constant, map(np.stack, zip(*(image.letterbox for image in images), strict=True))))
        start = time.perf_counter()
        answer, num_cut = suppress_and_count(*detector.candidates(pixels), detect)
        answer.num_valid.numpy()  # waits for the device
        milliseconds = 1000 * (time.perf_counter() - start) / len(images)
        answer = answer._replace(boxes=to_original(answer.boxes, letterbox))
        found = zip(answer.per_image(), num_cut.numpy().tolist(), strict=True)
    results = []
    for path, image in zip(paths, batch, strict=True):
        if isinstance(image, InputError):
            results.append(ImageResult(path=path, error=image))
            continue
        detections, cut = next(found)
        size_hw = tuple(image.letterbox.original_size.tolist())
        facts = {"milliseconds": milliseconds, "stored": image.stored, "num_cut": cut}
        results.append(ImageResult(path=path, size_hw=size_hw, detections=detections, **facts))
    return results
