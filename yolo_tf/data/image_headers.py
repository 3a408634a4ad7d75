"""What an encoded image says about itself before it is decoded, read in TensorFlow's graph: format, number of pixels."""

import tensorflow as tf

HEADER_BYTES = 32  # enough for the size in every format but JPEG and GIF
GIF_EXTENSIONS = 100  # most blocks before the first frame that are skipped; files in use have fewer than ten


def traced_once(signature):
    """Decorates a function of tensors that few files need: it is no part of the graphs that call it until one does.

    It is traced once for the process, not copied into every graph, and where no file takes its branch it costs nothing.
    """
    return tf.function(input_signature=signature, autograph=False, experimental_attributes={"_noinline": True})


def known_format(contents):
    """Returns bool []: whether the first bytes are those of a JPEG, PNG, BMP, GIF or still WebP file (string [])."""
    header = _header(contents)
    webp = _has(header, b"RIFF") & _has(header, b"WEBP", 8) & ~_is_animated_webp(header)
    magic = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF8", b"BM")
    return tf.reduce_any([webp, *(_has(header, text) for text in magic)])


def is_animated_webp(contents):
    """Returns bool []: whether a file (string []) is one of those WebP that must not reach the decoder, see `known_format`."""
    return _is_animated_webp(_header(contents))


@traced_once([tf.TensorSpec([], tf.string)])
def first_image(contents):
    """Leaves out what decoding one image does not need, and counts its pixels.

    The GIF decoder decompresses all frames before it gives the first, half a megabyte of them to a gigabyte: the
    others are cut off.

    Args:
        contents: string [], a file.

    Returns:
        contents: string []; of a GIF up to its first frame, else as it was.
        pixels: int64 [], height * width as declared.

    Raises:
        tf.errors.InvalidArgumentError: no `known_format`, or the headers of a JPEG or GIF are damaged; in other formats
            decoding tells.
    """
    header = _header(contents)
    with tf.control_dependencies([tf.debugging.Assert(known_format(contents), ["no format that is decoded"])]):
        contents = tf.identity(contents)
    return tf.cond(_has(header, b"GIF8"), lambda: _first_frame(contents), lambda: (contents, _declared_pixels(contents, header)))


def _is_animated_webp(header):
    # TensorFlow's decoder can write past the end of its buffer for one (TensorFlow 2.21).
    return _has(header, b"RIFF") & _has(header, b"WEBPVP8X", 8) & (header[20] // 2 % 2 == 1)


def _header(contents):
    """Returns the first bytes as int64 [HEADER_BYTES], zeros behind the end."""
    start = tf.cast(tf.io.decode_raw(tf.strings.substr(contents, 0, HEADER_BYTES), tf.uint8), tf.int64)
    return tf.ensure_shape(tf.pad(start, [[0, HEADER_BYTES - tf.size(start)]]), [HEADER_BYTES])


def _has(header, text, start=0):
    """Returns whether `text` (bytes) stands at byte `start`."""
    return tf.reduce_all(header[start : start + len(text)] == tf.constant(list(text), tf.int64))


def _number(data, start, count):
    """Returns the little-endian number in `count` bytes from `start`, int64 []."""
    return tf.reduce_sum(tf.cast(data[start : start + count], tf.int64) * [256**index for index in range(count)])


def _declared_pixels(contents, header):
    def jpeg():
        shape = tf.cast(tf.io.extract_jpeg_shape(contents), tf.int64)
        return shape[0] * shape[1]

    def png():
        return _number(header[16:20][::-1], 0, 4) * _number(header[20:24][::-1], 0, 4)

    def bmp():  # sides are signed: of negative height is what is stored top row first
        width, height = _number(header, 18, 4), _number(header, 22, 4)
        return tf.minimum(width, 2**32 - width) * tf.minimum(height, 2**32 - height)

    def lossy_webp():
        return (_number(header, 26, 2) % 2**14) * (_number(header, 28, 2) % 2**14)

    def lossless_webp():
        sides = _number(header, 21, 4)
        return (1 + sides % 2**14) * (1 + sides // 2**14 % 2**14)

    def extended_webp():
        return (1 + _number(header, 24, 3)) * (1 + _number(header, 27, 3))

    rows = [(b"\xff\xd8\xff", 0, jpeg), (b"\x89PNG", 0, png), (b"BM", 0, bmp)]
    rows += [(b"VP8L", 12, lossless_webp), (b"VP8X", 12, extended_webp)]
    return tf.case([(_has(header, text, start), count) for text, start, count in rows], default=lossy_webp)


def _first_frame(contents):
    """Returns a GIF up to its first frame, string [], and the pixels of its screen or its frame if that is larger.

    Source: Graphics Interchange Format, version 89a (CompuServe 1990), sections 15 to 24.
    """
    data = tf.cast(tf.io.decode_raw(contents, tf.uint8), tf.int32)
    # Data stands in chains of sub-blocks: a length and as many bytes, until a length of 0. From every byte at once to the
    # end of the chain that would begin there, in steps that double: a walk block by block could be made to take minutes.
    following = tf.minimum(tf.range(tf.size(data)) + tf.where(data > 0, data + 1, 0), tf.size(data) - 1)
    ends, _ = tf.while_loop(
        lambda here, there: tf.reduce_any(here != there),
        lambda here, there: (there, tf.gather(there, there)),
        (following, tf.gather(following, following)),
    )

    def colour_table(flags):  # its bytes
        return tf.where(flags >= 128, 3 * 2 ** (flags % 8 + 1), 0)

    (frame,) = tf.while_loop(
        lambda position: data[position] == ord("!"),
        lambda position: (ends[position + 2] + 1,),
        (13 + colour_table(data[10]),),
        maximum_iterations=GIF_EXTENSIONS,
    )
    codes = frame + 10 + colour_table(data[frame + 9])
    end = tf.where(data[frame] == ord(","), ends[codes + 1] + 1, frame)  # no frame: what is left does not decode
    screen_size, frame_size = (_number(data, start, 2) * _number(data, start + 2, 2) for start in (6, frame + 5))
    return tf.strings.substr(contents, 0, end) + b";", tf.maximum(screen_size, frame_size)
