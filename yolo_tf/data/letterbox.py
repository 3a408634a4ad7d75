"""Letterbox: an image of any size, scaled and centred in the network input, and the way back."""

import tensorflow as tf

from yolo_tf.data.images import resize_image

PAD_GREY = 114  # of 255; the colour of every pixel that no image covers, as in YOLOv5


def fitted_size(size_hw, image_size):
    """Computes the size of an image whose longer side (relative to the input) fills the input.

    In float64, so that a size at a rounding edge comes out the same wherever it is computed.

    Args:
        size_hw: int [..., 2], (height, width) px as stored.
        image_size: (height, width) px of the network input.

    Returns:
        scale: float32 [...], input px per stored px: min(H / h, W / w).
        fitted_hw: int32 [..., 2], round(h * scale), round(w * scale); halves round to even; at least 1.
    """
    size = tf.cast(size_hw, tf.float64)
    scale = tf.reduce_min(tf.constant(image_size, tf.float64) / size, axis=-1)
    fitted = tf.maximum(tf.round(size * scale[..., tf.newaxis]), 1)
    return tf.cast(scale, tf.float32), tf.cast(fitted, tf.int32)


def letterbox_offset(fitted_hw, image_size):
    """Computes where a fitted image begins in the input: half of the free pixels, rounded down.

    Args:
        fitted_hw: int32 [..., 2], (height, width).
        image_size: (height, width) of the input.

    Returns:
        int32 [..., 2], (y, x) px.
    """
    return (tf.constant(image_size, tf.int32) - fitted_hw) // 2


def letterbox_image(image, image_size):
    """Scales an image into the network input, keeping its ratio, and pads it with grey 114.

    Args:
        image: uint8 [h, w, 3].
        image_size: (height, width) px of the network input.

    Returns:
        image: float32 [H, W, 3], whole numbers 0..255.
        scale: float32 [], input px per px of `image`.
        offset: float32 [2], (x, y) of the image's corner in the input. input = original * scale + offset.

    Example:
        480 x 640 (h x w) into (320, 320): scale 0.5, 240 x 320, offset (0, 40).
    """
    scale, fitted_hw = fitted_size(tf.shape(image)[:2], image_size)
    before = letterbox_offset(fitted_hw, image_size)
    after = tf.constant(image_size, tf.int32) - fitted_hw - before
    padding = tf.concat([tf.stack([before, after], axis=-1), tf.zeros([1, 2], tf.int32)], axis=0)
    padded = tf.pad(resize_image(image, fitted_hw), padding, constant_values=PAD_GREY)
    padded.set_shape([*image_size, 3])
    return tf.cast(padded, tf.float32), scale, tf.cast(before[::-1], tf.float32)


def to_original(boxes, letterbox):
    """Maps boxes from the network input back to the original images.

    Args:
        boxes: float32 [B, K, 4] xyxy, input px.
        letterbox: the Letterbox of the batch.

    Returns:
        float32 [B, K, 4] xyxy, original px, clipped to the original image.
    """
    offset = tf.tile(letterbox.offset, [1, 2])[:, tf.newaxis]
    original = (boxes - offset) / letterbox.scale[:, tf.newaxis, tf.newaxis]
    size_xyxy = tf.tile(tf.cast(letterbox.original_size, tf.float32)[:, ::-1], [1, 2])[:, tf.newaxis]
    return tf.clip_by_value(original, 0.0, size_xyxy)
