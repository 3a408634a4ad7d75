"""The formats of image files that TensorFlow decodes: what readers, the server and `predict DIR` take."""

from yolo_tf.errors import any_of

IMAGE_FORMATS = {  # name -> suffixes
    "JPEG": (".jpg", ".jpeg"),
    "PNG": (".png",),
    "BMP": (".bmp",),
    "GIF": (".gif",),
    "WebP": (".webp",),
}
IMAGE_SUFFIXES = tuple(suffix for suffixes in IMAGE_FORMATS.values() for suffix in suffixes)
IMAGE_WORDS = any_of(IMAGE_FORMATS)  # "JPEG, PNG, BMP, GIF or WebP", for messages
