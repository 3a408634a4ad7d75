"""Targets and raw predictions -> loss."""

from yolo_tf.losses.detection_loss import count_matches, detection_loss

__all__ = ["count_matches", "detection_loss"]
