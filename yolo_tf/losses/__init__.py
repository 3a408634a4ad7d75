"""Targets and raw predictions -> loss."""

from yolo_tf.losses.detection_loss import detection_loss

__all__ = ["detection_loss"]
