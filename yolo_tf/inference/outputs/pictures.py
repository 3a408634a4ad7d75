"""NAME.jpg: each image with its detections drawn on it."""

from yolo_tf.inference.outputs.spec import Output
from yolo_tf.pictures.drawing import draw_detections, write_picture


def write_image(path, result, class_names):
    """Writes the picture of an ImageResult."""
    write_picture(draw_detections(result.read_image(), result.detections, class_names), path)


OUTPUT = Output("{}.jpg", write_image=write_image)
