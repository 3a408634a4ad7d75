"""How a stored image is to be turned (EXIF orientation), read from its bytes in TensorFlow's graph, and the turning.

A camera stores pixels as its sensor lies and notes how it was held: one of eight numbers (see `sources.orientation`, which
reads the same tag without TensorFlow). Read are the Exif segment of a JPEG, the eXIf chunk of a PNG and the EXIF chunk of a
WebP; of the first two where they stand before the pixels, as their formats want it.

Source: CIPA DC-008, Exif 2.32, sections 4.5.2 to 4.6.5; PNG (Third Edition), section 11.3.4.5; RFC 9649 (WebP), section 2.7.
"""

import tensorflow as tf

from yolo_tf.data.image_headers import traced_once
from yolo_tf.sources.orientation import PREFIX, TAG, UPRIGHT

HEAD_BYTES = 10  # of a segment or chunk: enough for its kind and length in all three formats
MOST_SEGMENTS = 1000  # looked through; files in use have fewer than twenty
FIRST_SEGMENTS = 4  # of a JPEG, looked at without a loop


def turn_upright(image, contents):
    """Turns a decoded image as its file says.

    Args:
        image: uint8 [h, w, 3], the pixels as stored.
        contents: string [], the file: JPEG, PNG, BMP, GIF or WebP.

    Returns:
        uint8 [h, w, 3] or [w, h, 3]; the image itself where the file says nothing, or nothing that can be read.
    """
    upright = tf.cond(_is_plain_jpeg(contents), lambda: image, lambda: _turned(image, contents))
    return tf.ensure_shape(upright, [None, None, 3])


def orientation_of(contents):
    """Returns the EXIF orientation of an image file (string []), int64 [] 1..8; 1, upright, where it has none."""
    begin = _bytes(contents, 0, 16)
    jpeg = _begins(begin, b"\xff\xd8")
    png = _begins(begin, b"\x89PNG\r\n\x1a\n")
    webp = _begins(begin, b"RIFF") & _begins(begin[8:], b"WEBPVP8X")
    last = _length(contents) - HEAD_BYTES

    def is_exif(head):
        of_jpeg = jpeg & _begins(head, b"\xff\xe1") & _begins(head[4:], PREFIX)
        return of_jpeg | (png & _begins(head[4:], b"eXIf")) | (webp & _begins(head, b"EXIF"))

    def before_pixels(head):  # in a WebP the EXIF chunk comes last
        of_jpeg = jpeg & (head[0] == 0xFF) & ((head[1] // 16 == 0xE) | (head[1] == 0xFE))
        return of_jpeg | (png & ~_begins(head[4:], b"IDAT")) | webp

    def length_of(head):  # without the check sum of a PNG and what fills up an odd chunk of a WebP
        of_png, of_webp = _number(head[:4]), _number(tf.reverse(head[4:8], [0]))
        return tf.where(jpeg, 2 + _number(head[2:4]), 8 + tf.where(png, of_png, of_webp))

    def step(place, head):
        length = length_of(head)
        place += length + tf.where(jpeg, tf.constant(0, tf.int64), tf.where(png, tf.constant(4, tf.int64), length % 2))
        return place, _bytes(contents, place, HEAD_BYTES)

    start = tf.where(jpeg, tf.constant(2, tf.int64), tf.where(png, tf.constant(8, tf.int64), 12))
    place, head = tf.while_loop(
        lambda place, head: (place < last) & before_pixels(head) & ~is_exif(head),
        step,
        (start, _bytes(contents, start, HEAD_BYTES)),
        maximum_iterations=MOST_SEGMENTS,
    )
    block = tf.where((place < last) & is_exif(head), place + tf.where(jpeg, tf.constant(4, tf.int64), 8), _length(contents))
    # always there in a JPEG, written by some into a WebP
    prefix = tf.where(_begins(_bytes(contents, block, HEAD_BYTES), PREFIX), tf.constant(len(PREFIX), tf.int64), 0)
    return _orientation_at(contents, block + prefix, tf.minimum(place + length_of(head), _length(contents)))


def _is_plain_jpeg(contents):
    """Returns whether the first few segments of a JPEG are none that could say anything: what costs next to nothing to see."""
    last, place, kinds = tf.strings.length(contents) - 4, tf.constant(2), []
    for _ in range(FIRST_SEGMENTS):
        head = tf.io.decode_raw(tf.strings.substr(contents, tf.minimum(place, last), 4), tf.uint16, little_endian=False)
        kind, length = tf.unstack(tf.cast(head, tf.int32), 2)
        kinds.append(kind)
        place += 2 + length
    kinds = tf.stack(kinds)
    # Up to the quantisation tables, which stand behind all that is said about the picture.
    is_table = tf.cast(kinds == 0xFFDB, tf.int32)
    before = tf.cumsum(is_table) == 0
    harmless = ((kinds & 0xFFF0) == 0xFFE0) & (kinds != 0xFFE1) | (kinds == 0xFFFE) | ~before
    return tf.reduce_all(harmless) & tf.reduce_any(~before)


def _orientation_at(contents, start, end):
    """Returns the orientation that the TIFF block from byte `start` to `end` says in its first directory."""
    head = _bytes(contents, start, 8)
    little = _begins(head, b"II*\0")
    known = little | _begins(head, b"MM\0*")

    def number(data):  # int64 [..., bytes] -> [...]
        return _number(tf.where(little, tf.reverse(data, [-1]), data))

    directory = start + number(head[4:8])
    first = tf.minimum(directory + 2, end)
    whole = tf.minimum(number(_bytes(contents, directory, 2)), (end - first) // 12)
    entries = tf.io.decode_raw(tf.strings.substr(contents, first, 12 * whole), tf.uint8)
    entries = tf.reshape(tf.cast(entries, tf.int64), [-1, 12])
    values = tf.boolean_mask(number(entries[:, 8:10]), number(entries[:, :2]) == TAG)
    value = tf.reduce_sum(values[:1])
    return tf.where(known & (value >= 1) & (value <= 8), value, UPRIGHT)


@traced_once([tf.TensorSpec([None, None, 3], tf.uint8), tf.TensorSpec([], tf.string)])
def _turned(image, contents):
    orientation = orientation_of(contents)
    image = tf.cond(orientation >= 5, lambda: tf.transpose(image, [1, 0, 2]), lambda: image)
    for axis, reversing in ((1, (2, 3, 6, 7)), (0, (3, 4, 7, 8))):
        reverse = tf.reduce_any(orientation == tf.constant(reversing, tf.int64))
        image = tf.cond(reverse, lambda image=image, axis=axis: tf.reverse(image, [axis]), lambda image=image: image)
    return image


def _length(contents):
    return tf.cast(tf.strings.length(contents), tf.int64)


def _bytes(contents, start, count):
    """Returns `count` bytes from `start`, int64 [count]; zeros behind the end of the file."""
    start = tf.clip_by_value(tf.cast(start, tf.int64), 0, _length(contents))
    found = tf.io.decode_raw(tf.strings.substr(contents, start, tf.constant(count, tf.int64)), tf.uint8)
    return tf.ensure_shape(tf.cast(tf.pad(found, [[0, count - tf.size(found)]]), tf.int64), [count])


def _begins(data, text):
    """Returns whether bytes, int64 [n], begin with `text`."""
    return tf.reduce_all(data[: len(text)] == tf.constant(list(text), tf.int64))


def _number(data):
    """Returns the big-endian numbers in the last axis of bytes, int64 [..., n] -> [...]."""
    return tf.reduce_sum(data * [256**power for power in reversed(range(data.shape[-1]))], axis=-1)
