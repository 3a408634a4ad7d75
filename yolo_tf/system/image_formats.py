"""The formats of image files: which TensorFlow decodes, which it does not, and how a file without a suffix begins."""

from yolo_tf.errors import any_of

IMAGE_FORMATS = {  # name -> suffixes
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"),  # an MPO file is a JPEG with more of them behind it
    "PNG": (".png",),
    "BMP": (".bmp",),
    "GIF": (".gif",),
    "WebP": (".webp",),
}
IMAGE_SUFFIXES = tuple(suffix for suffixes in IMAGE_FORMATS.values() for suffix in suffixes)
IMAGE_WORDS = any_of(IMAGE_FORMATS)  # "JPEG, PNG, BMP, GIF or WebP", for messages
# Pictures all the same, which nothing here decodes: never passed over without a word.
UNREAD_SUFFIXES = (".tif", ".tiff", ".heic", ".heif", ".avif", ".jp2", ".jxl", ".dng", ".cr2", ".cr3", ".nef", ".arw")
UNREAD_SUFFIXES += (".ppm", ".pgm", ".pnm", ".tga", ".psd", ".exr", ".dcm")
# Of one image, as its header declares them, before anything of it is decoded: half a gigabyte of RGB. Pillow's own bound.
MOST_PIXELS = 2 * (1024**3 // 4 // 3)
HEAD_BYTES = 12


def begins_as_image(head):
    """Returns whether the first HEAD_BYTES bytes of a file are those of one of IMAGE_FORMATS."""
    bitmap = head[:2] == b"BM" and head[6:10] == bytes(4)
    webp = head[:4] == b"RIFF" and head[8:12] == b"WEBP"
    return head.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a")) or bitmap or webp
