"""DetectionDataset -> tf.data: endless training batches, and one ordered pass for evaluation."""

import numpy as np
import tensorflow as tf

from yolo_tf.config import AugmentConfig, DataConfig, TrainConfig
from yolo_tf.config.kinds import converted
from yolo_tf.data.augment import draw_parameters
from yolo_tf.data.augment.photometric import build_photometric
from yolo_tf.data.augment.raw_batch import RawBatch, batch_augmenter
from yolo_tf.data.capacity import most_boxes, places_for
from yolo_tf.data.image_bytes import byte_reader
from yolo_tf.data.image_cache import image_loader
from yolo_tf.data.images import record_decoder
from yolo_tf.data.letterbox import PAD_GREY, fitted_size, letterbox_image, rect_canvases
from yolo_tf.data.order import (
    AUGMENT_STREAM,
    PHOTOMETRIC_STREAM,
    SIDE_STREAM,
    class_balance_weights,
    epoch_order,
    fold_in,
    steps_per_epoch,
)
from yolo_tf.data.service import distribute
from yolo_tf.errors import InputError
from yolo_tf.structures import DetectionDataset, Letterbox, Targets

# XLA spreads one call over all cores; a second one fills the gaps. Each holds about 25 MB per 640 x 640 image.
PARALLEL_AUGMENTATIONS = 2


