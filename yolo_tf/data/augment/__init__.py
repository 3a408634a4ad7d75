"""Training augmentation of a whole batch: random numbers first, then one static function without any.

The two are apart because random operations give other numbers inside XLA than outside: parameters are
drawn outside, `augment_batch` compiles. It works on any device, in `tf.data` or in a training step.
"""

import math
from typing import NamedTuple

import tensorflow as tf

from yolo_tf.data.augment.compiled import compiled
from yolo_tf.data.augment.geometry import compose, flip, perspective, rotation, shear, translation
from yolo_tf.data.augment.hsv import scale_hsv
from yolo_tf.data.augment.mosaic import canvas_size, place_boxes, place_tiles
from yolo_tf.data.augment.targets import keep_largest, warp_boxes
from yolo_tf.data.augment.warp import warp_images
from yolo_tf.structures import Targets

MIXUP_BETA = 32.0  # both parameters of the Beta distribution: weights within about 0.5 +- 0.12


class AugmentParameters(NamedTuple):
    """All that is random about one augmented batch."""

    members: tf.Tensor  # int32 [B, 4], images of the four mosaic tiles; the first is the image itself
    is_mosaic: tf.Tensor  # bool [B]
    centre: tf.Tensor  # float32 [B, 2] (x, y), canvas px where the tiles of a mosaic meet; whole numbers
    transform: tf.Tensor  # float32 [B, 3, 3], canvas px -> input px, flips included
    zoom: tf.Tensor  # float32 [B], the scale in `transform`
    hsv_gains: tf.Tensor | None  # float32 [B, 3]; None = colours stay bit for bit
    mixup_partner: tf.Tensor | None  # int32 [B], the output image to blend with; None = no mixup at all
    mixup_weight: tf.Tensor | None  # float32 [B], share of the image itself; 1 = not blended


def draw_parameters(batch_size, seed, *, image_size, augment, closed=False):
    """Draws the random numbers of one batch, a pure function of its arguments on every device.

    Args:
        batch_size: B.
        seed: int [2].
        image_size: (height, width) of the network input.
        augment: AugmentConfig.
        closed: bool or bool tensor; true = no mosaic and no mixup (the last epochs), and with `close_geometry` no zoom,
            translation, rotation, shear and perspective.

    Returns:
        AugmentParameters.
    """
    seeds = tf.unstack(tf.random.split(seed, 6, alg="philox"))
    unit = tf.random.stateless_uniform([12, batch_size], seeds[0], alg="philox")
    swings = 2 * unit[:8] - 1
    if augment.close_geometry:
        swings *= 1 - tf.cast(closed, tf.float32)
    angle, shear_x, shear_y, zoom, perspective_x, perspective_y, shift_x, shift_y = tf.unstack(swings)
    mosaic, mixup, upside_down, left_right = tf.unstack(unit[8:])

    # The same three distances for all images: each image lies in exactly four mosaics, and (from four on) in none twice.
    distances = tf.random.experimental.stateless_shuffle(tf.range(1, max(batch_size, 4)), seeds[1], alg="philox")[:3]
    itself = tf.range(batch_size)
    is_mosaic = (mosaic < augment.mosaic) & ~tf.convert_to_tensor(closed)
    size_wh = tf.constant(image_size[::-1], tf.float32)
    centre = tf.floor(tf.random.stateless_uniform([batch_size, 2], seeds[2], 0.5, 1.5, alg="philox") * size_wh)

    zoom = 1 + zoom * augment.scale
    transform = compose(
        [
            translation(-canvas_size(is_mosaic, image_size) / 2),
            perspective(perspective_x * augment.perspective, perspective_y * augment.perspective),
            rotation(angle * math.radians(augment.degrees), zoom),
            shear(shear_x * math.radians(augment.shear), shear_y * math.radians(augment.shear)),
            translation((0.5 + tf.stack([shift_x, shift_y], axis=-1) * augment.translate) * size_wh),
            flip(left_right < augment.fliplr, upside_down < augment.flipud, image_size),
        ]
    )
    hsv_gains = mixup_partner = mixup_weight = None
    if augment.hsv_h or augment.hsv_s or augment.hsv_v:
        swing = tf.random.stateless_uniform([batch_size, 3], seeds[3], -1.0, 1.0, alg="philox")
        hsv_gains = 1 + swing * [augment.hsv_h, augment.hsv_s, augment.hsv_v]
    if augment.mixup and batch_size > 1:  # an image blended with itself would only carry its boxes twice
        distance = tf.random.stateless_uniform([], seeds[4], 1, batch_size, tf.int32, alg="philox")
        mixup_partner = (itself + distance) % batch_size
        gamma = tf.random.stateless_gamma([2, batch_size], seeds[5], MIXUP_BETA)
        mixup_weight = tf.where(is_mosaic & (mixup < augment.mixup), gamma[0] / (gamma[0] + gamma[1]), 1.0)
    return AugmentParameters(
        members=(itself[:, tf.newaxis] + tf.concat([[0], distances], axis=0)) % batch_size,
        is_mosaic=is_mosaic,
        centre=centre,
        transform=transform,
        zoom=zoom,
        hsv_gains=hsv_gains,
        mixup_partner=mixup_partner,
        mixup_weight=mixup_weight,
    )


