"""Targets and raw predictions -> loss."""

from yolo_tf.losses.detection_loss import count_matches, detection_loss
from yolo_tf.losses.distillation import count_objects, distillation_loss

__all__ = ["count_matches", "count_objects", "detection_loss", "distillation_loss"]
