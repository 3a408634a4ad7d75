"""Where the images of a batch lie on their canvases: four around a point (mosaic), or one, centred."""

from typing import NamedTuple

import tensorflow as tf

from yolo_tf.data.augment.compiled import compiled
from yolo_tf.data.letterbox import letterbox_offset


class Tiles(NamedTuple):
    """The canvas of each output image; tile order: top left, top right, bottom left, bottom right."""

    members: tf.Tensor  # int32 [B, 4], index of the image shown by each tile
    used: tf.Tensor  # bool [B, 4]; without a mosaic only the first tile is used
    origin: tf.Tensor  # float32 [B, 4, 2] (x, y), canvas px of the image's top-left corner; may be negative
    size_wh: tf.Tensor  # float32 [B, 4, 2] of the image shown
    split: tf.Tensor  # float32 [B, 2] (x, y), canvas px of the point where the four tiles meet
    canvas_wh: tf.Tensor  # float32 [B, 2], twice the input with a mosaic, else the input


def canvas_size(is_mosaic, image_size):
    """Returns float32 [B, 2] (width, height): twice the input where `is_mosaic` (bool [B]), else the input."""
    height, width = image_size
    factor = tf.where(is_mosaic, 2.0, 1.0)
    return factor[:, tf.newaxis] * tf.constant([width, height], tf.float32)


@compiled
def place_tiles(sizes_hw, members, is_mosaic, centre, image_size):
    """Lays the images out.

    With a mosaic every image touches the centre with one corner; what leaves the canvas is cut off.
    Without one the image lies where the letterbox puts it.

    Args:
        sizes_hw: int32 [P, 2], sizes of the images, each at most `image_size`.
        members: int32 [B, 4], values 0 .. P - 1.
        is_mosaic: bool [B].
        centre: float32 [B, 2] (x, y), canvas px, of the mosaics.
        image_size: (height, width) of the network input.

    Returns:
        Tiles.

    Source: Bochkovskiy et al., "YOLOv4" (arXiv:2004.10934), section 3.4 (mosaic).
    """
    size_hw = tf.gather(sizes_hw, members)
    size_wh = tf.cast(size_hw[..., ::-1], tf.float32)
    ends_at_centre = tf.constant([[1, 1], [0, 1], [1, 0], [0, 0]], tf.float32)  # (x, y) of each tile
    around_centre = centre[:, tf.newaxis] - ends_at_centre * size_wh
    letterboxed = tf.cast(letterbox_offset(size_hw, image_size)[..., ::-1], tf.float32)
    canvas_wh = canvas_size(is_mosaic, image_size)
    mosaic_column = is_mosaic[:, tf.newaxis]
    return Tiles(
        members=members,
        used=mosaic_column | tf.constant([[True, False, False, False]]),
        origin=tf.where(mosaic_column[..., tf.newaxis], around_centre, letterboxed),
        size_wh=size_wh,
        split=tf.where(mosaic_column, centre, canvas_wh),
        canvas_wh=canvas_wh,
    )


def place_boxes(boxes, class_ids, tiles):
    """Moves the boxes of the shown images onto the B canvases of the Tiles and clips them there.

    From boxes float32 [P, N, 4] xyxy, px of the images, to [B, 4 * N, 4], canvas px; from class ids int32 [P, N] to
    [B, 4 * N]; -1 = padding.
    """
    batch, slots = tiles.members.shape[0], 4 * boxes.shape[1]
    shown = tf.gather(boxes, tiles.members) + tf.tile(tiles.origin, [1, 1, 2])[:, :, tf.newaxis]
    limit = tf.tile(tiles.canvas_wh, [1, 2])[:, tf.newaxis]
    shown = tf.clip_by_value(tf.reshape(shown, [batch, slots, 4]), 0.0, limit)
    shown_ids = tf.where(tiles.used[..., tf.newaxis], tf.gather(class_ids, tiles.members), -1)
    return shown, tf.reshape(shown_ids, [batch, slots])
