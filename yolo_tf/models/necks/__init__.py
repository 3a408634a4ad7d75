"""The table of necks: functions (features, *, depth, width) -> features, both fine to coarse, strides kept."""

from yolo_tf.models.necks.csp_pan import csp_pan

NECKS = {"csp_pan": csp_pan}
