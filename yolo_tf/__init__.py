"""YOLOv5-style object detection on any Keras backbone."""

__version__ = "0.1.0"
