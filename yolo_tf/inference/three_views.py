"""Test-time augmentation: the candidates of three views of each image, joined before suppression."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from yolo_tf.data.letterbox import PAD_GREY
from yolo_tf.heads import load_head

# (scale, mirrored left-right, level whose candidates are left out) of each view. The finest level of the smallest view and
# the coarsest of the full one are the least reliable: objects that they are made for are better seen in the other views.
VIEWS = ((1.0, False, "coarsest"), (0.83, True, None), (0.67, False, "finest"))


def augment_candidates(candidates: Callable, anchors: Any) -> Callable:
    """Returns `candidates` with test-time augmentation: of every image three scales, one of them mirrored.

    Args:
        candidates: images [B, H, W, 3], RGB 0..255 -> (boxes [B, D, 4] xyxy input px, scores [B, D, C]), for any H
            and W that are multiples of the coarsest stride, ordered by level, fine to coarse.
        anchors: AnchorSet of these candidates, or the layout of another head, 2 levels or more.

    Returns:
        Function of uint8 or float [B, H, W, 3], H and W multiples of the coarsest stride, that gives boxes
        float32 [B, D', 4] xyxy in px of these images and scores float32 [B, D', C]: view by view, without the
        coarsest level at scale 1 and without the finest at scale 0.67. It may be called inside a tf.function.

    Example: 640 x 640, strides 8, 16, 32, 3 anchors a cell. The views are 640, 544 and 448 px wide and give
    25200 - 1200, 18207 and 12348 - 9408 candidates.

    Source: YOLOv5, doi 10.5281/zenodo.3908559. Published effect on COCO val2017: yolov5x AP .504 -> .516 at 3.6
    times the time.
    """

    def augmented(images):
        width = tf.cast(tf.shape(images)[2], tf.float32)
        parts = []
        for scale, mirrored, left_out in VIEWS:
            view = _view(images, scale, mirrored, anchors.strides[-1])
            boxes, scores = candidates(view)
            kept = _kept_rows(tf.shape(view)[1:3], anchors, left_out)
            boxes = boxes[:, kept] / scale
            if mirrored:
                x1, y1, x2, y2 = tf.unstack(boxes, axis=-1)
                boxes = tf.stack([width - x2, y1, width - x1, y2], axis=-1)
            parts.append((boxes, scores[:, kept]))
        return tuple(tf.concat(tensors, axis=1) for tensors in zip(*parts, strict=True))

    return augmented


def _view(images, scale, mirrored, stride):
    """Returns the images mirrored and scaled, with grey at the right and below up to multiples of `stride`."""
    if mirrored:
        images = tf.reverse(images, [2])
    if scale == 1:
        return images
    scaled_hw = tf.cast(tf.shape(images)[1:3], tf.float64) * scale
    whole_hw = tf.cast(scaled_hw, tf.int32)  # rounded down, so a box divided by `scale` is off by less than a pixel
    padded_hw = tf.cast(tf.math.ceil(scaled_hw / stride), tf.int32) * stride
    scaled = tf.image.resize(images, whole_hw, method="bilinear", antialias=False)
    free = padded_hw - whole_hw
    padded = tf.pad(scaled, [[0, 0], [0, free[0]], [0, free[1]], [0, 0]], constant_values=PAD_GREY)
    return tf.ensure_shape(padded, [None, None, None, 3])  # padding by a tensor forgets the channels


def _kept_rows(size_hw, anchors, left_out):
    """Returns the slice of the candidates of an input of `size_hw` px that leaves out one end, or neither."""
    counts = load_head(anchors.head).count_candidates(anchors, size_hw)
    start = counts[0] if left_out == "finest" else 0
    end = tf.add_n(counts[:-1] if left_out == "coarsest" else counts)
    return slice(start, end)
