"""Image files + detector -> detections in the pixels of each file, and the files that hold them."""

from __future__ import annotations

import collections
import dataclasses
import glob
import time
from pathlib import Path

import numpy as np
import tensorflow as tf

from yolo_tf.data.images import read_image
from yolo_tf.data.letterbox import letterbox_image, smallest_canvas, to_original
from yolo_tf.errors import InputError
from yolo_tf.inference.detector import detect_images
from yolo_tf.pictures.drawing import draw_boxes
from yolo_tf.structures import Letterbox
from yolo_tf.system.image_formats import IMAGE_SUFFIXES


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Prediction:
    """What was found in one image file, best first."""

    path: Path
    image: np.ndarray  # uint8 [h, w, 3] RGB, as stored
    boxes: np.ndarray  # float32 [n, 4] xyxy, px of `image`, clipped to it
    scores: np.ndarray  # float32 [n]
    class_ids: np.ndarray  # int32 [n]
    milliseconds: float  # network, decode and suppression; without reading and resizing


def list_images(sources):
    """Lists the image files that files, directories, globs and .txt lists stand for.

    Args:
        sources: paths. Of a directory and a glob the files with an image's suffix count, sorted; subdirectories
            do not, unless a glob says `**`. A .txt file names one image per line; where a relative path leads to
            nothing from the list's directory, it begins at the working directory. Any other file that is named
            counts whatever its suffix.

    Returns:
        list of Path, each once.

    Raises:
        InputError: a source stands for no image.
    """
    paths = []
    for source in sources:
        if Path(source).is_file():
            found = _listed_paths(Path(source)) if Path(source).suffix.lower() == ".txt" else [str(source)]
        else:
            pattern = f"{glob.escape(str(source))}/*" if Path(source).is_dir() else str(source)
            found = sorted(name for name in glob.glob(pattern, recursive=True) if Path(name).suffix.lower() in IMAGE_SUFFIXES)
        if not found:
            raise InputError(
                f"{source}: stands for no image. Expected an image file, a directory or a glob of"
                f" {', '.join(sorted(IMAGE_SUFFIXES))} files, or a .txt list of paths. Check the path."
            )
        paths += found
    return [Path(path) for path in dict.fromkeys(paths)]


def _listed_paths(listing):
    """Returns the paths that the lines of a .txt file name, as text; whether they are images shows when they are read."""
    try:
        lines = [line.strip() for line in listing.read_text(encoding="utf-8").splitlines()]
    except UnicodeDecodeError as error:
        raise InputError(f"{listing}: is no text in UTF-8 ({error.reason}). Expected one path per line. Convert it.") from error
    beside = ((line, listing.parent / line) for line in lines if line)
    return [str(path) if path.exists() else line for line, path in beside]


def predict_image(detector, path, *, image_size, detect, rect=False):
    """Finds objects in one image file.

    Args:
        detector: Detector.
        path: image file.
        image_size: (height, width) px of the network input.
        detect: DetectConfig.
        rect: leave out the grey that the smallest multiples of 32 px do without: the same scale, a smaller input,
            faster. The detector must take any size.

    Returns:
        Prediction.

    Raises:
        InputError: the file is missing or does not decode.
    """
    image = read_image(path)
    canvas_hw = smallest_canvas(image.shape[:2], image_size) if rect else image_size
    boxed, scale, offset = letterbox_image(image, canvas_hw, fit_size=image_size)
    letterbox = Letterbox(scale[None], offset[None], tf.constant([image.shape[:2]]))
    start = time.perf_counter()
    found = detect_images(detector, boxed[None], detect)
    count = int(found.num_valid[0])  # waits for the device
    milliseconds = 1000 * (time.perf_counter() - start)
    return Prediction(
        path=Path(path),
        image=image,
        boxes=to_original(found.boxes, letterbox)[0, :count].numpy(),
        scores=found.scores[0, :count].numpy(),
        class_ids=found.class_ids[0, :count].numpy(),
        milliseconds=milliseconds,
    )


def output_names(paths):
    """Returns a file name without suffix for each path: its stem; where stems repeat, -2, -3 ... behind it.

    Example: a/1.jpg, b/1.png, c.jpg -> 1, 1-2, c.
    """
    counts, names = collections.Counter(), {}
    for path in paths:
        name = path.stem
        while name in names:
            counts[path.stem] += 1
            name = f"{path.stem}-{counts[path.stem] + 1}"
        names[name] = None
    return list(names)


def draw_prediction(prediction, class_names):
    """Returns the image with its boxes drawn: uint8 [h, w, 3]."""
    return draw_boxes(prediction.image, prediction.boxes, prediction.class_ids, class_names, prediction.scores)


def prediction_to_json(prediction, class_names):
    """Returns a Prediction as plain values: path, height, width, and class, score and box (xyxy px) of each detection."""
    found = (prediction.boxes, prediction.scores, prediction.class_ids)
    return detections_to_json(prediction.path, prediction.image.shape[:2], found, class_names)


def detections_to_json(path, size_hw, found, class_names):
    """Returns what `prediction_to_json` does; `found` is boxes, scores and class_ids as in a Prediction."""
    height, width = size_hw
    return {
        "path": str(path),
        "height": height,
        "width": width,
        "detections": [
            {
                "class_id": class_id,
                "class_name": class_names[class_id],
                "score": round(score, 6),
                "box": [round(side, 3) for side in box],
            }
            for box, score, class_id in zip(*(array.tolist() for array in found), strict=True)
        ],
    }


def prediction_to_yolo_txt(prediction):
    """Returns one line per detection: class id, centre x, centre y, width, height as fractions of the image, score."""
    height, width = prediction.image.shape[:2]
    low, high = prediction.boxes[:, :2], prediction.boxes[:, 2:]
    numbers = np.concatenate([(low + high) / 2 / (width, height), (high - low) / (width, height), prediction.scores[:, None]], 1)
    return "".join(
        " ".join([str(class_id), *(f"{number:.6f}" for number in row)]) + "\n"
        for class_id, row in zip(prediction.class_ids.tolist(), numbers.tolist(), strict=True)
    )