def augment_batch(images, sizes_hw, boxes, class_ids, parameters, *, max_boxes):
    """Applies mosaic or letterbox, one plane transform with flips, mixup and colour gains to a batch.

    All shapes are static, nothing is random: it compiles under XLA.

    Args:
        images: uint8 [B, H, W, 3], each fitted into (H, W) and lying in the top-left corner.
        sizes_hw: int32 [B, 2], (height, width) of the images without their padding.
        boxes: float32 [B, N, 4] xyxy, px of the fitted images.
        class_ids: int32 [B, N], -1 = padding.
        parameters: AugmentParameters of B images.
        max_boxes: slots M of the targets; the smallest boxes are dropped when there are more.

    Returns:
        images: float32 [B, H, W, 3], RGB 0..255.
        targets: Targets; boxes of which too little is left are dropped (`warp.is_candidate`).

    Source: Bochkovskiy et al., "YOLOv4" (arXiv:2004.10934), section 3.4 (mosaic); Zhang et al., "mixup"
        (arXiv:1710.09412), equation 1; Beta(32, 32) and boxes of both images as in YOLOv5.
    """
    image_size = tuple(images.shape[1:3])
    tiles = place_tiles(sizes_hw, parameters.members, parameters.is_mosaic, parameters.centre, image_size)
    planes = warp_images(images, tiles, parameters.transform)
    targets = _find_targets(boxes, class_ids, tiles, parameters, image_size=image_size, max_boxes=max_boxes)
    return _finish(planes, parameters), targets


@compiled
def _find_targets(boxes, class_ids, tiles, parameters, *, image_size, max_boxes):
    """Returns the Targets: boxes placed, warped, filtered, joined with those of the mixup partner and packed."""
    boxes, class_ids = place_boxes(boxes, class_ids, tiles)
    boxes, class_ids = warp_boxes(boxes, class_ids, parameters, image_size)
    boxes, class_ids = keep_largest(boxes, class_ids, max_boxes)
    if parameters.mixup_partner is None:
        return Targets(boxes, class_ids)
    blended = (parameters.mixup_weight < 1)[:, tf.newaxis]
    partner_ids = tf.where(blended, tf.gather(class_ids, parameters.mixup_partner), -1)
    boxes = tf.concat([boxes, tf.gather(boxes, parameters.mixup_partner)], axis=1)
    return Targets(*keep_largest(boxes, tf.concat([class_ids, partner_ids], axis=1), max_boxes))


@compiled
def _finish(planes, parameters):
    """Returns the images float32 [B, H, W, 3]: blended with their mixup partners, colours changed, channels last."""
    if parameters.mixup_partner is not None:
        share = parameters.mixup_weight[:, tf.newaxis, tf.newaxis, tf.newaxis]
        planes = planes * share + tf.gather(planes, parameters.mixup_partner) * (1 - share)
    if parameters.hsv_gains is not None:
        return scale_hsv(planes, parameters.hsv_gains)
    return tf.transpose(planes, [0, 2, 3, 1])
