"""The table of checks: id -> Check. A check is a pure function from Facts to what it found."""

from yolo_tf.doctor.checks import boxes, capacity, classes, files, images, labels, splits

CHECKS = {**files.CHECKS, **images.CHECKS, **labels.CHECKS, **boxes.CHECKS, **classes.CHECKS, **splits.CHECKS, **capacity.CHECKS}
