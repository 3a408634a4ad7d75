"""The nouns of the package: what travels between its parts.

Letters, the same in every docstring: B batch, H W input height and width (px), N boxes of one image,
M boxes after padding, L levels, Y X grid rows and columns of one level, A anchors per cell, C classes,
D candidates = sum of Y * X * A over levels, K detections kept.

Boxes are `xyxy`, float32, absolute pixels, origin at the top-left corner of the top-left pixel: a box
that covers the whole of a 640 x 480 image is (0, 0, 640, 480).
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import tensorflow as tf


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)  # eq=False: arrays have no single truth value
class ImageRecord:
    """One labelled image on disk, in the pixels of the upright image: turned as its file says (EXIF orientation)."""

    image_id: str  # unique within its dataset
    path: str
    height: int  # px, upright
    width: int  # px, upright
    boxes: np.ndarray  # float32 [N, 4] xyxy px; 0 <= x1 < x2 <= width, 0 <= y1 < y2 <= height
    class_ids: np.ndarray  # int32 [N], 0 .. num_classes - 1
    is_crowd: np.ndarray  # bool [N]; never a training target, ignored in AP (COCO iscrowd, VOC difficult)
    orientation: int | None = None  # EXIF, 1..8: how stored pixels are turned; 1 = as stored, None = only the file's bytes tell
    byte_offset: int | None = None  # where the image's record begins in a TFRecord file at `path`; None = an image file


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class DetectionDataset:
    """The labelled images of one split, and what the class numbers mean."""

    class_names: tuple[str, ...]
    records: tuple[ImageRecord, ...]
    problems: tuple[str, ...] = ()  # one line per label or image that was left out: repeats, and in lenient reading bad ones
    notes: tuple[str, ...] = ()  # what a person should know of the reading: how many images have labels, what was passed over

    @property
    def num_boxes(self):
        """Number of boxes in all records, crowds included."""
        return sum(len(record.boxes) for record in self.records)

    @property
    def num_truths(self):
        """Number of boxes to find: crowds are none."""
        return sum(np.count_nonzero(~record.is_crowd) for record in self.records)


class Targets(NamedTuple):
    """Ground truth of a training batch."""

    boxes: tf.Tensor  # float32 [B, M, 4] xyxy, input px; padding rows are 0
    class_ids: tf.Tensor  # int32 [B, M]; -1 marks padding


class Letterbox(NamedTuple):
    """How each image was placed into the input: input = original * scale + offset."""

    scale: tf.Tensor  # float32 [B], input px per original px
    offset: tf.Tensor  # float32 [B, 2] (x, y), input px
    original_size: tf.Tensor  # int32 [B, 2] (height, width), original px


class Detections(NamedTuple):
    """What was found in a batch, best first; slots beyond num_valid are empty."""

    boxes: tf.Tensor  # float32 [B, K, 4] xyxy px; 0 in empty slots
    scores: tf.Tensor  # float32 [B, K], 0..1, not increasing along K; 0 in empty slots
    class_ids: tf.Tensor  # int32 [B, K]; -1 in empty slots
    num_valid: tf.Tensor  # int32 [B]

    def per_image(self):
        """Returns B ImageDetections, without the empty slots; the boxes stay in the pixels that they are in."""
        boxes, scores, class_ids, counts = map(np.asarray, self)
        return [
            ImageDetections(boxes=boxes[row, :count], scores=scores[row, :count], class_ids=class_ids[row, :count])
            for row, count in enumerate(counts)
        ]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class ImageDetections:
    """What was found in one image, best first."""

    boxes: np.ndarray  # float32 [n, 4] xyxy px, those of the Detections they are from; in an ImageResult of the upright image
    scores: np.ndarray  # float32 [n], 0..1, not increasing
    class_ids: np.ndarray  # int32 [n], 0 .. C - 1

    def __len__(self):
        return len(self.scores)

    def to_json(self, class_names):
        """Returns a dict of JSON values per detection: class_id, class_name, score to six decimals, box (xyxy px) to three."""
        columns = (self.class_ids.tolist(), self.scores.tolist(), self.boxes.tolist())
        return [
            {
                "class_id": class_id,
                "class_name": class_names[class_id],
                "score": round(score, 6),
                "box": [round(side, 3) for side in box],
            }
            for class_id, score, box in zip(*columns, strict=True)
        ]
