"""Letterbox: an image of any size, scaled into the network input, in its middle or its corner, and the way back."""

import numpy as np
import tensorflow as tf

from yolo_tf.config.data import LETTERBOXES
from yolo_tf.data.images import resize_image
from yolo_tf.errors import InputError, any_of

PAD_GREY = 114  # of 255; the colour of every pixel that no image covers, as in YOLOv5
CANVAS_STRIDE = 32  # px; the sides of a canvas are multiples of the coarsest stride
# In strides; what YOLOv5 adds to both sides of a batch's canvas before it rounds up, so that grey surrounds every image
# and figures can be compared with its own. At 640 px the long side becomes 672.
RECT_PAD = 0.5


def fitted_size(size_hw, image_size):
    """Computes the size of an image whose longer side (relative to the input) fills the input.

    Whole numbers throughout, so that a size at a rounding edge comes out the same wherever it is computed.

    Args:
        size_hw: int [..., 2], (height, width) px upright.
        image_size: (height, width) px of the network input.

    Returns:
        scale: float32 [...], input px per stored px: min(H / h, W / w).
        fitted_hw: int32 [..., 2]: one side fills the input, the other is its stored side times the scale, rounded
            up as YOLOv5's loader does.

    Example: 375 x 500 (h x w) into (320, 320): scale 0.64, 240 x 320; 374 x 500: 239.36, so 240 x 320 too.
    """
    size, full = tf.cast(size_hw, tf.int64), tf.cast(image_size, tf.int64)
    scale = tf.reduce_min(full / size, axis=-1)
    # Each side as the other one's limit makes it, rounded up; for the side that is the limit itself that is too much.
    fitted = tf.minimum(-(-size * full[::-1] // size[..., ::-1]), full)
    return tf.cast(scale, tf.float32), tf.cast(fitted, tf.int32)


def _fitted_in_corner(size_hw, image_size):
    """Returns the scale of `fitted_size`, and the size with its sides rounded down, one pixel at least."""
    size, full = tf.cast(size_hw, tf.int64), tf.cast(image_size, tf.int64)
    scale, _ = fitted_size(size_hw, image_size)
    return scale, tf.cast(tf.clip_by_value(size * full[::-1] // size[::-1], 1, full), tf.int32)


def letterbox_offset(fitted_hw, image_size):
    """Returns where a fitted image begins in the input, int32 [..., 2] (y, x) px: half of the free pixels, rounded down.

    Both sizes are (height, width) px, `fitted_hw` int32 [..., 2].
    """
    return (tf.cast(image_size, tf.int32) - fitted_hw) // 2


def rect_canvases(sizes_hw, side, batch_size):
    """Sorts images by height / width and gives each batch the smallest canvas for its ratios.

    An image fills `side` with its longer side. In units of `side` a batch needs (greatest ratio, 1) if all its
    images are wide, (1, 1 / least ratio) if all are tall, else (1, 1); to that `RECT_PAD` is added.

    Args:
        sizes_hw: N pairs (height, width), px upright.
        side: longer side of every fitted image, px.
        batch_size: B.

    Returns:
        order: int32 [N], the images by rising ratio, equal ones as they came; batch i is order[i B : (i + 1) B].
        canvas_hw: int32 [N, 2], (height, width) px of the canvas of image order[n]; the same within a batch.

    Example: 48 x 80 and 60 x 200 (h x w) at side 160 fill at most 3 x 5 strides: canvas 128 x 192.

    Source: YOLOv5, doi 10.5281/zenodo.3908559, the batches of its validation.
    """
    sizes_hw = np.asarray(sizes_hw, np.float64).reshape(-1, 2)
    ratios = sizes_hw[:, 0] / sizes_hw[:, 1]
    order = np.argsort(ratios, kind="stable").astype(np.int32)
    canvas_hw = np.empty([len(order), 2], np.int32)
    for start in range(0, len(order), batch_size):
        of_batch = ratios[order[start : start + batch_size]]
        shape_hw = np.array([min(of_batch.max(), 1), min(1 / of_batch.min(), 1)])
        canvas_hw[start : start + batch_size] = np.ceil(shape_hw * side / CANVAS_STRIDE + RECT_PAD) * CANVAS_STRIDE
    return order, canvas_hw


def smallest_canvas(size_hw, image_size):
    """Returns the (height, width) px, int32 [2] multiples of CANVAS_STRIDE, that just hold an image fitted into `image_size`.

    `size_hw` is (height, width) px of the upright image; `image_size` multiples of CANVAS_STRIDE, never exceeded.

    Example: 480 x 640 fitted into 320 x 320 is 240 x 320: canvas 256 x 320.
    """
    _, fitted_hw = fitted_size(size_hw, image_size)
    return -(-fitted_hw // CANVAS_STRIDE) * CANVAS_STRIDE


def letterbox_image(
    image: np.ndarray | tf.Tensor,
    image_size: tuple[int, int],
    *,
    fit_size: tuple[int, int] | None = None,
    letterbox: str = "center",
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Scales an image into the network input, keeping its ratio, and pads it with grey 114.

    Args:
        image: uint8 [h, w, 3].
        image_size: (height, width) px of the network input, numbers or int32 [2].
        fit_size: (height, width) px that the image is fitted into, when that is not the whole input; the
            fitted image is no larger than the input.
        letterbox: one of LETTERBOXES, as the detector's `spec.letterbox` says.

    Returns:
        image: float32 [H, W, 3], whole numbers 0..255.
        scale: float32 [], input px per px of `image`.
        offset: float32 [2], (x, y) of the image's corner in the input. input = original * scale + offset.

    Example: 480 x 640 (h x w) into (320, 320): scale 0.5, 240 x 320, offset (0, 40), or in the corner (0, 0).
    """
    if letterbox not in LETTERBOXES:
        raise InputError(f"letterbox: got {letterbox!r}. Expected {any_of(LETTERBOXES)}. Correct it.")
    in_corner = letterbox == "corner"
    canvas_hw = tf.cast(image_size, tf.int32)
    fit = _fitted_in_corner if in_corner else fitted_size
    scale, fitted_hw = fit(tf.shape(image)[:2], image_size if fit_size is None else fit_size)
    before = tf.zeros([2], tf.int32) if in_corner else letterbox_offset(fitted_hw, canvas_hw)
    after = canvas_hw - fitted_hw - before
    padding = tf.concat([tf.stack([before, after], axis=-1), tf.zeros([1, 2], tf.int32)], axis=0)
    resized = resize_image(image, fitted_hw, shrink="bilinear" if in_corner else "area")
    padded = tf.pad(resized, padding, constant_values=PAD_GREY)
    static_hw = tf.get_static_value(canvas_hw)  # None where every batch has a canvas of its own
    padded.set_shape([None, None, 3] if static_hw is None else [*static_hw, 3])
    return tf.cast(padded, tf.float32), scale, tf.cast(before[::-1], tf.float32)


def to_original(boxes, letterbox):
    """Maps boxes, float32 [B, K, 4] xyxy, from px of the network input to px of the original images, clipped to them."""
    offset = tf.tile(letterbox.offset, [1, 2])[:, tf.newaxis]
    original = (boxes - offset) / letterbox.scale[:, tf.newaxis, tf.newaxis]
    size_xyxy = tf.tile(tf.cast(letterbox.original_size, tf.float32)[:, ::-1], [1, 2])[:, tf.newaxis]
    return tf.clip_by_value(original, 0.0, size_xyxy)
