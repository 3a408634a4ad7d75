"""DetectionDataset -> tf.data: endless augmented training batches, and one ordered pass for evaluation."""

import numpy as np
import tensorflow as tf

from yolo_tf.data.augment import augment_batch, draw_parameters
from yolo_tf.data.images import decode_image, resize_image
from yolo_tf.data.letterbox import PAD_GREY, fitted_size, letterbox_image, rect_canvases
from yolo_tf.data.photometric import build_photometric
from yolo_tf.errors import InputError
from yolo_tf.structures import Letterbox, Targets

# XLA spreads one call over all cores; a second one fills the gaps. Each holds about 25 MB per 640 x 640 image.
PARALLEL_AUGMENTATIONS = 2

# Second words of the seeds of the three kinds of random numbers; the first is train.seed.
ORDER_STREAM, AUGMENT_STREAM, PHOTOMETRIC_STREAM = 0, 1, 2


def steps_per_epoch(dataset, batch_size):
    """Returns the number of batches that show every image at least once: ceil(images / batch_size)."""
    return -(-len(dataset.records) // batch_size)


def first_plain_epoch(augment, epochs):
    """Returns the first epoch without mosaic and mixup: the last close_mosaic epochs, at most a fifth of the run."""
    return epochs - min(augment.close_mosaic, epochs // 5)


def epoch_order(num_images, batch_size, seed, epoch):
    """Draws the order of the images in one epoch, a pure function of (seed, epoch).

    Args:
        num_images: N of the data set.
        batch_size: B.
        seed: int.
        epoch: int or int64 tensor, from 0.

    Returns:
        int32 [ceil(N / B) * B]: a permutation of 0 .. N - 1, continued from its own beginning to fill the
        last batch.
    """
    key = tf.random.fold_in(tf.constant([seed, ORDER_STREAM], tf.int64), tf.cast(epoch, tf.int64), alg="philox")
    order = tf.random.experimental.stateless_shuffle(tf.range(num_images), key, alg="philox")
    slots = -(-num_images // batch_size) * batch_size
    return tf.gather(order, tf.range(slots) % num_images)


def make_train_dataset(dataset, *, data, augment, train, first_epoch=0):
    """Makes the endless stream of augmented training batches.

    The files are decoded, fitted and padded to uint8 one by one; everything else happens to the whole batch
    in one function compiled by XLA. Batch s of epoch e depends on (train.seed, e, s) alone, so a run that
    starts with `first_epoch` continues exactly where another stopped (photometric layers excepted).

    Args:
        dataset: a DetectionDataset with at least one image.
        data: DataConfig; image_size, max_boxes and cache are used.
        augment: AugmentConfig.
        train: TrainConfig; batch_size, seed and epochs are used. Mosaic and mixup end at
            `first_plain_epoch(augment, train.epochs)`.
        first_epoch: the epoch that the first batch belongs to. An epoch has `steps_per_epoch` batches.

    Returns:
        tf.data.Dataset of (images float32 [B, H, W, 3] RGB 0..255, Targets with M = data.max_boxes).
        Crowd boxes are no targets.

    Raises:
        InputError: no images, or a photometric layer that is refused.
    """
    if not dataset.records:
        raise InputError("training data: the split holds no images. Expected at least one. Check the data set YAML.")
    batch_size, seed = train.batch_size, train.seed
    num_images, steps = len(dataset.records), steps_per_epoch(dataset, batch_size)
    plain_from_step = first_plain_epoch(augment, train.epochs) * steps
    load = _image_loader(dataset, data.image_size, cache=data.cache == "images")
    boxes_of = _target_reader(dataset, data.image_size)
    photometric = build_photometric(augment.photometric, seed)

    def shuffled(epoch):
        return tf.data.Dataset.from_tensor_slices(epoch_order(num_images, batch_size, seed, epoch))

    def change_colours(index, image, position):
        return index, photometric(image, _fold_in(seed, PHOTOMETRIC_STREAM, position))

    def frame(index, image):
        size_hw = tf.shape(image)[:2]
        free = tf.constant(data.image_size) - size_hw
        framed = tf.pad(image, [[0, free[0]], [0, free[1]], [0, 0]], constant_values=PAD_GREY)
        framed.set_shape([*data.image_size, 3])
        return framed, size_hw, *boxes_of(index)

    def augmented(batch, step):
        parameters = draw_parameters(
            batch_size,
            _fold_in(seed, AUGMENT_STREAM, step),
            image_size=data.image_size,
            augment=augment,
            closed=step >= plain_from_step,
        )
        return augment_batch(*batch, parameters, max_boxes=data.max_boxes)

    forever = np.iinfo(np.int64).max
    images = tf.data.Dataset.range(first_epoch, forever).flat_map(shuffled)
    images = images.map(lambda index: (index, load(index)), num_parallel_calls=tf.data.AUTOTUNE)
    if augment.photometric:  # one after the other: the layers' own random state must advance in order
        positions = tf.data.Dataset.range(first_epoch * steps * batch_size, forever)
        images = tf.data.Dataset.zip(images, positions).map(lambda pair, position: change_colours(*pair, position))
    batches = images.map(frame, num_parallel_calls=tf.data.AUTOTUNE).batch(batch_size, drop_remainder=True)
    numbered = tf.data.Dataset.zip(batches, tf.data.Dataset.range(first_epoch * steps, forever))
    return numbered.map(augmented, num_parallel_calls=PARALLEL_AUGMENTATIONS).prefetch(tf.data.AUTOTUNE)


def make_eval_dataset(dataset, *, image_size, batch_size, rect=False):
    """Makes one pass over the images, letterboxed: in record order, or sorted into batches of like ratios.

    Args:
        dataset: a DetectionDataset.
        image_size: (height, width) of the network input.
        batch_size: B; the last batch holds what is left.
        rect: sort the images by height / width and give each batch the smallest canvas instead of the whole
            square (see `rect_canvases`). Less grey, so faster; YOLOv5's own validation figures are measured so.

    Returns:
        tf.data.Dataset of (images float32 [b, H, W, 3] RGB 0..255, Letterbox, indices int32 [b] into
        dataset.records). With `rect` H and W change from batch to batch.

    Raises:
        InputError: `rect` and an input that is no square.
    """
    records = dataset.records
    paths = tf.constant([record.path for record in records], tf.string)
    if rect:
        height, width = image_size
        if height != width:
            raise InputError(
                f"image size: {height} x {width} px (height x width) is no square. Expected one for rect, which gives each"
                f" batch its own rectangle. Use {max(image_size)} x {max(image_size)}, or leave rect out."
            )
        sizes_hw = [(record.height, record.width) for record in records]
        order, canvas_hw = rect_canvases(sizes_hw, height, batch_size)
    else:
        order, canvas_hw = np.arange(len(records), dtype=np.int32), np.tile(np.int32(image_size), [len(records), 1])

    def load(index, canvas_hw):
        image = decode_image(tf.io.read_file(paths[index]))
        boxed, scale, offset = letterbox_image(image, canvas_hw if rect else image_size, fit_size=image_size)
        return boxed, Letterbox(scale, offset, tf.shape(image)[:2]), index

    images = tf.data.Dataset.from_tensor_slices((order, canvas_hw))
    return images.map(load, num_parallel_calls=tf.data.AUTOTUNE).batch(batch_size).prefetch(tf.data.AUTOTUNE)


def first_batches(train_dataset, count):
    """Returns the first `count` batches as a list of (images uint8 numpy [B, H, W, 3], Targets of numpy arrays)."""
    return [
        (np.rint(images).astype(np.uint8), Targets(*targets))
        for images, targets in train_dataset.take(count).as_numpy_iterator()
    ]


def _fold_in(seed, stream, number):
    """Returns an int64 [2] seed, a pure function of the three."""
    return tf.random.fold_in(tf.constant([seed, stream], tf.int64), number, alg="philox")


def _image_loader(dataset, image_size, *, cache):
    """Returns the function index -> uint8 [h, w, 3], decoded and fitted into `image_size`."""
    paths = tf.constant([record.path for record in dataset.records])

    def read(index):
        image = decode_image(tf.io.read_file(paths[index]))
        return resize_image(image, fitted_size(tf.shape(image)[:2], image_size)[1])

    if not cache:
        return read

    # Without their padding and end to end: images of many shapes in one tensor.
    records = tf.data.Dataset.range(len(dataset.records))
    fitted = list(records.map(read, num_parallel_calls=tf.data.AUTOTUNE))
    shapes = tf.stack([image.shape for image in fitted])
    pixels = tf.concat([tf.reshape(image, [-1]) for image in fitted], axis=0)
    starts = tf.cumsum(tf.reduce_prod(tf.cast(shapes, tf.int64), axis=1), exclusive=True)

    def recall(index):
        size = tf.cast(tf.reduce_prod(shapes[index]), tf.int64)
        image = tf.reshape(tf.slice(pixels, [starts[index]], [size]), shapes[index])
        image.set_shape([None, None, 3])
        return image

    return recall


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
    ends = np.cumsum([single.sum() for single in singles])
    slots = max(1, np.diff(ends, prepend=0).max())  # one at least: empty axes break reductions
    boxes, class_ids = tf.constant(boxes, tf.float32), tf.constant(class_ids, tf.int32)
    ends = tf.constant(ends, tf.int32)

    def read(index):
        start = tf.where(index > 0, ends[tf.maximum(index - 1, 0)], 0)
        count = ends[index] - start
        some_boxes = tf.pad(boxes[start : start + count], [[0, slots - count], [0, 0]])
        some_ids = tf.pad(class_ids[start : start + count], [[0, slots - count]], constant_values=-1)
        return tf.ensure_shape(some_boxes, [slots, 4]), tf.ensure_shape(some_ids, [slots])

    return read