def first_plain_epoch(augment, epochs):
    """Returns the first epoch without mosaic and mixup: the last close_mosaic epochs, at most a fifth of the run."""
    return epochs - min(augment.close_mosaic, epochs // 5)


def make_train_dataset(
    dataset: DetectionDataset,
    *,
    data: DataConfig,
    augment: AugmentConfig,
    train: TrainConfig,
    first_epoch: int = 0,
    first_step: int = 0,
    augment_on: str = "host",
) -> tf.data.Dataset:
    """Makes the endless stream of training batches.

    Batch s of epoch e depends on (train.seed, e, s) alone, so a run that starts with `first_epoch` and `first_step`
    continues exactly where another stopped (photometric layers and a data service excepted).

    Args:
        dataset: a DetectionDataset with at least one image.
        data: DataConfig; image_size, max_boxes, cache, cache_gib, image_weights, workers and service are used.
        augment: AugmentConfig; all but `device`.
        train: TrainConfig; batch_size, min_steps, seed and epochs are used. Mosaic and mixup end at
            `first_plain_epoch(augment, train.epochs)`.
        first_epoch: the epoch that the first batch belongs to. An epoch has `steps_per_epoch` batches.
        first_step: batches of that epoch that are left out at its beginning.
        augment_on: "host": the images are augmented here, in stages compiled by XLA. "accelerator": raw batches come
            out, and `batch_augmenter` does the same to them wherever it is called.

    Returns:
        tf.data.Dataset of (images float32 [B, H, W, 3] RGB 0..255, Targets with M = data.max_boxes, for
        auto enough for all); with augment_on="accelerator" of (RawBatch,). Crowd boxes are no targets. With
        augment.multi_scale H and W change from batch to batch.

    Raises:
        InputError: no images, none with objects for data.image_weights, a cache above its budget, a photometric layer
            that is refused, multi_scale for an input that is no square, a data service that does not answer or that
            would need what is in this process only.
    """
    if not dataset.records:
        raise InputError("training data: the split holds no images. Expected at least one. Check the data set YAML.")
    _check_combination(data, augment)
    batch_size, seed = train.batch_size, train.seed
    steps = steps_per_epoch(dataset, batch_size, least=train.min_steps)
    plain_from_step = first_plain_epoch(augment, train.epochs) * steps
    weights = class_balance_weights(dataset) if data.image_weights else None
    load = image_loader(dataset, data.image_size, cache=data.cache, cache_gib=data.cache_gib)
    boxes_of = _target_reader(dataset, data.image_size)
    photometric = build_photometric(augment.photometric, seed)
    parallel = data.workers or tf.data.AUTOTUNE

    def positions_of(step):
        """Returns the places of a batch in the stream, int64 [B], and the images there, int32 [B]."""
        order = epoch_order(len(dataset.records), batch_size, seed, step // steps, weights=weights, least_steps=train.min_steps)
        of_epoch = tf.range(batch_size, dtype=tf.int64) + step % steps * batch_size
        return of_epoch + step // steps * steps * batch_size, tf.gather(order, of_epoch)

    def change_colours(position, index, image):
        return position, index, photometric(image, fold_in(seed, PHOTOMETRIC_STREAM, position))

    def add_boxes(position, index, image):
        return position, image, tf.shape(image)[:2], *boxes_of(index)

    def raw_batch(positions, *pixels_and_boxes):
        step, size_hw, sides = positions[0] // batch_size, data.image_size, augment.multi_scale
        key, closed = fold_in(seed, AUGMENT_STREAM, step), step >= plain_from_step
        parameters = draw_parameters(batch_size, key, image_size=size_hw, augment=augment, closed=closed)
        if sides:
            key = fold_in(seed, SIDE_STREAM, step)
            drawn = tf.random.stateless_uniform([], key, maxval=len(sides), dtype=tf.int32, alg="philox")
            size_hw = tf.repeat(tf.constant(sides)[drawn], 2)
        canvas = tf.zeros([batch_size, size_hw[0], size_hw[1], 0], tf.uint8)
        return (RawBatch(*pixels_and_boxes, parameters, canvas),)

    # One element of the source is one batch, whose number says all about it: a data service deals these out.
    batch_numbers = tf.data.Dataset.range(first_epoch * steps + first_step, np.iinfo(np.int64).max)
    images = _map(batch_numbers, positions_of, parallel).unbatch()
    images = _map(images, lambda position, index: (position, index, load(index)), parallel)
    if augment.photometric:  # one after the other: the layers' own random state must advance in order
        images = _map(images, change_colours)
    images = _map(images, add_boxes, parallel)
    position, _, *others = (spec.shape for spec in images.element_spec)
    batches = images.padded_batch(
        batch_size,
        padded_shapes=(position, [*data.image_size, 3], *others),
        padding_values=(None, np.uint8(PAD_GREY), None, None, None),  # of the others nothing is padded
        drop_remainder=True,
    )
    batches = _map(batches, raw_batch, parallel)
    if augment_on == "host":
        places = data.max_boxes
        if places == "auto":
            places = places_for(most_boxes(dataset, data=data, augment=augment, train=train))
        batches = _map(batches, batch_augmenter(max_boxes=places), PARALLEL_AUGMENTATIONS)
    if data.service:
        batches = distribute(batches, data.service)
    options = tf.data.Options()
    options.threading.private_threadpool_size = data.workers  # 0 = the pool that everybody shares
    return batches.prefetch(tf.data.AUTOTUNE).with_options(options)


def make_eval_dataset(
    dataset: DetectionDataset,
    *,
    image_size: tuple[int, int],
    batch_size: int,
    rect: bool = False,
    letterbox: str = "center",
) -> tf.data.Dataset:
    """Makes one pass over the images, letterboxed: in record order, or sorted into batches of like ratios.

    Args:
        dataset: a DetectionDataset.
        image_size: (height, width) of the network input.
        batch_size: B; the last batch holds what is left.
        rect: sort the images by height / width and give each batch the smallest canvas instead of the whole
            square (see `rect_canvases`). Less grey, so faster; YOLOv5's own validation figures are measured so.
        letterbox: where images lie in the input, one of LETTERBOXES.

    Returns:
        tf.data.Dataset of (images float32 [b, H, W, 3] RGB 0..255, Letterbox, indices int32 [b] into
        dataset.records). With `rect` H and W change from batch to batch.

    Raises:
        InputError: `rect` and an input that is no square, or a size that is none.
        tf.errors.InvalidArgumentError: while it runs, at an image that does not decode or has another size than its record;
            `data.image_scan.check_images` names it.
    """
    image_size, batch_size = converted(image_size, tuple[int, int], "image_size"), converted(batch_size, int, "batch_size")
    if min(*image_size, batch_size) < 1:
        raise InputError(f"image_size, batch_size: got {image_size} and {batch_size}. Expected numbers above 0. Change them.")
    records = dataset.records
    read, decode = byte_reader(records), record_decoder(records)
    sizes_hw = np.array([(record.height, record.width) for record in records], np.int32).reshape(-1, 2)
    if rect:
        height, width = image_size
        if height != width:
            raise InputError(
                f"image_size: {height} x {width} px (height x width) is no square. Expected one for rect, which gives each"
                f" batch its own rectangle. Use {max(image_size)} x {max(image_size)}, or leave rect out."
            )
        order, canvas_hw = rect_canvases(sizes_hw, height, batch_size)
    else:
        order, canvas_hw = np.arange(len(records), dtype=np.int32), np.tile(np.int32(image_size), [len(records), 1])

    def load(index, canvas_hw):
        image = decode(read(index))
        # The labels are of an image of this size: of shards packed by an earlier version it may be that of the stored pixels.
        with tf.control_dependencies([tf.debugging.assert_equal(tf.shape(image)[:2], tf.gather(sizes_hw, index))]):
            image = tf.identity(image)
        boxed, scale, offset = letterbox_image(image, canvas_hw if rect else image_size, fit_size=image_size, letterbox=letterbox)
        return boxed, Letterbox(scale, offset, tf.shape(image)[:2]), index

    images = _map(tf.data.Dataset.from_tensor_slices((order, canvas_hw)), load, tf.data.AUTOTUNE)
    return images.batch(batch_size).prefetch(tf.data.AUTOTUNE)


def first_batches(train_dataset, count):
    """Returns the first `count` batches as a list of (images uint8 numpy [B, H, W, 3], Targets of numpy arrays)."""
    return [
        (np.rint(images).astype(np.uint8), Targets(*targets)) for images, targets in train_dataset.take(count).as_numpy_iterator()
    ]


def _map(elements, function, parallel=None):
    """Maps a tf.data.Dataset; without AutoGraph, which has nothing to convert here and takes a second to find that out."""
    return elements.map(tf.autograph.experimental.do_not_convert(function), num_parallel_calls=parallel)


def _check_combination(data, augment):
    """Raises InputError for options that exclude each other."""
    height, width = data.image_size
    if augment.multi_scale and height != width:
        raise InputError(
            f"config.augment.multi_scale: the input is {height} x {width} px (height x width). Expected a square for sides"
            f" {list(augment.multi_scale)}. Use data.image_size={max(height, width)}, or leave multi_scale empty."
        )
    for name, value, here in (
        ("config.data.cache", data.cache != "none" and data.cache, "the memory of this process"),
        ("config.augment.photometric", ", ".join(augment.photometric), "Python objects of this process"),
    ):
        if data.service and value:
            raise InputError(
                f"{name}: {value} uses {here}, which the workers of data.service do not see. Expected one of the two."
                " Leave one out."
            )


def _target_reader(dataset, image_size):
    """Returns the function index -> (boxes float32 [N, 4] px of the fitted image, class_ids int32 [N]).

    N is the largest number of boxes of one image of the data set; class id -1 fills up. Crowds are left out.
    """
    sizes_hw = np.array([(record.height, record.width) for record in dataset.records])
    fitted_hw = fitted_size(sizes_hw, image_size)[1].numpy()
    ratio_xyxy = np.tile((fitted_hw / sizes_hw)[:, ::-1], 2)  # of each axis: rounding makes them differ a little
    singles = [~record.is_crowd for record in dataset.records]
    boxes = np.concatenate(
        [record.boxes[single] * ratio for record, single, ratio in zip(dataset.records, singles, ratio_xyxy, strict=True)]
    )
    class_ids = np.concatenate([record.class_ids[single] for record, single in zip(dataset.records, singles, strict=True)])
    ends = np.cumsum([0, *(single.sum() for single in singles)])
    slots = max(1, np.diff(ends).max())  # one at least: empty axes break reductions
    boxes, class_ids, ends = tf.constant(boxes, tf.float32), tf.constant(class_ids, tf.int32), tf.constant(ends, tf.int32)

    def read(index):
        start, end = ends[index], ends[index + 1]
        free = slots - (end - start)
        some_boxes = tf.pad(boxes[start:end], [[0, free], [0, 0]])
        some_ids = tf.pad(class_ids[start:end], [[0, free]], constant_values=-1)
        return tf.ensure_shape(some_boxes, [slots, 4]), tf.ensure_shape(some_ids, [slots])

    return read
