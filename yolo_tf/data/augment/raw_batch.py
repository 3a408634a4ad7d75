"""A training batch before its augmentation, and the one function that augments it, wherever that happens."""

from typing import NamedTuple

import tensorflow as tf

from yolo_tf.data.augment import AugmentParameters, augment_batch
from yolo_tf.data.augment.mosaic import place_boxes, place_tiles
from yolo_tf.data.augment.targets import warp_boxes
from yolo_tf.errors import InputError
from yolo_tf.structures import Targets


class RawBatch(NamedTuple):
    """Decoded images and the random numbers that are to be applied to them."""

    images: tf.Tensor  # uint8 [B, H, W, 3] RGB, each fitted into (H, W) and lying in the top-left corner
    sizes_hw: tf.Tensor  # int32 [B, 2], (height, width) of the images without their padding
    boxes: tf.Tensor  # float32 [B, N, 4] xyxy, px of the fitted images
    class_ids: tf.Tensor  # int32 [B, N], -1 = padding
    parameters: AugmentParameters
    canvas: tf.Tensor  # uint8 [B, h, w, 0]: empty; its shape is the size of the augmented images, for XLA knows shapes only


def augments_on(choice, num_replicas=1):
    """Returns "host" or "accelerator" for augment.device: "auto" means the accelerator if there is one GPU and no more.

    Raises InputError for "accelerator" with several replicas.
    """
    if choice == "auto":
        return "accelerator" if num_replicas == 1 and tf.config.list_physical_devices("GPU") else "host"
    if choice == "accelerator" and num_replicas > 1:
        raise InputError(
            f"config.augment.device: accelerator with {num_replicas} replicas: a mosaic takes images from the whole batch, and"
            " each replica has a part of it. Expected host. Use augment.device=auto."
        )
    return choice


def batch_augmenter(*, max_boxes):
    """Makes the function that augments raw batches: in a tf.data pipeline, or in a step compiled by XLA.

    It turns a RawBatch into (images float32 [B, h, w, 3] RGB 0..255, Targets of max_boxes slots). Nothing in it is random.
    """

    def augment(raw):
        images, targets = augment_batch(raw.images, raw.sizes_hw, raw.boxes, raw.class_ids, raw.parameters, max_boxes=max_boxes)
        if raw.canvas.shape == (*images.shape[:3], 0):
            return images, targets
        return resize_batch(images, targets, tf.shape(raw.canvas)[1:3])

    return augment


def count_boxes(raw):
    """Counts the boxes of each image that a RawBatch becomes, before any is dropped for want of places: int32 [B]."""
    image_size, parameters = tuple(raw.images.shape[1:3]), raw.parameters
    tiles = place_tiles(raw.sizes_hw, parameters.members, parameters.is_mosaic, parameters.centre, image_size)
    _, class_ids = warp_boxes(*place_boxes(raw.boxes, raw.class_ids, tiles), parameters, image_size)
    counts = tf.math.count_nonzero(class_ids >= 0, axis=1, dtype=tf.int32)
    if parameters.mixup_partner is None:
        return counts
    return counts + tf.where(parameters.mixup_weight < 1, tf.gather(counts, parameters.mixup_partner), 0)


def resize_batch(images, targets, size_hw):
    """Resizes images, float32 [B, H, W, 3], to `size_hw`, int32 [2] (h, w) px, bilinear, and the boxes of Targets with them."""
    ratio_hw = tf.cast(size_hw, tf.float32) / tf.cast(tf.shape(images)[1:3], tf.float32)
    boxes = targets.boxes * tf.tile(ratio_hw[::-1], [2])
    return tf.image.resize(images, size_hw, method="bilinear"), Targets(boxes, targets.class_ids)
