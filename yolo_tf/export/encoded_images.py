"""Encoded images -> letterboxed batch inside a served graph, where one bad image must not cost the others their answer."""

import tensorflow as tf

from yolo_tf.data.image_headers import first_image, known_format
from yolo_tf.data.images import decode_checked
from yolo_tf.data.letterbox import PAD_GREY, letterbox_image
from yolo_tf.structures import Letterbox

# What became of each image of a request; the numbers are part of the contract in docs/serving.md.
OK, EMPTY, UNKNOWN_FORMAT, TOO_LARGE, UNREADABLE = range(5)
MAX_PIXELS = 2**26  # of one image, as its header declares them: 192 MiB once decoded, just above 64-megapixel cameras


def letterbox_encoded(image_bytes, image_size, *, letterbox="center", max_pixels=MAX_PIXELS):
    """Decodes and letterboxes a batch of image files of any formats and sizes, as evaluation does.

    The images are read by a `tf.data` pipeline, in a graph the only place where the error of one element can be
    left out; by its missing number the image is found again.

    Args:
        image_bytes: string [B], whole JPEG, PNG, BMP, GIF or still WebP files.
        image_size: (height, width) px of the network input.
        letterbox: where an image lies in the input, one of LETTERBOXES.
        max_pixels: an image that declares more is not decoded.

    Returns:
        images: uint8 [B, H, W, 3], RGB; plain grey where the status is not OK.
        letterbox: Letterbox; scale 1, offset 0 and original size, of the upright image, 0 x 0 where
            the status is not OK.
        status: int32 [B], OK, EMPTY, UNKNOWN_FORMAT, TOO_LARGE or UNREADABLE.
    """

    def refused(status):
        grey = tf.fill([*image_size, 3], tf.constant(PAD_GREY, tf.uint8))
        return grey, Letterbox(tf.constant(1.0), tf.zeros([2]), tf.zeros([2], tf.int32)), tf.constant(status)

    def fitted(contents):
        image = decode_checked(contents)
        boxed, scale, offset = letterbox_image(image, image_size, letterbox=letterbox)
        return tf.cast(boxed, tf.uint8), Letterbox(scale, offset, tf.shape(image)[:2]), tf.constant(OK)

    def read_known(contents):
        contents, pixels = first_image(contents)
        return tf.cond(pixels > max_pixels, lambda: refused(TOO_LARGE), lambda: fitted(contents))

    def read(contents):
        refusals = [
            (tf.equal(tf.strings.length(contents), 0), lambda: refused(EMPTY)),
            (~known_format(contents), lambda: refused(UNKNOWN_FORMAT)),
        ]
        return tf.case(refusals, default=lambda: read_known(contents))

    batch_size = tf.size(image_bytes, tf.int64)
    numbered = tf.data.Dataset.from_tensor_slices(image_bytes).enumerate()
    readable = numbered.map(lambda index, contents: (index, read(contents)), tf.data.AUTOTUNE).ignore_errors()
    # The last element stands for every image that failed, and keeps the batch from being empty.
    unreadable = tf.data.Dataset.from_tensors(0).map(lambda _: (batch_size, refused(UNREADABLE)))
    indices, found = readable.concatenate(unreadable).batch(batch_size + 1).get_single_element()
    last = tf.size(indices) - 1
    places = tf.tensor_scatter_nd_update(tf.fill([batch_size + 1], last), indices[:, None], tf.range(last + 1))[:-1]
    return tf.nest.map_structure(lambda values: tf.gather(values, places), found)
